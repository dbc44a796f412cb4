package zxcvbn

import (
	"maps"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// match is one way to explain the characters i to j of a password.
type match struct {
	i, j       int
	guesses    float64
	bruteforce bool
}

// matches finds all explanations, sorted by where they end and begin.
func (c *corpus) matches(chars []rune) []match {
	var all []match
	add := func(i, j int, guesses float64) {
		all = append(all, match{i: i, j: j, guesses: atLeast(guesses, j-i+1, len(chars))})
	}
	c.dictionaryMatches(chars, add)
	c.l33tMatches(chars, add)
	for name, g := range c.graphs {
		c.spatialMatches(chars, name, g, add)
	}
	c.repeatMatches(chars, add)
	sequenceMatches(chars, add)
	yearMatches(chars, add)
	dateMatches(chars, add)
	slices.SortFunc(all, func(a, b match) int {
		if a.j != b.j {
			return a.j - b.j
		}
		return a.i - b.i
	})
	return all
}

// atLeast keeps a part of a password from looking cheaper than it can be.
func atLeast(guesses float64, length, whole int) float64 {
	switch {
	case length == whole:
		return max(guesses, 1)
	case length == 1:
		return max(guesses, 10)
	}
	return max(guesses, 50)
}

// words calls found for every dictionary word in text, which is in lower case.
func (c *corpus) words(text []rune, found func(i, j, rank int)) {
	s := string(text)
	offsets := make([]int, 0, len(text)+1)
	for o := range s {
		offsets = append(offsets, o)
	}
	offsets = append(offsets, len(s))
	for _, ranks := range c.dictionaries {
		for i := range text {
			for j := i; j < len(text) && j-i < c.longest; j++ {
				if rank, ok := ranks[s[offsets[i]:offsets[j+1]]]; ok {
					found(i, j, rank)
				}
			}
		}
	}
}

func lower(chars []rune) []rune {
	l := make([]rune, len(chars))
	for i, r := range chars {
		l[i] = unicode.ToLower(r)
	}
	return l
}

func (c *corpus) dictionaryMatches(chars []rune, add func(i, j int, guesses float64)) {
	small := lower(chars)
	c.words(small, func(i, j, rank int) {
		add(i, j, float64(rank)*caseVariations(chars[i:j+1]))
	})
	slices.Reverse(small)
	last := len(chars) - 1
	c.words(small, func(i, j, rank int) {
		i, j = last-j, last-i
		add(i, j, 2*float64(rank)*caseVariations(chars[i:j+1]))
	})
}

// l33t lists what stands for a letter; the order of the letters decides the
// order of substitutions.
var l33t = []struct {
	letter rune
	subs   string
}{
	{'a', "4@"}, {'b', "8"}, {'c', "({[<"}, {'e', "3"}, {'g', "69"}, {'i', "1!|"}, {'l', "1|7"}, {'o', "0"},
	{'s', "$5"}, {'t', "+7"}, {'x', "%"}, {'z', "2"},
}

// substitutions returns the ways to read the l33t characters that occur, each
// as a map from character to letter.
func substitutions(chars []rune) []map[rune]rune {
	all := []map[rune]rune{{}}
	for _, entry := range l33t {
		var next []map[rune]rune
		relevant := false
		for _, sub := range entry.subs {
			if !slices.Contains(chars, sub) {
				continue
			}
			relevant = true
			for _, m := range all {
				if _, taken := m[sub]; taken {
					next = append(next, m)
				}
				m = maps.Clone(m)
				m[sub] = entry.letter
				next = append(next, m)
			}
		}
		if relevant {
			all = distinct(next)
		}
	}
	return all
}

func distinct(all []map[rune]rune) []map[rune]rune {
	var kept []map[rune]rune
	seen := map[string]bool{}
	for _, m := range all {
		var key strings.Builder
		for _, k := range slices.Sorted(maps.Keys(m)) {
			key.WriteRune(k)
			key.WriteRune(m[k])
		}
		if !seen[key.String()] {
			seen[key.String()] = true
			kept = append(kept, m)
		}
	}
	return kept
}

func (c *corpus) l33tMatches(chars []rune, add func(i, j int, guesses float64)) {
	small := lower(chars)
	for _, subs := range substitutions(chars) {
		if len(subs) == 0 {
			return
		}
		read := slices.Clone(small)
		for i, r := range chars {
			if letter, ok := subs[r]; ok {
				read[i] = letter
			}
		}
		c.words(read, func(i, j, rank int) {
			if i == j || slices.Equal(read[i:j+1], small[i:j+1]) {
				return // a single character, or nothing was substituted
			}
			add(i, j, float64(rank)*caseVariations(chars[i:j+1])*l33tVariations(small[i:j+1], subs))
		})
	}
}

// spatialMatches finds walks of at least three keys.
func (c *corpus) spatialMatches(chars []rune, name string, g graph, add func(i, j int, guesses float64)) {
	const shiftedKeys = `~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:"ZXCVBNM<>?`
	keyboard := name == "qwerty" || name == "dvorak"
	for i := 0; i < len(chars)-1; {
		j, turns, direction, shifted := i+1, 0, -1, 0
		if keyboard && strings.ContainsRune(shiftedKeys, chars[i]) {
			shifted = 1
		}
		for j < len(chars) {
			to, second := step(g.adjacent[chars[j-1]], chars[j])
			if to < 0 {
				break
			}
			if second {
				shifted++
			}
			if to != direction {
				turns++
				direction = to
			}
			j++
		}
		if j-i > 2 {
			add(i, j-1, c.spatialGuesses(keyboard, j-i, turns, shifted))
		}
		i = j
	}
}

// step returns the direction in which r lies, or -1, and whether it is the
// shifted character of its key.
func step(adjacent []string, r rune) (direction int, shifted bool) {
	for d, key := range adjacent {
		if at := strings.IndexRune(key, r); at >= 0 {
			return d, utf8.RuneCountInString(key[:at]) == 1
		}
	}
	return -1, false
}

// repeatMatches finds a part that occurs at least twice in a row. Of the
// shortest and the longest such part, the one that explains more wins.
func (c *corpus) repeatMatches(chars []rune, add func(i, j int, guesses float64)) {
	for from := 0; from < len(chars); {
		i, base, length := repeat(chars, from)
		if length == 0 {
			return
		}
		add(i, i+length-1, c.guesses(chars[i:i+base])*float64(length/base))
		from = i + length
	}
}

// repeat finds the leftmost repetition: where it begins, the length of its
// smallest unit, and its own length.
func repeat(chars []rune, from int) (i, base, length int) {
	for i = from; i < len(chars); i++ {
		lazyBase, lazy, greedy := 0, 0, 0
		for unit := 1; i+2*unit <= len(chars); unit++ {
			if strings.ContainsRune("\n\r\u2028\u2029", chars[i+unit-1]) {
				break
			}
			n := 1
			for i+(n+1)*unit <= len(chars) && slices.Equal(chars[i:i+unit], chars[i+n*unit:i+(n+1)*unit]) {
				n++
			}
			if n < 2 {
				continue
			}
			if lazy == 0 {
				lazyBase, lazy = unit, n*unit
			}
			greedy = n * unit // the last one found has the longest unit
		}
		if greedy > lazy {
			return i, smallestUnit(chars[i : i+greedy]), greedy
		}
		if lazy > 0 {
			return i, lazyBase, lazy
		}
	}
	return 0, 0, 0
}

// smallestUnit is the length of the shortest part that makes up all of chars.
func smallestUnit(chars []rune) int {
	for unit := 1; unit < len(chars); unit++ {
		if len(chars)%unit == 0 && slices.Equal(chars[unit:], chars[:len(chars)-unit]) {
			return unit
		}
	}
	return len(chars)
}

// sequenceMatches finds runs of characters at equal distance, such as aceg.
func sequenceMatches(chars []rune, add func(i, j int, guesses float64)) {
	const maxDelta = 5
	if len(chars) < 2 {
		return
	}
	found := func(i, j int, delta rune) {
		step := max(delta, -delta)
		if (j-i > 1 || step == 1) && step > 0 && step <= maxDelta {
			add(i, j, sequenceGuesses(chars[i], j-i+1, delta > 0))
		}
	}
	i, last := 0, chars[1]-chars[0]
	for k := 2; k < len(chars); k++ {
		if delta := chars[k] - chars[k-1]; delta != last {
			found(i, k-1, last)
			i, last = k-1, delta
		}
	}
	found(i, len(chars)-1, last)
}
