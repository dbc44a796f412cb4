package zxcvbn

import (
	"bytes"
	"cmp"
	"compress/gzip"
	_ "embed"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"sync"
)

// packed has a line per list: its name and its words, the most frequent first,
// separated by spaces. Words are printable ASCII without capitals, and none is
// in two lists. testdata/make.js made it; LICENSE applies to it.
//
//go:embed lists.txt.gz
var packed []byte

// passwordList is the name of the list of common passwords.
const passwordList = "passwords"

// corpus is what parts of a password are compared with.
type corpus struct {
	words     []word // sorted by text
	keyboards []keyboard
}

type word struct {
	text   string
	rank   int  // within its list, from 1
	common bool // whether that is the list of common passwords
}

var lists = sync.OnceValue(func() *corpus {
	words, err := unpack(packed)
	if err != nil {
		panic(fmt.Sprintf("zxcvbn: unpack word lists: %v", err)) // the build is broken
	}
	return &corpus{words: words, keyboards: keyboards()}
})

func unpack(packed []byte) ([]word, error) {
	zr, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(zr)
	if err != nil {
		return nil, err
	}
	all := string(text) // which the words share
	words := make([]word, 0, strings.Count(all, " "))
	for line := range strings.Lines(all) {
		name, list, _ := strings.Cut(strings.TrimSuffix(line, "\n"), " ")
		rank := 0
		for text := range strings.SplitSeq(list, " ") {
			rank++
			words = append(words, word{text, rank, name == passwordList})
		}
	}
	slices.SortFunc(words, func(a, b word) int { return cmp.Compare(a.text, b.text) })
	return words, nil
}

func (c *corpus) common(password string) bool {
	at, ok := slices.BinarySearchFunc(c.words, password, func(w word, text string) int { return cmp.Compare(w.text, text) })
	return ok && c.words[at].common
}

// prefix stands for the words that begin with the same characters.
type prefix struct {
	words  []word
	length int // of what they have in common
}

// next returns the words of p that go on with c.
func (p prefix) next(c uint16) prefix {
	above := func(limit uint16) int {
		return sort.Search(len(p.words), func(n int) bool {
			text := p.words[n].text
			return len(text) > p.length && uint16(text[p.length]) > limit
		})
	}
	if c == 0 || c > 0x7f {
		return prefix{} // which is in no word
	}
	return prefix{p.words[above(c-1):above(c)], p.length + 1}
}

// rank returns the rank of the word that is the prefix itself; 0 means that
// there is none.
func (p prefix) rank() int {
	if len(p.words) > 0 && len(p.words[0].text) == p.length {
		return p.words[0].rank
	}
	return 0
}
