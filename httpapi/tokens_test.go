package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestBearerForms: contract section 2.2.
func TestBearerForms(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		save := func(value string) {
			t.Helper()
			if _, err := e.api.Auth().SaveAPIKey(t.Context(), auth.APIKey{UserID: alice.ID, Label: "x", Scopes: []string{"user:read"}}, users.Secret(value)); err != nil {
				t.Fatal(err)
			}
		}
		// The shape is nobody's business: very old keys have no prefix.
		for _, value := range []string{"phx_normal", "test_key_12345", "ab", "_-+/=.~", "PHX_UPPER"} {
			save(value)
			for _, form := range []string{"Bearer " + value, "Bearer   " + value, "Bearer\t" + value, "Bearer " + value + "  "} {
				r := e.do("GET", "/api/users/@me", "", header("Authorization", form))
				r.call += " with " + form
				r.ok(200)
			}
			for _, form := range []string{"bearer " + value, "BEARER " + value, "Bearer" + value, "Token " + value, value, " Bearer: " + value} {
				e.do("GET", "/api/users/@me", "", header("Authorization", form)).nobody("not_authenticated")
			}
			e.do("GET", "/api/users/@me", "", header("Authorization", "Bearer "+value+"x")).nobody("authentication_failed")
			e.do("GET", "/api/users/@me", "", header("Authorization", "Bearer "+strings.ToLower(value)+"Y")).nobody("authentication_failed")
		}
		// What begins with pha_ is left to the OAuth tokens.
		save("pha_is-not-a-key-for-us")
		e.do("GET", "/api/users/@me", "", header("Authorization", "Bearer pha_is-not-a-key-for-us")).nobody("authentication_failed")
	})
}

// TestKeyOfAnInactiveOwner works again with the owner.
func TestKeyOfAnInactiveOwner(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		key := e.key(alice, "*")
		for _, active := range []bool{false, true} {
			if err := e.api.Auth().SetActive(t.Context(), alice.ID, active); err != nil {
				t.Fatal(err)
			}
			if r := e.do("GET", "/api/users/@me", "", key); active {
				r.ok(200)
			} else {
				r.nobody("authentication_failed")
			}
		}
	})
}

// TestOAuthTokens: contract section 2.3.
func TestOAuthTokens(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, gone, deleted := e.user("alice"), e.user("gone", inactive), e.user("deleted")
		save := func(value string, token auth.OAuthToken) option {
			t.Helper()
			if err := e.api.Auth().SaveOAuthToken(t.Context(), users.Secret(value), token); err != nil {
				t.Fatal(err)
			}
			return header("Authorization", "Bearer "+value)
		}
		good := save("pha_good-good-good-good", auth.OAuthToken{UserID: alice.ID, Scopes: "user:read openid", ExpiresAt: e.now().Add(time.Hour), ScopedTeams: []users.TeamID{9}})
		write := save("pha_write-write-write-write", auth.OAuthToken{UserID: alice.ID, Scopes: "openid user:write"})
		none := save("pha_none-none-none-none", auth.OAuthToken{UserID: alice.ID})
		e.do("GET", "/api/users/@me", "", good).ok(200).has("sensitive_session_expires_at", "null")
		e.do("PATCH", "/api/users/@me", `{"theme_mode":"dark"}`, good).denied()
		e.do("PATCH", "/api/users/@me", `{"first_name":"Ann"}`, write).ok(200)
		e.do("GET", "/api/users/@me", "", write).ok(200)
		e.do("POST", "/api/users/@me/scene_personalisation", `{}`, write).denied()
		e.do("DELETE", "/api/users/@me", "", write).nobody("not_authenticated")
		for _, path := range []string{"/api/users", "/api/users/@me", "/api/users/@me/hedgehog_config", "/api/users/@me/github_login", "/api/personal_api_keys/@current"} {
			e.do("GET", path, "", none).denied()
		}
		owner := save("pha_owner-owner-owner-owner", auth.OAuthToken{UserID: deleted.ID, Scopes: "*"})
		e.do("GET", "/api/users/@me", "", owner).ok(200)
		e.do("DELETE", "/api/users/@me", "", e.session(deleted, 0)).ok(204)
		revoked := save("pha_revoked-revoked-revoked", auth.OAuthToken{UserID: alice.ID, Scopes: "*"})
		if err := e.api.Auth().RevokeOAuthToken(t.Context(), "pha_revoked-revoked-revoked"); err != nil {
			t.Fatal(err)
		}
		for _, bad := range []option{
			owner, revoked, save("pha_gone-gone-gone-gone", auth.OAuthToken{UserID: gone.ID, Scopes: "*"}),
			header("Authorization", "Bearer pha_unknown"), header("Authorization", "Bearer pha_"),
			save("pha_past-past-past-past", auth.OAuthToken{UserID: alice.ID, Scopes: "*", ExpiresAt: e.now()}),
		} {
			e.do("GET", "/api/users/@me", "", bad).nobody("authentication_failed")
		}
		e.advance(time.Hour - time.Microsecond)
		e.do("GET", "/api/users/@me", "", good).ok(200)
		e.advance(time.Microsecond)
		e.do("GET", "/api/users/@me", "", good).nobody("authentication_failed")
	})
}

