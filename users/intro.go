package users

import "unicode/utf8"

// checkIntros bounds the map of product introductions, when it is one.
func checkIntros(v JSON) error {
	const name = "has_seen_product_intro_for"
	intros, ok := object(v)
	if !ok {
		return nil
	}
	if len(intros) > MaxIntros {
		return invalid(name, "invalid_input", "At most 100 products can be remembered.")
	}
	for key := range intros {
		if utf8.RuneCountInString(key) > MaxIntroName {
			return invalid(name, "invalid_input", "A product name has at most 128 characters.")
		}
	}
	return nil
}

// addIntro returns the map with one more product. Anything stored that is not
// an object is replaced.
func addIntro(stored JSON, product string, seen bool) (JSON, error) {
	intros, ok := object(stored)
	if !ok {
		intros = map[string]any{}
	}
	if _, known := intros[product]; !known && len(intros) >= MaxIntros {
		return "", invalid("", "invalid_input", "At most 100 products can be remembered.")
	}
	intros[product] = seen
	return encode(intros), nil
}
