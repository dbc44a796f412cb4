package httpapi_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
)

// fieldCase is what a member of a PATCH makes of a value: the error code, or
// the JSON that the user object shows then.
type fieldCase struct{ value, code, shown string }

// refusals are cases of one code.
func refusals(code string, values ...string) []fieldCase {
	var cases []fieldCase
	for _, v := range values {
		cases = append(cases, fieldCase{value: v, code: code})
	}
	return cases
}

// shows are values that all are shown as the same.
func shows(shown string, values ...string) []fieldCase {
	var cases []fieldCase
	for _, v := range values {
		cases = append(cases, fieldCase{value: v, shown: shown})
	}
	return cases
}

// echoes are values that are shown as they were sent.
func echoes(values ...string) []fieldCase {
	var cases []fieldCase
	for _, v := range values {
		cases = append(cases, fieldCase{value: v, shown: v})
	}
	return cases
}

func join(lists ...[]fieldCase) []fieldCase {
	var all []fieldCase
	for _, l := range lists {
		all = append(all, l...)
	}
	return all
}

// address is a valid one of n characters, as far as its parts go.
func address(n int) string {
	label := strings.Repeat("b", 62)
	rest := n - 64 - len("@..."+label+label+"co")
	return strings.Repeat("a", 64) + "@" + label + "." + label + "." + strings.Repeat("c", rest) + ".co"
}

// fieldCases is contract section 8.2 for a session of a user without an
// organization who is not staff.
func fieldCases() map[string][]fieldCase {
	long := func(n int) string { return `"` + strings.Repeat("é", n) + `"` }
	name := join(
		refusals("null", `null`),
		refusals("invalid_input", `true`, `false`, `[]`, `{}`, `["x"]`, `"a\u0000b"`),
		refusals("max_length", long(151)),
		refusals("invalid_bracket", `"<b>"`, `"a>"`, `"\uff1cb"`),
		refusals("invalid_url", `"evil.com"`, `"http://evil"`, `"see www.evil.com now"`),
		refusals("invalid_invisible_char", `"a\u200bb"`, `"a\u202eb"`),
		refusals("invalid_control_char", `"a\u0007b"`, `"a\nb"`),
		shows(`""`, `""`, `"  "`), shows(`"5"`, `5`), shows(`"Ann"`, `" Ann\t"`), echoes(long(150), `"O'Neil-Smith Jr"`, `"🦔"`),
	)
	flag := join(
		refusals("invalid_input", `2`, `-1`, `[]`, `{}`, `"maybe"`, `"2"`, `"tru"`, `[true]`),
		shows(`true`, `true`, `"true"`, `"True"`, `"TRUE"`, `"t"`, `"yes"`, `"Y"`, `"on"`, `"1"`, `1`),
		shows(`false`, `false`, `"false"`, `"FALSE"`, `"f"`, `"No"`, `"n"`, `"oFF"`, `"0"`, `0`),
		shows(`null`, `null`, `"null"`, `"NULL"`, `""`),
	)
	choice := func(valid ...string) []fieldCase {
		return join(refusals("invalid_choice", `"pink"`, `1`, `0`, `true`, `false`, `[]`, `{}`, `"Dark"`, `"light "`, `"TOOLBAR"`, `"Above"`, `" "`), echoes(valid...))
	}
	free := []string{`{}`, `[]`, `"x"`, `0`, `false`, `{"a":{"b":[1,null,"<&>"]}}`}
	return map[string][]fieldCase{
		"first_name": name,
		"last_name":  name,
		"email": join(
			refusals("null", `null`), refusals("blank", `""`, `"  "`),
			refusals("invalid_input", `true`, `[]`, `{}`, `5`, `"x"`, `"x@"`, `"@example.com"`, `"a b@example.com"`, `"A <a@example.com>"`, `"a@example.com, b@example.com"`, `"a@b@example.com"`),
			refusals("max_length", `"`+address(255)+`"`), echoes(`"`+address(254)+`"`),
			refusals("unique", `"taken@example.com"`, `"TAKEN@Example.com"`, `" taken@example.com "`),
			shows(`"new@example.com"`, `" new@example.com "`), shows(`"New@example.com"`, `"New@example.com"`),
		),
		"notification_settings":     join(refusals("null", `null`), refusals("not_a_dict", `[]`, `"x"`, `1`, `true`, `"{}"`)),
		"anonymize_data":            flag,
		"allow_impersonation":       flag,
		"allow_sidebar_suggestions": flag,
		"toolbar_mode":              choice(`"disabled"`, `"toolbar"`, `""`, `null`),
		"theme_mode":                choice(`"light"`, `"dark"`, `"system"`, `""`, `null`),
		"shortcut_position":         join(choice(`"below"`, `"hidden"`, `"above"`, `""`), shows(`"above"`, `null`)),
		"role_at_organization": join(choice(`"engineering"`, `"data"`, `"product"`, `"founder"`, `"leadership"`, `"marketing"`, `"sales"`, `"other"`),
			refusals("null", `null`), refusals("invalid_choice", `""`, `"Sales"`)),
		"is_staff":                   join(refusals("null", `null`), refusals("invalid_input", `2`, `[]`, `{}`, `"maybe"`, `""`)),
		"set_current_organization":   join(refusals("null", `null`), refusals("blank", `""`, `" "`), refusals("invalid_input", `true`, `[]`, `{}`, `5`, `"x"`), refusals("does_not_exist", `"`+unknownID+`"`)),
		"set_current_team":           join(refusals("null", `null`), refusals("blank", `""`, `" "`), refusals("does_not_exist", `"x"`, `99`, `"99"`, `-1`, `0`, `1.5`, `9007199254740993`, `99999999999999999999`, `"1e0"`)),
		"password":                   join(refusals("null", `null`), refusals("blank", `""`, `" "`), refusals("invalid_input", `true`, `[]`, `{}`), refusals("max_length", long(129))),
		"events_column_config":       join(refusals("null", `null`), echoes(free...)),
		"has_seen_product_intro_for": echoes(append(free, `null`, `{"logs":true}`)...),
		"hedgehog_config":            echoes(append(free, `null`)...),
		"passkeys_enabled_for_2fa":   join(refusals("no_passkeys", `true`, `"yes"`, `1`), refusals("invalid_input", `2`, `[]`, `{}`, `"maybe"`), shows(`false`, `false`, `"off"`, `0`), shows(`null`, `null`, `""`)),
	}
}

