// Package zxcvbn estimates how many guesses a password withstands, by the
// algorithm of zxcvbn 4.4: the cheapest way to compose the password from
// dictionary words, keyboard walks, repeats, sequences, dates and brute force.
//
// The word lists and keyboard graphs in lists.json.gz are those of zxcvbn; see
// LICENSE. They are unpacked once, on first use. testdata/make.js makes them
// and the golden scores. Everything here is safe for concurrent use.
package zxcvbn

import (
	"bytes"
	"compress/gzip"
	_ "embed"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"
)

const (
	// referenceYear is the present of the estimate: years near it are guessed
	// first. It is fixed so that a score never changes with the clock.
	referenceYear = 2026
	// maxLength is how many characters are looked at: the search is
	// superlinear.
	maxLength = 100
)

// Score rates a password from 0, too guessable, to 4, very unguessable. It
// looks at the first 100 characters.
func Score(password string) int {
	g := Guesses(password)
	for score, limit := range []float64{1e3, 1e6, 1e8, 1e10} {
		// The five more than a power of ten keep the limits themselves below.
		if g < limit+5 {
			return score
		}
	}
	return 4
}

// Guesses estimates how many guesses an attacker needs who tries likely
// passwords first.
func Guesses(password string) float64 {
	chars := []rune(strings.ToValidUTF8(password, "\ufffd"))
	if len(chars) > maxLength {
		chars = chars[:maxLength]
	}
	return lists().guesses(chars)
}

// Common reports whether a password is in the list of common ones, whatever its
// case.
func Common(password string) bool {
	_, ok := lists().dictionaries["passwords"][strings.ToLower(password)]
	return ok
}

//go:embed lists.json.gz
var packed []byte

// corpus is what matching looks things up in.
type corpus struct {
	dictionaries map[string]map[string]int // rank by word
	longest      int                       // word, in characters
	graphs       map[string]graph
}

// graph is a keyboard: the keys beside each character, by direction. A key is
// its plain and its shifted character; "" is no key.
type graph struct {
	adjacent map[rune][]string
	degree   float64 // average number of neighbours
}

var lists = sync.OnceValue(func() *corpus {
	c, err := unpack(packed)
	if err != nil {
		panic(fmt.Sprintf("zxcvbn: embedded lists: %v", err)) // the build is broken
	}
	return c
})

func unpack(packed []byte) (*corpus, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	var raw struct {
		Dictionaries map[string]string              `json:"dictionaries"`
		Graphs       map[string]map[string][]string `json:"graphs"`
	}
	if err := json.NewDecoder(zr).Decode(&raw); err != nil {
		return nil, err
	}
	c := &corpus{dictionaries: map[string]map[string]int{}, graphs: map[string]graph{}}
	for name, list := range raw.Dictionaries {
		ranks := map[string]int{}
		for i, word := range strings.Split(list, ",") {
			ranks[word] = i + 1
			c.longest = max(c.longest, utf8.RuneCountInString(word))
		}
		c.dictionaries[name] = ranks
	}
	for name, keys := range raw.Graphs {
		c.graphs[name] = newGraph(keys)
	}
	return c, nil
}

func newGraph(keys map[string][]string) graph {
	g := graph{adjacent: map[rune][]string{}}
	for key, neighbours := range keys {
		r, _ := utf8.DecodeRuneInString(key)
		g.adjacent[r] = neighbours
		for _, n := range neighbours {
			if n != "" {
				g.degree++
			}
		}
	}
	g.degree /= float64(len(keys))
	return g
}
