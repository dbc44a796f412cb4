package auth

import "strings"

// word is a part of a user agent and what people call it. Earlier ones win, as
// browsers also name those that they descend from.
type word struct{ part, name string }

var browsers = []word{
	{"Edg", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser/", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
	{"CriOS/", "Chrome"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
}

var systems = []word{
	{"iPhone", "iOS"}, {"iPad", "iPadOS"}, {"Android", "Android"}, {"Windows", "Windows"}, {"CrOS", "ChromeOS"},
	{"Mac OS X", "macOS"}, {"Macintosh", "macOS"}, {"Linux", "Linux"},
}

func find(words []word, agent string) string {
	for _, w := range words {
		if strings.Contains(agent, w.part) {
			return w.name
		}
	}
	return ""
}

// Device describes the browser for people, as in "Chrome on macOS", or a program
// by the name that it gives itself. It is "" if nothing is known.
func (s Session) Device() string {
	browser, system := find(browsers, s.UserAgent), find(systems, s.UserAgent)
	switch {
	case browser != "" && system != "":
		return browser + " on " + system
	case browser != "" || system != "":
		return browser + system
	}
	product, _, _ := strings.Cut(s.UserAgent, "/")
	if len(product) > 40 || strings.ContainsFunc(product, func(r rune) bool { return r < ' ' || r > '~' }) {
		return ""
	}
	return strings.TrimSpace(product)
}
