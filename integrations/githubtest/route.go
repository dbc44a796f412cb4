package githubtest

import (
	"strings"
)

// pattern is a route: a method and the segments of a path. A segment in braces
// stands for any one segment.
type pattern struct {
	method   string
	segments []string
}

// parsePattern reads "GET /repos/{owner}/{name}". A path without braces is a
// pattern as well.
func parsePattern(text string) (pattern, error) {
	method, path, ok := strings.Cut(text, " ")
	if !ok || method == "" || method != strings.ToUpper(method) || !strings.HasPrefix(path, "/") || strings.ContainsAny(path, " ?#") {
		return pattern{}, invalid("/route", `%q: want a method and a path without query, as in "GET /user"`, text)
	}
	return pattern{method, strings.Split(path[1:], "/")}, nil
}

// must is for the patterns of this package.
func must(text string) pattern {
	p, err := parsePattern(text)
	if err != nil {
		panic(err)
	}
	return p
}

func wild(segment string) bool {
	return strings.HasPrefix(segment, "{") && strings.HasSuffix(segment, "}")
}

// overlaps says whether some request matches both patterns. For a concrete path
// that is whether it matches the other.
func (p pattern) overlaps(q pattern) bool {
	if p.method != q.method || len(p.segments) != len(q.segments) {
		return false
	}
	for n, segment := range p.segments {
		if segment != q.segments[n] && !wild(segment) && !wild(q.segments[n]) {
			return false
		}
	}
	return true
}

// wildcards counts the segments in braces; the fewer, the more exact.
func (p pattern) wildcards() (n int) {
	for _, segment := range p.segments {
		if wild(segment) {
			n++
		}
	}
	return n
}

// key is equal for patterns that match the same requests.
func (p pattern) key() string {
	segments := make([]string, len(p.segments))
	for n, segment := range p.segments {
		if segments[n] = segment; wild(segment) {
			segments[n] = "{}"
		}
	}
	return p.method + " /" + strings.Join(segments, "/")
}

func (p pattern) String() string { return p.method + " /" + strings.Join(p.segments, "/") }