// TestScopes: contract section 2.4.
func TestScopes(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, team := e.organization("Acme", alice)
		for scopes, rights := range map[string]string{
			"": "", "*": "rw", "user:read": "r", "user:write": "rw", "user:read insight:write": "r", "insight:write *": "rw", "insight:read insight:write": "",
			"user": "", "user:admin": "", "*:read": "", "USER:READ": "", "user:readx": "", "xuser:read": "", "user:*": "",
		} {
			key := e.key(alice, strings.Fields(scopes)...)
			for right, target := range map[string][3]string{"r": {"GET", "/api/users/@me", ""}, "w": {"PATCH", "/api/users/@me", `{"theme_mode":"dark"}`}} {
				r := e.do(target[0], target[1], target[2], key)
				if r.call += fmt.Sprintf(" with %q", scopes); strings.Contains(rights, right) {
					r.ok(200)
				} else {
					r.denied()
				}
			}
		}
		// Restrictions to teams and organizations, and an organization that
		// forbids keys, are ignored here.
		o.MembersCanUsePersonalAPIKeys = false
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		restricted := auth.APIKey{UserID: alice.ID, Label: "x", Scopes: []string{"user:write"}, ScopedTeams: []users.TeamID{team.ID + 1}, ScopedOrganizations: []uuid.UUID{uuid.Max}}
		if _, err := e.api.Auth().SaveAPIKey(t.Context(), restricted, "phx_restricted"); err != nil {
			t.Fatal(err)
		}
		bearer := header("Authorization", "Bearer phx_restricted")
		e.do("GET", "/api/users/@me", "", bearer).ok(200)
		e.do("PATCH", "/api/users/@me", fmt.Sprintf(`{"set_current_organization":%q}`, o.ID), bearer).ok(200)
	})
}

const keysPath = "/api/personal_api_keys/"

// keyBody is a body that makes a key, with some members replaced.
func keyBody(members map[string]string) string {
	all := map[string]string{"label": `"CI"`, "scopes": `["user:read"]`, "scoped_teams": `[]`, "scoped_organizations": `[]`}
	var list []string
	for name, value := range all {
		if v, ok := members[name]; ok {
			value = v
		}
		if value != "" {
			list = append(list, fmt.Sprintf("%q:%s", name, value))
		}
	}
	return "{" + strings.Join(list, ",") + "}"
}

