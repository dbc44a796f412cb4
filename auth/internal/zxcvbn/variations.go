package zxcvbn

// caseVariations is how many ways to capitalize a word are tried up to this
// one. Capitals at either end only, and nothing but capitals, come early.
func caseVariations(word []uint16) float64 {
	capitals, small := 0, 0
	for _, c := range word {
		switch {
		case isCapital(c):
			capitals++
		case 'a' <= c && c <= 'z':
			small++
		}
	}
	switch {
	case capitals == 0:
		return 1
	case small == 0:
		return 2
	case capitals == 1 && (isCapital(word[0]) || isCapital(word[len(word)-1])):
		return 2
	}
	return variations(capitals, small)
}

func isCapital(c uint16) bool { return 'A' <= c && c <= 'Z' }

// leetVariations is how many ways to use stand-ins are tried up to this one.
func leetVariations(small []uint16, r reading) float64 {
	v := 1.0
	for at, letter := range r {
		if letter == 0 {
			continue
		}
		used, plain := 0, 0
		for _, c := range small {
			switch c {
			case uint16(symbols[at]):
				used++
			case uint16(letter):
				plain++
			}
		}
		switch {
		case used == 0:
		case plain == 0:
			v *= 2
		default:
			v *= variations(used, plain)
		}
	}
	return v
}

// variations is the number of ways to change one or more of a+b characters, up
// to as many as the smaller of a and b.
func variations(a, b int) float64 {
	v := 0.0
	for k := 1; k <= min(a, b); k++ {
		v += choose(a+b, k)
	}
	return v
}

// choose is the number of ways to pick k out of n.
func choose(n, k int) float64 {
	if k > n {
		return 0
	}
	c := 1.0
	for d := 1; d <= k; d++ {
		c = c * float64(n-d+1) / float64(d)
	}
	return c
}
