package zxcvbn

import (
	"cmp"
	"slices"
	"strings"
	"unicode"
)

// dictionaryMatches finds words.
func (c *corpus) dictionaryMatches(password []uint16) []match {
	var found []match
	c.eachWord(lower(password), func(i, j, rank int) {
		found = append(found, match{i, j, float64(rank) * caseVariations(password[i:j])})
	})
	return found
}

// reverseMatches finds words spelled backwards.
func (c *corpus) reverseMatches(password []uint16) []match {
	var found []match
	backwards := lower(password)
	slices.Reverse(backwards)
	c.eachWord(backwards, func(i, j, rank int) {
		i, j = len(password)-j, len(password)-i
		found = append(found, match{i, j, 2 * float64(rank) * caseVariations(password[i:j])})
	})
	return found
}

// eachWord calls found for each text[i:j] that is a word.
func (c *corpus) eachWord(text []uint16, found func(i, j, rank int)) {
	for i := range text {
		p := prefix{words: c.words}
		for j := i; j < len(text); j++ {
			if p = p.next(text[j]); len(p.words) == 0 {
				break
			}
			if rank := p.rank(); rank > 0 {
				found(i, j+1, rank)
			}
		}
	}
}

// lower maps each code unit, so it leaves alone what is outside the Basic
// Multilingual Plane, of which no word has any.
func lower(text []uint16) []uint16 {
	l := make([]uint16, len(text))
	for i, c := range text {
		l[i] = uint16(unicode.ToLower(rune(c)))
	}
	return l
}

// symbols are the characters that may stand for letters.
const symbols = "4@8({[<3691!|70$5+%2"

// standIns lists the symbols for each letter. A symbol of two letters stands
// for one of them at a time.
var standIns = [...]struct {
	letter  byte
	symbols string
}{
	{'a', "4@"}, {'b', "8"}, {'c', "({[<"}, {'e', "3"}, {'g', "69"}, {'i', "1!|"},
	{'l', "1|7"}, {'o', "0"}, {'s', "$5"}, {'t', "+7"}, {'x', "%"}, {'z', "2"},
}

// reading says for each of the symbols, by its index, for which letter it
// stands; 0 means for none.
type reading [len(symbols)]byte

// readings returns the ways to read the symbols of a password, in the order of
// the original. In each, every letter that has stand-ins in the password has one
// of them, unless another letter has taken it.
func readings(password []uint16) []reading {
	all := []reading{{}}
	for _, s := range standIns {
		var next []reading
		seen := map[reading]bool{}
		add := func(r reading) {
			if !seen[r] {
				seen[r] = true
				next = append(next, r)
			}
		}
		for _, c := range []byte(s.symbols) {
			if !slices.Contains(password, uint16(c)) {
				continue
			}
			at := strings.IndexByte(symbols, c)
			for _, r := range all {
				if r[at] != 0 {
					add(r)
				}
				r[at] = s.letter
				add(r)
			}
		}
		if next != nil {
			all = next
		}
	}
	return all
}

// leetMatches finds words of at least two characters, of which at least one
// stands in for a letter.
func (c *corpus) leetMatches(password []uint16) []match {
	s := leetSearch{password: password, small: lower(password), readings: readings(password)}
	if s.readings[0] == (reading{}) {
		return nil // no symbols
	}
	all := make([]int, len(s.readings))
	for n := range all {
		all[n] = n
	}
	for i := range password {
		s.from(i, i, prefix{words: c.words}, all, false)
	}
	slices.SortStableFunc(s.found, func(a, b leetMatch) int { return cmp.Compare(a.reading, b.reading) })
	found := make([]match, len(s.found))
	for n, m := range s.found {
		found[n] = m.match
	}
	return found
}

// leetSearch looks up all readings of a text at once: there may be hundreds,
// which differ little.
type leetSearch struct {
	password, small []uint16
	readings        []reading
	found           []leetMatch
}

type leetMatch struct {
	match
	reading int // the first in which it is found
}

// from searches words that begin at i. The readings of the given indexes agree
// up to j, and p is the text from i up to there, as read in them; read tells
// whether that contains a stand-in.
func (s *leetSearch) from(i, j int, p prefix, indexes []int, read bool) {
	if len(p.words) == 0 {
		return
	}
	if rank := p.rank(); rank > 0 && read && j-i > 1 {
		variations := caseVariations(s.password[i:j]) * leetVariations(s.small[i:j], s.readings[indexes[0]])
		s.found = append(s.found, leetMatch{match{i, j, float64(rank) * variations}, indexes[0]})
	}
	if j == len(s.small) {
		return
	}
	plain := p.next(s.small[j])
	symbol := -1
	if c := s.small[j]; c <= 0x7f {
		symbol = strings.IndexByte(symbols, byte(c))
	}
	if symbol < 0 {
		s.from(i, j+1, plain, indexes, read)
		return
	}
	for _, letter := range s.letters(indexes, symbol) {
		next := plain
		if letter != 0 {
			next = p.next(uint16(letter))
		}
		if len(next.words) > 0 {
			s.from(i, j+1, next, s.agreeing(indexes, symbol, letter), read || letter != 0)
		}
	}
}

// letters returns what the symbol stands for in any of the readings.
func (s *leetSearch) letters(indexes []int, symbol int) []byte {
	var letters []byte
	for _, n := range indexes {
		if letter := s.readings[n][symbol]; !slices.Contains(letters, letter) {
			letters = append(letters, letter)
		}
	}
	return letters
}

// agreeing returns the readings in which the symbol stands for letter.
func (s *leetSearch) agreeing(indexes []int, symbol int, letter byte) []int {
	other := func(n int) bool { return s.readings[n][symbol] != letter }
	if !slices.ContainsFunc(indexes, other) {
		return indexes
	}
	return slices.DeleteFunc(slices.Clone(indexes), other)
}
