package users

import (
	"regexp"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// urlForm matches a URL, a scheme that browsers act upon, or a bare domain such
// as evil.com.
var urlForm = regexp.MustCompile(`(?i)[a-z][a-z0-9+.-]*://|\b(?:https?|ftp|file|mailto|data|javascript|vbscript):|\bwww\.|` +
	`[\pL\pN](?:[\pL\pN-]*[\pL\pN])?\.\pL{2,}`)

// fillers are letters without a glyph, which Unicode does not count as format
// characters.
const fillers = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0"

// CheckName checks a required member that people will read, of at most MaxName
// characters: by the rules of CheckText, and as first and last names are. It
// returns the name without surrounding white space, or an Invalid error for the
// field.
func CheckName(f Field[string], field string) (string, error) {
	name, err := CheckText(f, field, MaxName)
	if err != nil {
		return "", err
	}
	return name, checkDisplayName(field, name)
}

// checkDisplayName refuses what could mislead somebody who reads the name in a
// mail or a list, contract section 8.2. Compatibility folding comes first, so
// that full-width letters are no way around it.
func checkDisplayName(field, name string) error {
	folded := norm.NFKC.String(name)
	switch {
	case strings.ContainsAny(folded, ".:") && urlForm.MatchString(folded): // which is slow, and matches nothing else
		return invalid(field, "invalid_url", "A name may not hold a web address.")
	case strings.ContainsFunc(folded, unicode.IsControl):
		return invalid(field, "invalid_control_char", "A name may not hold control characters.")
	case strings.ContainsAny(folded, "<>"):
		return invalid(field, "invalid_bracket", "A name may not hold angle brackets.")
	case strings.ContainsFunc(name+folded, invisible):
		return invalid(field, "invalid_invisible_char", "A name may not hold invisible characters.")
	}
	return nil
}

func invisible(r rune) bool {
	return unicode.In(r, unicode.Cf, unicode.Zl, unicode.Zp) || strings.ContainsRune(fillers, r)
}
