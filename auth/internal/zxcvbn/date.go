package zxcvbn

import (
	"slices"
	"unicode"
)

const (
	minYear      = 1000
	maxYear      = 2050
	minYearSpace = 20
)

// yearMatches finds the years 1900 to 2019 as they stand.
func yearMatches(chars []rune, add func(i, j int, guesses float64)) {
	for i := 0; i+4 <= len(chars); i++ {
		n, ok := number(chars[i : i+4])
		if ok && n >= 1900 && n < 2020 {
			add(i, i+3, float64(yearSpace(n)))
			i += 3
		}
	}
}

func yearSpace(year int) int {
	return max(year-referenceYear, referenceYear-year, minYearSpace)
}

// splits are the ways to divide digits without separators into three numbers,
// by how many digits there are.
var splits = map[int][][2]int{
	4: {{1, 2}, {2, 3}},
	5: {{1, 3}, {2, 3}},
	6: {{1, 2}, {2, 4}, {4, 5}},
	7: {{1, 3}, {2, 3}, {4, 5}, {4, 6}},
	8: {{2, 4}, {4, 6}},
}

// dateMatches finds dates, unless they lie within a longer one.
func dateMatches(chars []rune, add func(i, j int, guesses float64)) {
	type date struct {
		i, j    int
		guesses float64
	}
	var dates []date
	for i := range chars {
		for j := i + 3; j <= i+9 && j < len(chars); j++ {
			token := chars[i : j+1]
			if year, ok := plainDate(token); ok {
				dates = append(dates, date{i, j, float64(yearSpace(year)) * 365})
			}
			if year, ok := separatedDate(token); ok {
				dates = append(dates, date{i, j, float64(yearSpace(year)) * 365 * 4})
			}
		}
	}
	for n, d := range dates {
		inside := slices.ContainsFunc(slices.Delete(slices.Clone(dates), n, n+1), func(o date) bool { return o.i <= d.i && o.j >= d.j })
		if !inside {
			add(d.i, d.j, d.guesses)
		}
	}
}

// plainDate reads a date without separators; of several readings the year
// nearest to the present wins.
func plainDate(token []rune) (year int, ok bool) {
	for _, s := range splits[len(token)] {
		a, aok := number(token[:s[0]])
		b, bok := number(token[s[0]:s[1]])
		c, cok := number(token[s[1]:])
		if !aok || !bok || !cok {
			return 0, false
		}
		y, found := dateYear(a, b, c)
		if found && (!ok || max(y-referenceYear, referenceYear-y) < max(year-referenceYear, referenceYear-year)) {
			year, ok = y, true
		}
	}
	return year, ok
}

// separatedDate reads a date with the same separator twice.
func separatedDate(token []rune) (year int, ok bool) {
	var at []int
	for i, r := range token {
		if r < '0' || r > '9' {
			at = append(at, i)
		}
	}
	if len(at) != 2 || token[at[0]] != token[at[1]] || !separator(token[at[0]]) {
		return 0, false
	}
	first, second, third := token[:at[0]], token[at[0]+1:at[1]], token[at[1]+1:]
	if len(first) > 4 || len(second) > 2 || len(third) > 4 {
		return 0, false
	}
	a, aok := number(first)
	b, bok := number(second)
	c, cok := number(third)
	if !aok || !bok || !cok {
		return 0, false
	}
	return dateYear(a, b, c)
}

func separator(r rune) bool {
	switch r {
	case '/', '\\', '_', '.', '-', '\ufeff':
		return true
	}
	return unicode.IsSpace(r)
}

// dateYear returns the year of three numbers that make a date: the year is
// first or last, and day and month come in either order.
func dateYear(a, b, c int) (int, bool) {
	over12, over31, under1 := 0, 0, 0
	for _, n := range []int{a, b, c} {
		if n > 99 && n < minYear || n > maxYear {
			return 0, false
		}
		if n > 31 {
			over31++
		}
		if n > 12 {
			over12++
		}
		if n <= 0 {
			under1++
		}
	}
	if b > 31 || b <= 0 || over31 >= 2 || over12 == 3 || under1 >= 2 {
		return 0, false
	}
	for _, r := range [][3]int{{c, a, b}, {a, b, c}} {
		if r[0] >= minYear {
			return r[0], dayAndMonth(r[1], r[2])
		}
	}
	for _, r := range [][3]int{{c, a, b}, {a, b, c}} {
		if dayAndMonth(r[1], r[2]) {
			return fourDigits(r[0]), true
		}
	}
	return 0, false
}

func dayAndMonth(a, b int) bool {
	fits := func(d, m int) bool { return d >= 1 && d <= 31 && m >= 1 && m <= 12 }
	return fits(a, b) || fits(b, a)
}

func fourDigits(year int) int {
	switch {
	case year > 99:
		return year
	case year > 50:
		return 1900 + year
	}
	return 2000 + year
}

// number reads decimal digits.
func number(chars []rune) (n int, ok bool) {
	for _, r := range chars {
		if r < '0' || r > '9' {
			return 0, false
		}
		n = 10*n + int(r-'0')
	}
	return n, len(chars) > 0
}
