package zxcvbn

import (
	"slices"
	"unicode"
)

const (
	minYear = 1000
	maxYear = 2050
)

// yearMatches finds 1900 to 2019, the years that the original calls recent.
func yearMatches(password []uint16) []match {
	var found []match
	for i := 0; i+4 <= len(password); {
		year, ok := number(password[i : i+4])
		if !ok || year < 1900 || year > 2019 {
			i++
			continue
		}
		found = append(found, match{i, i + 4, yearGuesses(year)})
		i += 4
	}
	return found
}

// yearGuesses is how many years are tried up to this one, and at least 20.
func yearGuesses(year int) float64 {
	return float64(max(distance(year), 20))
}

func distance(year int) int {
	return max(year-referenceYear, referenceYear-year)
}

// dateMatches finds dates that are not part of longer ones: 4 to 8 digits, or
// 6 to 10 characters with separators.
func dateMatches(password []uint16) []match {
	var all []match
	for i := range password {
		for j := i + 4; j <= min(i+10, len(password)); j++ {
			text := password[i:j]
			if year, ok := plainDate(text); ok {
				all = append(all, match{i, j, yearGuesses(year) * 365})
			} else if year, ok := separatedDate(text); ok {
				all = append(all, match{i, j, yearGuesses(year) * 365 * 4}) // common separators
			}
		}
	}
	within := func(m match) bool {
		return slices.ContainsFunc(all, func(o match) bool {
			return o.i <= m.i && m.j <= o.j && o != m
		})
	}
	var found []match
	for _, m := range all {
		if !within(m) {
			found = append(found, m)
		}
	}
	return found
}

// plainDate returns the year of a date without separators. Of several ways to
// read one it takes the year nearest to the present.
func plainDate(text []uint16) (year int, ok bool) {
	for _, cut := range cuts(len(text)) {
		y, isDate := dateYear(text[:cut[0]], text[cut[0]:cut[1]], text[cut[1]:])
		if isDate && (!ok || distance(y) < distance(year)) {
			year, ok = y, true
		}
	}
	return year, ok
}

// cuts returns where to cut so many digits into three numbers.
func cuts(digits int) [][2]int {
	switch digits {
	case 4:
		return [][2]int{{1, 2}, {2, 3}}
	case 5:
		return [][2]int{{1, 3}, {2, 3}}
	case 6:
		return [][2]int{{1, 2}, {2, 4}, {4, 5}}
	case 7:
		return [][2]int{{1, 3}, {2, 3}, {4, 5}, {4, 6}}
	case 8:
		return [][2]int{{2, 4}, {4, 6}}
	}
	return nil
}

// separatedDate returns the year of a date with the same separator twice.
func separatedDate(text []uint16) (year int, ok bool) {
	if len(text) < 6 {
		return 0, false
	}
	first := slices.IndexFunc(text, isSeparator)
	if first < 1 || first > 4 {
		return 0, false
	}
	rest := text[first+1:]
	second := slices.Index(rest, text[first])
	if second < 1 || second > 2 || len(rest)-second-1 > 4 {
		return 0, false
	}
	return dateYear(text[:first], rest[:second], rest[second+1:])
}

// isSeparator accepts what [\s/\\_.-] does in JavaScript, where white space
// includes the byte order mark, but not the next line character.
func isSeparator(c uint16) bool {
	switch c {
	case '/', '\\', '_', '.', '-', '\ufeff':
		return true
	case '\u0085':
		return false
	}
	return unicode.IsSpace(rune(c))
}

// dateYear returns the year of three numbers that make a date. The year is the
// first or the last of them; days and months come in either order, and any
// month may have 31 days.
func dateYear(first, second, third []uint16) (year int, ok bool) {
	a, aok := number(first)
	b, bok := number(second)
	c, cok := number(third)
	if !aok || !bok || !cok {
		return 0, false
	}
	switch {
	case c >= minYear:
		return c, c <= maxYear && isDayAndMonth(a, b)
	case a >= minYear:
		return a, a <= maxYear && isDayAndMonth(b, c)
	case c <= 99 && isDayAndMonth(a, b):
		return fullYear(c), true
	case a <= 99 && isDayAndMonth(b, c):
		return fullYear(a), true
	}
	return 0, false
}

func isDayAndMonth(a, b int) bool {
	return min(a, b) >= 1 && min(a, b) <= 12 && max(a, b) <= 31
}

// fullYear takes two digits over 50 for the last century.
func fullYear(year int) int {
	if year > 50 {
		return 1900 + year
	}
	return 2000 + year
}

// number reads decimal digits, at least one.
func number(text []uint16) (n int, ok bool) {
	for _, c := range text {
		if !isDigit(c) {
			return 0, false
		}
		n = 10*n + int(c-'0')
	}
	return n, len(text) > 0
}

func isDigit(c uint16) bool { return '0' <= c && c <= '9' }
