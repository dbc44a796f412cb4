// Package zxcvbn estimates how many guesses a password withstands, by the
// algorithm of zxcvbn 4.4.2: it looks for the parts of which a password is
// made, such as words, keyboard walks and dates, and for the way to put it
// together that is cheapest to guess.
//
// Scores equal those of the npm package of that version, run in the year 2026
// without user inputs, with two exceptions, both on the strict side. JavaScript
// finds "constructor" and "__proto__" in every dictionary and gives up
// computing; here they are looked up like any other text. And the letter İ,
// which becomes two characters in lower case there and shifts all that follow,
// becomes one here.
//
// All of it is safe for concurrent use. The word lists are unpacked on first
// use, which takes some tens of milliseconds.
package zxcvbn

import (
	"sort"
	"strings"
	"unicode/utf16"
)

const (
	// referenceYear is the present of the estimate: the years around it are
	// guessed first. JavaScript asks the clock; a constant makes a password's
	// score the same every day.
	referenceYear = 2026

	// maxUnits is how much of a password is looked at. The search is
	// superlinear.
	maxUnits = 100
)

// Score rates the first 100 characters of a password, as Guesses does, from 0
// to 4: fewer than 1e3, 1e6, 1e8 and 1e10 guesses, and more.
func Score(password string) int {
	// The original adds five to each limit, so that an estimate of just 1e3
	// still counts as fewer.
	limits := []float64{1e3 + 5, 1e6 + 5, 1e8 + 5, 1e10 + 5}
	guesses := Guesses(password)
	return sort.Search(len(limits), func(n int) bool { return guesses < limits[n] })
}

// Guesses estimates how many guesses the first 100 characters of a password
// withstand. Characters are UTF-16 code units, as in JavaScript, so one outside
// the Basic Multilingual Plane, such as an emoji, counts as two. Each byte that
// is not valid UTF-8 counts as U+FFFD.
func Guesses(password string) float64 {
	return lists().guesses(units(password))
}

// Common reports whether a password, as a whole and in lower case, is one of
// the 30,000 most common.
func Common(password string) bool {
	return lists().common(strings.ToLower(password))
}

// units returns the first code units of s.
func units(s string) []uint16 {
	u := make([]uint16, 0, min(len(s), maxUnits+1))
	for _, r := range s {
		if u = utf16.AppendRune(u, r); len(u) >= maxUnits {
			return u[:maxUnits]
		}
	}
	return u
}
