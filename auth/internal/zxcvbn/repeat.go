package zxcvbn

import "slices"

// repeatMatches finds what occurs twice or more in a row. It costs as many
// guesses as the unit that is repeated, times how often it is.
func (c *corpus) repeatMatches(password []uint16) []match {
	var found []match
	for i := 0; i < len(password); {
		unit, length := repetition(password[i:])
		if length == 0 {
			i++
			continue
		}
		guesses := c.guesses(password[i:i+unit]) * float64(length/unit)
		found = append(found, match{i, i + length, guesses})
		i += length
	}
	return found
}

// repetition returns the length of the repetition with which text begins, and
// of its unit, or zeros. It does what the regular expressions (.+?)\1+ and
// (.+)\1+ do: the shortest unit wins, unless the longest covers more of text;
// then the unit is the shortest of what that covers.
func repetition(text []uint16) (unit, length int) {
	greedy := 0
	for n := 1; 2*n <= len(text); n++ {
		if isLineBreak(text[n-1]) {
			break // the dot of a regular expression
		}
		same := 0
		for n+same < len(text) && text[same] == text[n+same] {
			same++
		}
		if same < n {
			continue
		}
		greedy = n + same - same%n
		if length == 0 {
			unit, length = n, greedy
		}
	}
	if greedy > length {
		return period(text[:greedy]), greedy
	}
	return unit, length
}

func isLineBreak(c uint16) bool {
	return c == '\n' || c == '\r' || c == '\u2028' || c == '\u2029'
}

// period is the length of the shortest unit that makes all of text.
func period(text []uint16) int {
	for n := 1; n < len(text); n++ {
		if len(text)%n == 0 && slices.Equal(text[n:], text[:len(text)-n]) {
			return n
		}
	}
	return len(text)
}
