package users

import (
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
	"golang.org/x/text/unicode/norm"
)

// domains checks and canonicalizes domain names. idna.Lookup would let empty
// labels pass.
var domains = idna.New(idna.MapForLookup(), idna.BidiRule(), idna.CheckJoiners(true),
	idna.StrictDomainName(true), idna.VerifyDNSLength(true), idna.ValidateLabels(true))

// maxLocal is the longest local part, in octets (RFC 5321 §4.5.3.1.1).
const maxLocal = 64

// FoldEmail returns the one spelling under which an address is unique: ASCII
// letters in lower case and the domain in its ASCII form. Text that is not an
// address is only put in lower case, so that it equals no address.
func FoldEmail(email string) string {
	local, domain, ok := strings.Cut(email, "@")
	if !ok || plainASCII(domain) {
		return lowerASCII(email)
	}
	if ascii, err := domains.ToASCII(domain); err == nil {
		domain = ascii
	}
	return lowerASCII(local + "@" + domain)
}

// plainASCII reports a domain that is its own ASCII form but for the case of letters.
// Nearly all are, and to find out by package idna takes longer than the rest.
func plainASCII(domain string) bool {
	for i := range len(domain) {
		c := domain[i]
		if c|0x20 < 'a' || c|0x20 > 'z' {
			if (c < '0' || c > '9') && c != '.' && c != '-' {
				return false
			}
		} else if c|0x20 == 'x' && len(domain) > i+3 && domain[i+2:i+4] == "--" {
			return false // perhaps a label that stands for another
		}
	}
	return true
}

// ValidEmail reports whether email is one plain local@domain: a dot-atom of
// ASCII characters (RFC 5322 §3.2.3) at most 64 octets long, and a domain of at
// least two labels or localhost. Quoted local parts, comments, display names
// and address literals are refused.
func ValidEmail(email string) bool {
	local, domain, ok := strings.Cut(email, "@")
	if !ok || len(local) > maxLocal || !dotAtom(local) || !utf8.ValidString(domain) {
		return false
	}
	ascii, err := domains.ToASCII(domain)
	if err != nil || !plainDomain(domain, ascii) {
		return false
	}
	if lowerASCII(ascii) == "localhost" {
		return true
	}
	dot := strings.LastIndexByte(ascii, '.')
	// A last label of digits is an IPv4 address or a mistake (RFC 3696 §2).
	return dot > 0 && dot < len(ascii)-1 && strings.Trim(ascii[dot+1:], "0123456789") != ""
}

// plainDomain reports whether a domain and its ASCII form differ in case and
// encoding only. The mapping of IDNA also drops invisible characters and replaces
// full-width and other variants of letters and dots.
func plainDomain(domain, ascii string) bool {
	lower := strings.ToLower(norm.NFC.String(domain))
	text, err := domains.ToUnicode(ascii)
	return lower == strings.ToLower(ascii) || err == nil && lower == text
}

func dotAtom(s string) bool {
	for atom := range strings.SplitSeq(s, ".") {
		if atom == "" {
			return false
		}
		for _, r := range atom {
			if !atext(r) {
				return false
			}
		}
	}
	return true
}

func atext(r rune) bool {
	switch {
	case 'a' <= r && r <= 'z', 'A' <= r && r <= 'Z', '0' <= r && r <= '9':
		return true
	}
	return r < 0x80 && strings.ContainsRune("!#$%&'*+-/=?^_`{|}~", r)
}

// lowerASCII folds nothing but A to Z: other letters have no case that all
// databases and languages agree on.
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// EmailDomain returns the part after the @ in its canonical form, or "".
func EmailDomain(email string) string {
	_, domain, _ := strings.Cut(FoldEmail(email), "@")
	return domain
}
