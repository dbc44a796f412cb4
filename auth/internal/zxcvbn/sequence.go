package zxcvbn

import "strings"

// sequenceMatches finds runs of characters at the same distance from each
// other, such as bcd, 97531 and жзи.
func sequenceMatches(password []uint16) []match {
	if len(password) < 2 {
		return nil
	}
	var found []match
	delta := func(k int) int { return int(password[k]) - int(password[k-1]) }
	i, last := 0, delta(1)
	for k := 2; k <= len(password); k++ {
		if k < len(password) && delta(k) == last {
			continue
		}
		if isSequence(k-i, last) {
			found = append(found, match{i, k, sequenceGuesses(password[i], k-i, last > 0)})
		}
		if k < len(password) {
			i, last = k-1, delta(k)
		}
	}
	return found
}

// isSequence takes two characters only if they are adjacent, and skips at most
// four.
func isSequence(length, delta int) bool {
	distance := max(delta, -delta)
	return distance == 1 || length > 2 && distance >= 2 && distance <= 5
}

func sequenceGuesses(first uint16, length int, ascending bool) float64 {
	base := 26.0
	switch {
	case strings.ContainsRune("aAzZ019", rune(first)):
		base = 4 // where people begin
	case isDigit(first):
		base = 10
	}
	if !ascending {
		base *= 2
	}
	return base * float64(length)
}