// TestKeyMembers: contract section 11.2, for making and for changing a key.
func TestKeyMembers(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		o, team := e.organization("Acme", alice)
		foreign, foreignTeam := e.organization("Foreign", bob)
		secret := e.team(o, "secret", true)
		fresh := e.session(alice, 0)
		id := e.do("POST", keysPath, keyBody(nil), fresh).ok(201).json()["id"].(string)
		for name, cases := range map[string][]fieldCase{
			"label": join(refusals("required", ""), refusals("null", `null`), refusals("blank", `""`, `" "`), refusals("max_length", `"`+strings.Repeat("é", 41)+`"`),
				refusals("invalid_input", `[]`, `{}`, `true`), shows(`"x"`, `" x "`), shows(`"7"`, `7`), echoes(`"`+strings.Repeat("é", 40)+`"`)),
			"scopes": join(refusals("required", ""), refusals("null", `null`), refusals("empty", `[]`), refusals("not_a_list", `"*"`, `{}`, `1`),
				refusals("invalid_input", `["user"]`, `["user:admin"]`, `["unicorn:read"]`, `["**"]`, `["user:read","x"]`, `[""]`, `[null]`, `[1]`, `["USER:read"]`, `["user:read "]`),
				echoes(`["*"]`, `["user:read","user:write"]`, `["insight:write"]`, `["feature_flag:read","*"]`)),
			"scoped_teams": join(refusals("required", ""), refusals("not_a_list", `1`, `{}`, `"1"`),
				refusals("invalid_input", `[99]`, fmt.Sprintf(`[%d,%d]`, team.ID, foreignTeam.ID), fmt.Sprintf(`[%d]`, secret.ID), `["x"]`, `[null]`, `[-1]`, `[1.5]`),
				echoes(`[]`, `null`, fmt.Sprintf(`[%d]`, team.ID))),
			"scoped_organizations": join(refusals("required", ""), refusals("not_a_list", `1`, `{}`, fmt.Sprintf("%q", o.ID)),
				refusals("invalid_input", `["x"]`, `[null]`, `[1]`, `["`+unknownID+`"]`, fmt.Sprintf(`[%q,%q]`, o.ID, foreign.ID)),
				echoes(`[]`, `null`, fmt.Sprintf(`[%q]`, o.ID))),
		} {
			for _, c := range cases {
				made := e.do("POST", keysPath, keyBody(map[string]string{name: c.value}), fresh)
				changes := []reply{made}
				if c.value != "" {
					changes = append(changes, e.do("PATCH", keysPath+id, fmt.Sprintf(`{%q:%s}`, name, c.value), fresh))
				}
				for _, r := range changes {
					if c.code != "" {
						r.invalid(c.code, name)
					} else if !strings.Contains(r.raw, fmt.Sprintf("%q:%s", name, c.shown)) || r.status >= 300 {
						t.Errorf("%s: got %d %s, want %s", r.call, r.status, r.raw, c.shown)
					}
				}
				if made.status == 201 { // make room
					e.do("DELETE", keysPath+made.json()["id"].(string), "", fresh).ok(204)
				}
			}
		}
		// The first error in this order, and nothing is changed.
		e.do("PATCH", keysPath+id, `{"scoped_organizations":1,"scoped_teams":[99],"scopes":[],"label":""}`, fresh).invalid("blank", "label")
		e.do("PATCH", keysPath+id, `{"scoped_organizations":1,"scoped_teams":[99],"scopes":[],"label":"y"}`, fresh).invalid("empty", "scopes")
		e.do("PATCH", keysPath+id, `{"scoped_organizations":1,"scoped_teams":[99],"label":"y"}`, fresh).invalid("invalid_input", "scoped_teams")
		before := e.do("GET", keysPath+id, "", fresh).ok(200)
		if got := e.do("PATCH", keysPath+id, `{"id":"x","value":"y","mask_value":"z","user_id":99,"created_at":null,"unknown":1}`, fresh).ok(200).raw; got != before.raw {
			t.Errorf("read-only members changed %s into %s", before.raw, got)
		}
	})
}