func TestPatchFields(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		e.user("taken")
		alice := e.user("alice")
		fresh := e.session(alice, 0)
		for name, cases := range fieldCases() {
			for _, c := range cases {
				before := e.do("GET", "/api/users/@me", "", fresh).ok(200)
				r := e.do("PATCH", "/api/users/@me", fmt.Sprintf(`{%q:%s}`, name, c.value), fresh)
				if c.code == "" {
					if raw := r.ok(200).raw; !strings.Contains(raw, fmt.Sprintf("%q:%s", name, c.shown)) {
						t.Errorf("%s: want %s, got %s", r.call, c.shown, raw)
					}
					continue
				}
				r.invalid(c.code, name)
				if after := e.do("GET", "/api/users/@me", "", fresh).ok(200); after.raw != before.raw || after.header.Get("ETag") != before.header.Get("ETag") {
					t.Errorf("%s: refused, but %s became %s", r.call, before.raw, after.raw)
				}
			}
		}
	})
}

func TestPatchCurrentPassword(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		fresh := e.session(e.user("alice"), 0)
		for _, c := range join(refusals("null", `null`), refusals("blank", `""`, `" "`), refusals("invalid_input", `true`, `[]`, `{}`)) {
			e.do("PATCH", "/api/users/@me", `{"theme_mode":"dark","current_password":`+c.value+`}`, fresh).invalid(c.code, "current_password")
			e.advance(time.Minute)
		}
		e.do("GET", "/api/users/@me", "", fresh).ok(200).has("theme_mode", "null")
	})
}

func TestPatchCurrentOrganizationAndTeam(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		one, teamOne := e.organization("One", alice)
		two, teamTwo := e.organization("Two", alice)
		foreign, teamForeign := e.organization("Foreign", boss)
		later, err := e.api.Users().SaveTeam(t.Context(), users.Team{OrganizationID: one.ID, Name: "Later", APIToken: "phc_later"})
		if err != nil {
			t.Fatal(err)
		}
		cookie := e.session(alice, 3*time.Hour)
		current := func(body string, o users.Organization, team users.Team) {
			t.Helper()
			m := e.do("PATCH", "/api/users/@me", body, cookie).ok(200).json()
			if got, _ := m["organization"].(map[string]any); got["id"] != o.ID.String() {
				t.Errorf("PATCH %s: got organization %v, want %v", body, got["id"], o.ID)
			}
			if got, _ := m["team"].(map[string]any); got["id"] != float64(team.ID) {
				t.Errorf("PATCH %s: got team %v, want %v", body, got["id"], team.ID)
			}
		}
		organization := func(o users.Organization) string {
			return fmt.Sprintf(`"set_current_organization":%q`, o.ID)
		}
		team := func(t users.Team) string { return fmt.Sprintf(`"set_current_team":%d`, t.ID) }
		current(`{`+organization(two)+`}`, two, teamTwo)
		current(`{`+organization(one)+`}`, one, teamOne)
		current(`{`+team(teamTwo)+`}`, two, teamTwo)
		current(`{`+fmt.Sprintf(`"set_current_team":"%d"`, later.ID)+`}`, one, later)
		current(`{`+organization(two)+`,`+team(teamTwo)+`}`, two, teamTwo)
		for _, c := range []struct{ body, code, attr string }{
			{`{` + organization(one) + `,` + team(teamTwo) + `}`, "invalid_input", "set_current_team"},
			{`{` + organization(foreign) + `}`, "does_not_exist", "set_current_organization"},
			{`{` + team(teamForeign) + `}`, "does_not_exist", "set_current_team"},
			{`{` + organization(one) + `,` + team(teamForeign) + `}`, "does_not_exist", "set_current_team"},
			{`{` + organization(one) + `,"theme_mode":"pink"}`, "invalid_choice", "theme_mode"},
		} {
			e.do("PATCH", "/api/users/@me", c.body, cookie).invalid(c.code, c.attr)
		}
		current(`{"theme_mode":"dark"}`, two, teamTwo)
		// Membership is that of the caller, not of the user who is changed.
		e.do("PATCH", "/api/users/"+alice.UUID.String(), `{`+organization(one)+`}`, e.session(boss, 0)).invalid("does_not_exist", "set_current_organization")
	})
}
