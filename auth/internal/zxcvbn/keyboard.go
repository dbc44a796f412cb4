package zxcvbn

import (
	"math"
	"strings"
)

// keyboard is an arrangement of keys. A key is its character and, if it has
// one, its shifted character.
type keyboard struct {
	// adjacent has the keys around that of a character, by direction; "" is
	// none.
	adjacent map[uint16][]string
	// typewriter tells keyboards from number pads.
	typewriter bool
}

// cell is where a key is.
type cell struct{ x, y int }

// slanted are the directions to the keys around one on a typewriter keyboard,
// where each row is shifted by half a key, and aligned those on a number pad.
// They begin at the left and go around.
var (
	slanted = [...]cell{{-1, 0}, {0, -1}, {1, -1}, {1, 0}, {0, 1}, {-1, 1}}
	aligned = [...]cell{{-1, 0}, {-1, -1}, {0, -1}, {1, -1}, {1, 0}, {1, 1}, {0, 1}, {-1, 1}}
)

func keyboards() []keyboard {
	return []keyboard{
		typewriter(
			"`~ 1! 2@ 3# 4$ 5% 6^ 7& 8* 9( 0) -_ =+",
			`   qQ wW eE rR tT yY uU iI oO pP [{ ]} \|`,
			`   aA sS dD fF gG hH jJ kK lL ;: '"`,
			`   zZ xX cC vV bB nN mM ,< .> /?`),
		typewriter( // Dvorak
			"`~ 1! 2@ 3# 4$ 5% 6^ 7& 8* 9( 0) [{ ]}",
			`   '" ,< .> pP yY fF gG cC rR lL /? =+ \|`,
			`   aA oO eE uU iI dD hH tT nN sS -_`,
			`   ;: qQ jJ kK xX bB mM wW vV zZ`),
		numberPad(
			"  / * -",
			"7 8 9 +",
			"4 5 6",
			"1 2 3",
			"  0 ."),
		numberPad( // of a Mac
			"  = / *",
			"7 8 9 -",
			"4 5 6 +",
			"1 2 3",
			"  0 ."),
	}
}

func typewriter(rows ...string) keyboard {
	return keyboard{adjacent: adjacency(rows, 3, slanted[:]), typewriter: true}
}

func numberPad(rows ...string) keyboard {
	return keyboard{adjacent: adjacency(rows, 2, aligned[:])}
}

// adjacency reads rows of keys that are width bytes apart.
func adjacency(rows []string, width int, directions []cell) map[uint16][]string {
	keys := map[cell]string{}
	for y, row := range rows {
		for x := 0; x*width < len(row); x++ {
			if key := strings.TrimSpace(row[x*width : min(x*width+width, len(row))]); key != "" {
				keys[cell{x, y}] = key
			}
		}
	}
	adjacent := map[uint16][]string{}
	for at, key := range keys {
		around := make([]string, len(directions))
		for n, d := range directions {
			around[n] = keys[cell{at.x + d.x, at.y + d.y}]
		}
		for _, c := range []byte(key) {
			adjacent[uint16(c)] = around
		}
	}
	return adjacent
}

// walk is a series of neighbouring keys.
type walk struct {
	length, turns int
	shifted       int // how many are pressed with shift
}

// keyboardMatches finds walks of three keys or more.
func keyboardMatches(k keyboard, password []uint16) []match {
	var found []match
	for i := 0; i < len(password)-1; {
		w := k.walk(password[i:])
		if w.length > 2 {
			found = append(found, match{i, i + w.length, k.guesses(w)})
		}
		i += w.length
	}
	return found
}

// walk returns the walk with which text begins, of at least one key.
func (k keyboard) walk(text []uint16) walk {
	const shifted = `~!@#$%^&*()_+QWERTYUIOP{}|ASDFGHJKL:"ZXCVBNM<>?`
	w := walk{length: 1}
	if k.typewriter && strings.ContainsRune(shifted, rune(text[0])) {
		w.shifted++
	}
	last := -1
	for w.length < len(text) {
		direction, shift := k.step(text[w.length-1], text[w.length])
		if direction < 0 {
			break
		}
		if shift {
			w.shifted++
		}
		if direction != last {
			w.turns++
			last = direction
		}
		w.length++
	}
	return w
}

// step returns in which direction of one character the other lies, and whether
// the other is a shifted one. The direction is -1 if they are not neighbours.
func (k keyboard) step(from, to uint16) (direction int, shift bool) {
	for d, key := range k.adjacent[from] {
		if at := strings.IndexRune(key, rune(to)); at >= 0 {
			return d, at == 1
		}
	}
	return -1, false
}

// guesses counts the walks with at most the length and the turns of w.
func (k keyboard) guesses(w walk) float64 {
	// Keys to begin at, and how many neighbours they have on average. The
	// original takes QWERTY for both typewriter keyboards, and the first number
	// pad for both.
	starts, degree := 15.0, 76.0/15
	if k.typewriter {
		starts, degree = 94, 432.0/94
	}
	guesses := 0.0
	for length := 2; length <= w.length; length++ {
		for turns := 1; turns <= min(w.turns, length-1); turns++ {
			guesses += choose(length-1, turns-1) * starts * math.Pow(degree, float64(turns))
		}
	}
	switch w.shifted {
	case 0:
		return guesses
	case w.length:
		return guesses * 2
	}
	return guesses * variations(w.shifted, w.length-w.shifted)
}
