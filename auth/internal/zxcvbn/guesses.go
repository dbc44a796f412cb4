package zxcvbn

import (
	"cmp"
	"math"
	"slices"
)

// match is a part of a password, from i up to j, that can be guessed as a
// whole.
type match struct {
	i, j    int
	guesses float64
}

// matches returns all parts of a password that look like something, by where
// they end and begin. Of the same part it returns those first that the original
// finds first, on which the result may depend: see add.
func (c *corpus) matches(password []uint16) []match {
	found := slices.Concat(
		c.dictionaryMatches(password),
		c.reverseMatches(password),
		c.leetMatches(password),
	)
	for _, k := range c.keyboards {
		found = append(found, keyboardMatches(k, password)...)
	}
	found = slices.Concat(found,
		c.repeatMatches(password),
		sequenceMatches(password),
		yearMatches(password),
		dateMatches(password),
	)
	for n, m := range found {
		found[n].guesses = max(m.guesses, leastGuesses(m.j-m.i, len(password)))
	}
	slices.SortStableFunc(found, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.j, b.j), cmp.Compare(a.i, b.i))
	})
	return found
}

// leastGuesses keeps small parts of a password from costing next to nothing.
func leastGuesses(length, whole int) float64 {
	switch length {
	case whole:
		return 1
	case 1:
		return 10
	}
	return 50
}

// bruteForceGuesses takes ten guesses per character, and always more than
// leastGuesses.
func bruteForceGuesses(length int) float64 {
	if length == 1 {
		return 11
	}
	return math.Pow10(length)
}

// composition is a way to put the beginning of a password together.
type composition struct {
	parts   int
	product float64 // of the guesses of the parts
	guesses float64
}

// compositions has the best compositions up to each character, at most one of
// each number of parts, and those of fewer parts first.
type compositions [][]composition

// guesses returns the cost of the cheapest composition of a password, as far as
// the original's search finds it. An attacker does not know the order of the
// parts, hence the factorial, and tries compositions of fewer parts first, hence
// the power that is added:
//
//	parts! * product of the guesses of the parts + 10000^(parts-1)
func (c *corpus) guesses(password []uint16) float64 {
	if len(password) == 0 {
		return 1
	}
	best := make(compositions, len(password)+1)
	found := c.matches(password)
	for j := 1; j <= len(password); j++ {
		for ; len(found) > 0 && found[0].j == j; found = found[1:] {
			best.extend(found[0])
		}
		for i := range j {
			best.extend(match{i, j, bruteForceGuesses(j - i)})
		}
	}
	least := math.Inf(1)
	for _, b := range best[len(password)] {
		least = min(least, b.guesses)
	}
	return least
}

// extend adds m to the compositions that end where it begins.
func (cs compositions) extend(m match) {
	if m.i == 0 {
		cs.add(m.j, 1, m.guesses)
		return
	}
	for _, b := range cs[m.i] {
		cs.add(m.j, b.parts+1, m.guesses*b.product)
	}
}

// add keeps a composition unless one of as many parts or fewer is as cheap. It
// leaves those of more parts that are now dearer, though it would refuse them
// from now on. So the order of matches counts, and must be the original's.
func (cs compositions) add(j, parts int, product float64) {
	const perPart = 10000
	guesses := factorial(parts)*product + math.Pow(perPart, float64(parts-1))
	at := 0
	for _, b := range cs[j] {
		if b.parts <= parts && b.guesses <= guesses {
			return
		}
		if b.parts < parts {
			at++
		}
	}
	added := composition{parts, product, guesses}
	if at < len(cs[j]) && cs[j][at].parts == parts {
		cs[j][at] = added
		return
	}
	cs[j] = slices.Insert(cs[j], at, added)
}

func factorial(n int) float64 {
	f := 1.0
	for i := 2; i <= n; i++ {
		f *= float64(i)
	}
	return f
}