// TestKeyLife goes from making to deleting: contract section 11.2.
func TestKeyLife(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		fresh := e.session(alice, 0)
		made := e.do("POST", keysPath, keyBody(nil), fresh).ok(201)
		value, id := made.json()["value"].(string), made.json()["id"].(string)
		bearer := header("Authorization", "Bearer "+value)
		mask := func(v string) string { return fmt.Sprintf("%q", v[:4]+"..."+v[len(v)-4:]) }
		made.has("mask_value", mask(value)).has("user_id", fmt.Sprint(alice.ID)).has("last_used_at", "null").has("last_rolled_at", "null")
		if !strings.HasPrefix(value, "phx_") || strings.Contains(id, value) {
			t.Errorf("got key %d characters long, id %s", len(value), id)
		}
		// Only making and rolling tell the value.
		for _, r := range []reply{e.do("GET", keysPath+id, "", fresh), e.do("PATCH", keysPath+id, `{"label":"CI 2"}`, fresh), e.do("GET", keysPath+"@current", "", bearer), e.do("GET", keysPath+id+"/", "", bearer)} {
			if r.ok(200).has("value", "null").has("mask_value", mask(value)); strings.Contains(r.raw, value) {
				t.Errorf("%s tells the value", r.call)
			}
		}
		e.do("GET", keysPath+"@current", "", bearer).ok(200).has("last_used_at", `"2026-05-01T12:00:00.123456Z"`).has("id", fmt.Sprintf("%q", id))
		e.advance(time.Hour)
		e.do("GET", keysPath+"@current", "", bearer).ok(200).has("last_used_at", `"2026-05-01T12:00:00.123456Z"`)
		e.advance(time.Microsecond)
		e.do("GET", keysPath+"@current", "", bearer).ok(200).has("last_used_at", `"2026-05-01T13:00:00.123457Z"`)
		other := e.do("POST", keysPath, keyBody(nil), fresh).ok(201).json()["id"].(string)
		if got := e.do("GET", keysPath, "", fresh).ok(200).raw; strings.Index(got, other) > strings.Index(got, id) || !strings.HasPrefix(got, "[") {
			t.Errorf("the list is not an array, newest first: %s", got)
		}
		if got := e.do("GET", keysPath, "", e.session(bob, 0)).ok(200).raw; got != "[]" {
			t.Errorf("Bob sees %s", got)
		}
		e.do("GET", keysPath+other, "", bearer).denied()
		rolled := e.do("POST", keysPath+id+"/roll/", "", fresh).ok(200)
		renewed := rolled.json()["value"].(string)
		rolled.has("last_rolled_at", `"2026-05-01T13:00:00.123457Z"`).has("mask_value", mask(renewed)).has("label", `"CI 2"`).has("scopes", `["user:read"]`).
			has("created_at", `"2026-05-01T12:00:00.123456Z"`).has("last_used_at", `"2026-05-01T13:00:00.123457Z"`)
		e.do("GET", "/api/users/@me", "", bearer).nobody("authentication_failed")
		bearer = header("Authorization", "Bearer "+renewed)
		e.do("GET", "/api/users/@me", "", bearer).ok(200)
		for _, target := range [][2]string{{"GET", ""}, {"PATCH", ""}, {"DELETE", ""}, {"POST", "/roll"}} {
			for _, stranger := range []string{id, "unknown"} {
				e.do(target[0], keysPath+stranger+target[1], "", e.session(bob, 0)).refused(404, "invalid_request", "not_found", "")
			}
			if target[0] != "GET" {
				e.do(target[0], keysPath+id+target[1], "", e.session(alice, 3*time.Hour)).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
				e.do(target[0], keysPath+id+target[1], "", bearer).denied()
			}
		}
		e.do("DELETE", keysPath+id+"/", "", fresh).ok(204)
		e.do("GET", "/api/users/@me", "", bearer).nobody("authentication_failed")
		e.do("DELETE", keysPath+id, "", fresh).refused(404, "invalid_request", "not_found", "")
		for range 9 {
			e.do("POST", keysPath, keyBody(nil), fresh).ok(201)
		}
		e.do("POST", keysPath, keyBody(nil), fresh).invalid("invalid_input", "")
		e.do("POST", keysPath, keyBody(nil), e.session(bob, 0)).ok(201)
		e.do("DELETE", keysPath+other, "", fresh).ok(204)
		e.do("POST", keysPath, keyBody(nil), fresh).ok(201)
	})
}

// TestKeysOfOneInstant are listed newest first although the clock stands still.
func TestKeysOfOneInstant(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		fresh := e.session(e.user("alice"), 0)
		last := -1
		for n := range auth.MaxAPIKeys {
			e.do("POST", keysPath, keyBody(map[string]string{"label": fmt.Sprintf(`"key %d"`, n)}), fresh).ok(201)
		}
		list := e.do("GET", keysPath, "", fresh).ok(200).raw
		for n := auth.MaxAPIKeys - 1; n >= 0; n-- {
			at := strings.Index(list, fmt.Sprintf(`"key %d"`, n))
			if at <= last {
				t.Errorf("key %d is not in its place: %s", n, list)
			}
			last = at
		}
	})
}
