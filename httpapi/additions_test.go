package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

func TestA02ProductIntroSeen(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		key, stale := e.key(alice, "user:write"), e.session(alice, 3*time.Hour)
		const path = "/api/users/@me/product_intro_seen"
		seen := func(caller option, body, want string) {
			t.Helper()
			if got := e.do("PATCH", path, body, caller).ok(200).raw; got != want {
				t.Errorf("PATCH %s: got %s, want %s", body, got, want)
			}
		}
		seen(stale, `{"product_key":"logs"}`, `{"logs":true}`)
		seen(key, `{"product_key":" sql ","seen":"off"}`, `{"logs":true,"sql":false}`)
		seen(key, `{"product_key":"logs","seen":false}`, `{"logs":false,"sql":false}`)
		seen(key, `{"product_key":7,"seen":1}`, `{"7":true,"logs":false,"sql":false}`)
		e.do("GET", "/api/users/@me", "", key).ok(200).has("has_seen_product_intro_for", `{"7":true,"logs":false,"sql":false}`)
		for _, c := range []struct{ body, code, attr string }{
			{`{}`, "required", "product_key"}, {`{"product_key":null}`, "null", "product_key"}, {`{"product_key":" "}`, "blank", "product_key"},
			{`{"product_key":[]}`, "invalid_input", "product_key"}, {`{"product_key":"` + strings.Repeat("é", 129) + `"}`, "max_length", "product_key"},
			{`{"product_key":"x","seen":null}`, "null", "seen"}, {`{"product_key":"x","seen":"maybe"}`, "invalid_input", "seen"},
		} {
			e.do("PATCH", path, c.body, key).invalid(c.code, c.attr)
		}
		for i := range 97 {
			e.do("PATCH", path, fmt.Sprintf(`{"product_key":"p%d"}`, i), key).ok(200)
		}
		e.do("PATCH", path, `{"product_key":"one too many"}`, key).invalid("invalid_input", "")
		e.do("PATCH", path, `{"product_key":"p1","seen":false}`, key).ok(200).has("p1", "false")
		// A value that is no map gives way.
		e.do("PATCH", "/api/users/@me", `{"has_seen_product_intro_for":[1]}`, key).ok(200)
		seen(key, `{"product_key":"`+strings.Repeat("é", 128)+`"}`, `{"`+strings.Repeat("é", 128)+`":true}`)
	})
}

// TestA04KeysAndTheirExpiry adds an expiry to the documented keys, which is
// shown only if it is set.
func TestA04KeysAndTheirExpiry(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		fresh := e.session(alice, 0)
		const path, frame = "/api/personal_api_keys/", `{"label":"CI","scopes":["user:read"],"scoped_teams":[],"scoped_organizations":[]%s}`
		plain := e.do("POST", path, fmt.Sprintf(frame, ""), fresh).ok(201)
		if strings.Contains(plain.raw, "expires_at") {
			t.Errorf("a key without expiry shows one: %s", plain.raw)
		}
		e.do("POST", path, fmt.Sprintf(frame, `,"expires_at":null`), fresh).ok(201)
		for _, bad := range []string{`"2026-05-01T12:00:00.123456Z"`, `"2025-01-01T00:00:00Z"`, `"tomorrow"`, `5`, `""`, `[]`, `true`} {
			e.do("POST", path, fmt.Sprintf(frame, `,"expires_at":`+bad), fresh).invalid("invalid_input", "expires_at")
		}
		made := e.do("POST", path, fmt.Sprintf(frame, `,"expires_at":"2026-05-01T15:00:00+02:00"`), fresh).ok(201).has("expires_at", `"2026-05-01T13:00:00.000000Z"`).json()
		bearer, id := header("Authorization", "Bearer "+made["value"].(string)), made["id"].(string)
		e.do("GET", "/api/users/@me", "", bearer).ok(200)
		e.advance(time.Hour - 123456*time.Microsecond)
		e.do("GET", "/api/users/@me", "", bearer).nobody("authentication_failed")
		e.do("GET", path+id, "", fresh).ok(200).has("expires_at", `"2026-05-01T13:00:00.000000Z"`)
		e.do("PATCH", path+id, `{"expires_at":null}`, fresh).ok(200)
		e.do("GET", "/api/users/@me", "", bearer).ok(200)
	})
}

func TestA06ETagAndIfMatch(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		key := e.key(alice, "*")
		tag := func(u users.User) string {
			return e.do("GET", "/api/users/@me", "", e.key(u, "*")).ok(200).header.Get("ETag")
		}
		first := tag(alice)
		if first == "" || first == tag(bob) {
			t.Errorf("two users share the validator %q", first)
		}
		if again := e.do("HEAD", "/api/users/"+alice.UUID.String(), "", key).ok(200).header.Get("ETag"); again != first {
			t.Errorf("HEAD has ETag %q, and GET %q", again, first)
		}
		// There is never a 304.
		e.do("GET", "/api/users/@me", "", key, header("If-None-Match", first)).ok(200)
		e.do("GET", "/api/users/@me", "", key, header("If-Match", `"x"`)).ok(200)
		for _, stale := range []string{`"x"`, "", "W/" + first, strings.Trim(first, `"`), tag(bob)} {
			e.do("PATCH", "/api/users/@me", `{"theme_mode":"dark"}`, key, header("If-Match", stale)).refused(412, "invalid_request", "precondition_failed", "")
		}
		e.do("GET", "/api/users/@me", "", key).ok(200).has("theme_mode", "null")
		changed := e.do("PATCH", "/api/users/@me", `{"theme_mode":"dark"}`, key, header("If-Match", `"x", `+first)).ok(200).header.Get("ETag")
		if changed == first || changed != tag(alice) {
			t.Errorf("PATCH has ETag %s, after %s and before %s", changed, first, tag(alice))
		}
		e.do("PATCH", "/api/users/@me", `{"theme_mode":"light"}`, key, header("If-Match", first)).refused(412, "invalid_request", "precondition_failed", "")
		e.do("PATCH", "/api/users/@me", `{"theme_mode":"light"}`, key, header("If-Match", "*")).ok(200)
		// It is the first thing told about the user, before any field.
		e.do("PATCH", "/api/users/@me", `{"theme_mode":"pink"}`, key, header("If-Match", first)).refused(412, "invalid_request", "precondition_failed", "")
	})
}
