package zxcvbn

import (
	"math"
	"slices"
	"strings"
	"unicode"
)

const (
	bruteforceBase = 10
	// growingSequence is what each further part of a composition costs at least.
	growingSequence = 10000
)

// best is the cheapest composition of a prefix by a number of parts.
type best struct {
	parts   int
	product float64 // of the guesses of the parts
	guesses float64
	last    match
}

// guesses finds the composition of chars from matches that is cheapest to
// guess. A composition of l parts costs l! times the product of its parts, as
// their order is unknown, plus a term for attackers who try shorter ones first.
func (c *corpus) guesses(chars []rune) float64 {
	n := len(chars)
	if n == 0 {
		return 1
	}
	optimal := make([][]best, n) // by last character; parts ascend
	found := c.matches(chars)
	for k := range n {
		for ; len(found) > 0 && found[0].j == k; found = found[1:] {
			extend(optimal, found[0])
		}
		for i := range k + 1 {
			extend(optimal, match{i: i, j: k, bruteforce: true, guesses: bruteforceGuesses(k-i+1, n)})
		}
	}
	least := math.Inf(1)
	for _, b := range optimal[n-1] {
		least = min(least, b.guesses)
	}
	return least
}

func bruteforceGuesses(length, whole int) float64 {
	g := math.Pow(bruteforceBase, float64(length))
	if length == 1 {
		return atLeast(max(g, 11), length, whole)
	}
	return atLeast(max(g, 51), length, whole)
}

// extend appends m to every composition that ends before it.
func extend(optimal [][]best, m match) {
	if m.i == 0 {
		update(optimal, m, 1, m.guesses)
		return
	}
	for _, b := range optimal[m.i-1] {
		// Two stretches of brute force in a row are one.
		if !m.bruteforce || !b.last.bruteforce {
			update(optimal, m, b.parts+1, m.guesses*b.product)
		}
	}
}

// update keeps a composition unless one of no more parts is as cheap.
func update(optimal [][]best, m match, parts int, product float64) {
	g := factorial(parts)*product + math.Pow(growingSequence, float64(parts-1))
	at := 0
	for _, b := range optimal[m.j] {
		if b.parts > parts {
			break
		}
		if b.guesses <= g {
			return
		}
		if b.parts < parts {
			at++
		}
	}
	next := best{parts: parts, product: product, guesses: g, last: m}
	if at < len(optimal[m.j]) && optimal[m.j][at].parts == parts {
		optimal[m.j][at] = next
		return
	}
	optimal[m.j] = slices.Insert(optimal[m.j], at, next)
}

func factorial(n int) float64 {
	f := 1.0
	for i := 2; i <= n; i++ {
		f *= float64(i)
	}
	return f
}

// choose is the number of ways to choose k of n.
func choose(n, k int) float64 {
	if k > n {
		return 0
	}
	r := 1.0
	for d := 1; d <= k; d++ {
		r *= float64(n)
		r /= float64(d)
		n--
	}
	return r
}

// variations is in how many ways up to min(a, b) of a+b places can differ.
func variations(a, b int) float64 {
	v := 0.0
	for i := 1; i <= min(a, b); i++ {
		v += choose(a+b, i)
	}
	return v
}

// caseVariations is how many spellings in upper and lower case are tried before
// this one.
func caseVariations(word []rune) float64 {
	upper, small := 0, 0
	for _, r := range word {
		switch {
		case 'A' <= r && r <= 'Z':
			upper++
		case 'a' <= r && r <= 'z':
			small++
		}
	}
	isUpper := func(r rune) bool { return 'A' <= r && r <= 'Z' }
	last := len(word) - 1
	switch {
	case upper == 0 || slices.Equal(word, lower(word)):
		return 1
	case len(word) > 1 && upper == 1 && (isUpper(word[0]) || isUpper(word[last])), small == 0:
		return 2
	}
	return variations(upper, small)
}

// l33tVariations is how many ways to substitute are tried before this one. word
// is in lower case.
func l33tVariations(word []rune, subs map[rune]rune) float64 {
	v := 1.0
	for sub, letter := range subs {
		substituted, plain := 0, 0
		for _, r := range word {
			switch r {
			case sub:
				substituted++
			case letter:
				plain++
			}
		}
		switch {
		case substituted == 0:
		case plain == 0:
			v *= 2
		default:
			v *= variations(substituted, plain)
		}
	}
	return v
}

// spatialGuesses counts the walks of up to this length and number of turns.
func (c *corpus) spatialGuesses(keyboard bool, length, turns, shifted int) float64 {
	g := c.graphs["keypad"]
	if keyboard {
		g = c.graphs["qwerty"]
	}
	guesses := 0.0
	for i := 2; i <= length; i++ {
		for j := 1; j <= min(turns, i-1); j++ {
			guesses += choose(i-1, j-1) * float64(len(g.adjacent)) * math.Pow(g.degree, float64(j))
		}
	}
	switch {
	case shifted == 0:
		return guesses
	case shifted == length:
		return guesses * 2
	}
	return guesses * variations(shifted, length-shifted)
}

func sequenceGuesses(first rune, length int, ascending bool) float64 {
	base := 26.0
	switch {
	case strings.ContainsRune("aAzZ019", first):
		base = 4 // where people begin
	case first < unicode.MaxASCII && unicode.IsDigit(first):
		base = 10
	}
	if !ascending {
		base *= 2
	}
	return base * float64(length)
}
