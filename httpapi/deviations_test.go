package httpapi_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

// The tests of this file and of additions_test.go are the rows of the README's
// table "Differences from the reference", one each.

// TestDifferencesAreTested compares the rows with the tests named after them, of
// any package.
func TestDifferencesAreTested(t *testing.T) {
	readme, err := os.ReadFile(filepath.Join("..", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	rows, tests := map[string]bool{}, map[string]bool{}
	for _, m := range regexp.MustCompile(`(?m)^\| ([AD])(\d+) \|`).FindAllStringSubmatch(string(readme), -1) {
		rows[fmt.Sprintf("%s%02s", m[1], m[2])] = true
	}
	named := regexp.MustCompile(`(?m)^func Test([AD]\d\d)[A-Z]`)
	err = filepath.WalkDir("..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		source, err := os.ReadFile(path)
		for _, m := range named.FindAllSubmatch(source, -1) {
			if tests[string(m[1])] {
				t.Errorf("two tests are named after %s", m[1])
			}
			tests[string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := slices.Sorted(maps.Keys(tests)), slices.Sorted(maps.Keys(rows)); len(want) == 0 || !slices.Equal(got, want) {
		t.Errorf("there are tests for %q, and the README has rows %q", got, want)
	}
}

func TestD01HeaderDecidesAlone(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		for value, code := range map[string]string{
			"Bearer phx_unknown": "authentication_failed", "Bearer pha_unknown-unknown": "authentication_failed", "Bearer xy": "authentication_failed",
			"Basic eA==": "not_authenticated", "bearer phx_unknown": "not_authenticated", "Bearer": "not_authenticated", "Bearer x": "not_authenticated",
			"Bearer a b": "not_authenticated", "": "not_authenticated", "Token phx_unknown": "not_authenticated",
		} {
			r := e.do("GET", "/api/users/@me", "", cookie, header("Authorization", value))
			r.call += " with " + value
			r.nobody(code)
			if got := r.header.Get("Set-Cookie"); got != "" {
				t.Errorf("%s: a cookie that was not judged is changed: %s", r.call, got)
			}
		}
		e.do("GET", "/api/users/@me", "", cookie).ok(200)
		// A good key brings its own rights, and not those of the session.
		read := e.key(alice, "user:read")
		e.do("GET", "/api/users/@me", "", cookie, read).ok(200).has("sensitive_session_expires_at", "null")
		e.do("PATCH", "/api/users/@me", `{"theme_mode":"dark"}`, cookie, read).denied()
		e.do("GET", "/api/users/@me", "", read, read).nobody("not_authenticated")
		e.do("DELETE", "/api/users/@me", "", cookie, read).nobody("not_authenticated")
	})
}

func TestD02KeyInHeaderOnly(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		value, err := e.api.Auth().NewAPIKeyValue()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := e.api.Auth().SaveAPIKey(t.Context(), auth.APIKey{UserID: alice.ID, Scopes: []string{"*"}}, value); err != nil {
			t.Fatal(err)
		}
		key, query := string(value), "?personal_api_key="+string(value)
		body := `{"personal_api_key":"` + key + `","theme_mode":"dark"}`
		e.do("GET", "/api/users/@me"+query, "").nobody("not_authenticated")
		e.do("GET", "/api/users"+query, "").nobody("not_authenticated")
		e.do("PATCH", "/api/users/@me"+query, body).nobody("not_authenticated")
		e.do("GET", "/api/users/@me", "", header("Authorization", "Bearer "+key)).ok(200).has("theme_mode", "null")
		// Beside another credential they are a parameter and a member like any other.
		e.do("PATCH", "/api/users/@me"+query, body, e.session(bob, 0)).ok(200).has("email", `"bob@example.com"`).has("theme_mode", `"dark"`)
	})
}

func TestD03IdentityChange(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.user("bob")
		key := e.key(alice, "user:write")
		for _, change := range []string{`"email":"bob@example.com"`, `"email":"free@example.com"`, `"password":"mighty-strong-secure-1337!!"`} {
			e.do("PATCH", "/api/users/@me", `{`+change+`}`, key).invalid("required", "current_password")
			e.do("PATCH", "/api/users/@me", `{`+change+`,"current_password":"x"}`, key).invalid("incorrect_password", "current_password")
		}
		e.do("PATCH", "/api/users/@me", `{"email":"new@example.com","current_password":"`+password+`"}`, key).ok(200).has("email", `"new@example.com"`)
		none := e.user("none", noPassword)
		e.do("PATCH", "/api/users/@me", `{"email":"x@example.com"}`, e.key(none, "*")).denied()
		e.do("PATCH", "/api/users/@me", `{"password":"mighty-strong-secure-1337!!"}`, e.key(none, "*")).denied()
		e.do("PATCH", "/api/users/@me", `{"email":"alice@example.com"}`, e.session(alice, 0)).ok(200).has("email", `"alice@example.com"`)
		e.do("PATCH", "/api/users/@me", `{"email":"x@example.com"}`, e.session(alice, 3*time.Hour)).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
	})
	for mode, status := range map[auth.IdentityChange]int{auth.WithPassword: 400, auth.Documented: 200, auth.SessionOnly: 403} {
		each(t, func(c *httpapi.Config) { c.Auth.IdentityChange = mode }, func(t *testing.T, e *env) {
			alice := e.user("alice")
			key := e.key(alice, "user:write")
			e.do("PATCH", "/api/users/@me", `{"email":"new@example.com"}`, key).ok(status)
			e.do("PATCH", "/api/users/@me", `{"email":"`+e.do("GET", "/api/users/@me", "", key).json()["email"].(string)+`"}`, key).ok(200)
			e.do("PATCH", "/api/users/@me", `{"is_staff":true,"email":"zz@example.com"}`, key).denied()
		})
	}
}

// TestSessionOnly asks for a login just now, before validation could tell
// which addresses are taken (contract section 4).
func TestSessionOnly(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.Auth.IdentityChange = auth.SessionOnly }, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.user("bob")
		old, recent, key := e.session(alice, 300*time.Second+time.Microsecond), e.session(alice, 300*time.Second), e.key(alice, "user:write")
		for _, address := range []string{"bob@example.com", "free@example.com"} {
			body := `{"first_name":null,"email":"` + address + `"}`
			e.do("PATCH", "/api/users/@me", body, old).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
			e.do("PATCH", "/api/users/@me", body, key).denied()
		}
		for _, password := range []string{`"mighty-strong-secure-1337!!"`, `""`, `null`, `[]`} {
			e.do("PATCH", "/api/users/@me", `{"password":`+password+`}`, key).denied()
		}
		for _, caller := range []option{old, key} {
			e.do("PATCH", "/api/users/@me", `{"first_name":"A","email":"alice@example.com"}`, caller).ok(200)
			e.do("PATCH", "/api/users/@me", `{"email":"x"}`, caller).invalid("invalid_input", "email")
		}
		e.do("PATCH", "/api/users/@me", `{"email":"free@example.com"}`, recent).ok(200).has("email", `"free@example.com"`)
	})
}

func TestD04StaffFlag(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		path := "/api/users/" + alice.UUID.String()
		cookie := e.session(boss, 0)
		for _, value := range []string{`true`, `false`, `"yes"`, `"off"`, `1`, `0`} {
			want := "false"
			if value == `true` || value == `"yes"` || value == `1` {
				want = "true"
			}
			e.do("PATCH", path, `{"is_staff":`+value+`}`, cookie).ok(200).has("is_staff", want)
		}
		e.do("PATCH", path, `{"is_staff":true}`, e.session(boss, 3*time.Hour)).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		for _, caller := range []option{e.session(alice, 0), e.key(alice, "*"), e.key(boss, "*")} {
			for _, body := range []string{`{"is_staff":true}`, `{"is_staff":false}`, `{"is_staff":"no"}`, `{"is_staff":true,"email":null}`, `{"is_staff":true,"email":"boss@example.com"}`} {
				e.do("PATCH", "/api/users/@me", body, caller).denied()
			}
		}
		e.do("GET", path, "", cookie).ok(200).has("is_staff", "false")
	})
}

// TestD05SelfServiceOnly: what proves who somebody is, staff cannot touch.
func TestD05SelfServiceOnly(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.user("boss", staff)
		k, err := e.api.Auth().SaveAPIKey(t.Context(), auth.APIKey{UserID: alice.ID, Label: "hers", Scopes: []string{"*"}}, "phx_hers-hers-hers-hers")
		if err != nil {
			t.Fatal(err)
		}
		cookie := e.session(boss, 0)
		for _, segment := range []string{alice.UUID.String(), unknownID, malformedID} {
			e.do("POST", "/api/users/"+segment+"/credentials_review_complete", "", cookie).denied()
		}
		for _, target := range [][2]string{{"GET", ""}, {"PATCH", ""}, {"DELETE", ""}, {"POST", "/roll"}} {
			e.do(target[0], "/api/personal_api_keys/"+k.ID+target[1], "", cookie).refused(404, "invalid_request", "not_found", "")
		}
		if got := e.do("GET", "/api/personal_api_keys", "", cookie).ok(200).raw; got != "[]" {
			t.Errorf("staff see keys of others: %s", got)
		}
		e.do("GET", "/api/users/@me", "", header("Authorization", "Bearer phx_hers-hers-hers-hers")).ok(200).has("requires_credential_review", "true")
	})
}

func TestD06StrictBodies(t *testing.T) {
	t.Run("syntax", bodyNotJSON)
	t.Run("names", bodyNamesMatchByteForByte)
	t.Run("media", bodyMedia)
	t.Run("empty", bodyEmpty)
}

func TestD07CrossOrigin(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.TrustedOrigins = []string{"https://admin.example.com"} }, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie, key := e.session(alice, 0), e.key(alice, "*")
		site, from := func(v string) option { return header("Sec-Fetch-Site", v) }, func(v string) option { return header("Origin", v) }
		for _, o := range []option{
			site("cross-site"), site("same-site"), from("https://evil.com"), from("http://app.example.com"), from("null"), from("https://app.example.com.evil.com"),
			from("https://app.example.com:444"), func(r *http.Request) { site("cross-site")(r); from("https://evil.com")(r) },
		} {
			for _, target := range [][2]string{{"PATCH", "/api/users/@me"}, {"PUT", "/api/users/@me"}, {"DELETE", "/api/users/@me"}, {"POST", "/api/users/@me/scene_personalisation"}, {"POST", "/api/personal_api_keys"}} {
				e.do(target[0], target[1], "{}", cookie, o).denied()
			}
			// Signing in would give the browser a cookie.
			e.do("POST", "/api/login", `{"email":"alice@example.com","password":"`+password+`"}`, o).denied()
			e.do("POST", "/api/logout", "", cookie, o).denied()
			e.do("GET", "/api/users/@me", "", cookie, o).ok(200)
			e.do("PATCH", "/api/users/@me", "{}", key, o).ok(200) // no browser adds a key by itself
		}
		for _, o := range []option{site("same-origin"), site("none"), from("https://app.example.com"), from("https://admin.example.com"), func(*http.Request) {}} {
			e.do("PATCH", "/api/users/@me", "{}", cookie, o).ok(200)
		}
	})
}

func TestD08Caps(t *testing.T) {
	t.Run("body", bodyTooLarge)
	t.Run("depth and members", bodyAtTheLimits)
	t.Run("JSON member", jsonMemberTooLarge)
	t.Run("page", pageTooLarge)
	t.Run("password", passwordTooEasy)
	t.Run("session", sessionTooOld)
}

func jsonMemberTooLarge(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		key := e.key(e.user("alice"), "*")
		value := func(size int) string { return `"` + strings.Repeat("x", size-2) + `"` }
		for _, name := range []string{"events_column_config", "has_seen_product_intro_for", "hedgehog_config"} {
			e.do("PATCH", "/api/users/@me", `{"`+name+`":`+value(64<<10)+`}`, key).ok(200)
			r := e.do("PATCH", "/api/users/@me", `{"`+name+`":`+value(64<<10+1)+`}`, key)
			r.call = "PATCH " + name
			r.invalid("invalid_input", name)
		}
		e.do("PATCH", "/api/users/@me/hedgehog_config", value(64<<10), key).ok(200)
		r := e.do("PATCH", "/api/users/@me/hedgehog_config", value(64<<10+1), key)
		r.call = "PATCH of the hedgehog"
		r.invalid("invalid_input", "hedgehog_config")
	})
}

func pageTooLarge(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		boss := e.session(e.user("boss", staff), 0)
		e.do("GET", "/api/users?limit=501&offset=1", "", boss).ok(200).has("previous", `"https://app.example.com/api/users?limit=500"`)
	})
}

func passwordTooEasy(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		dora := e.user("dora-the-explorer-1971", func(u *users.User) { u.FirstName, u.LastName = "Maximiliana Q", "Featherstonehaugh-Smythe" })
		fresh := e.session(dora, 0)
		for _, p := range []string{"dora-the-explorer-1971@example.com", "DORA-the-explorer-1971", "maximiliana q", "Featherstonehaugh-smythe", "PASSWORD123456", "Password1234"} {
			e.do("PATCH", "/api/users/@me", `{"password":"`+p+`","current_password":"`+password+`"}`, fresh).invalid("invalid_input", "password")
			e.advance(time.Minute)
		}
	})
}

func sessionTooOld(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		cookie := e.session(e.user("alice"), 0)
		for range 14 { // use does not make it last longer
			e.do("GET", "/api/users/@me", "", cookie).ok(200)
			e.advance(24 * time.Hour)
		}
		e.do("GET", "/api/users/@me", "", cookie).nobody("not_authenticated")
	})
}

func TestD09ExpiredSession(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		last := e.session(alice, 14*24*time.Hour-time.Microsecond)
		e.do("GET", "/api/users/@me", "", last).ok(200)
		for _, cookie := range []option{e.session(alice, 14*24*time.Hour), header("Cookie", "sessionid=unknown")} {
			for _, target := range [][2]string{{"GET", "/api/users/@me"}, {"PATCH", "/api/users/@me/"}, {"DELETE", "/api/users/@me"}, {"GET", "/api/personal_api_keys"}} {
				r := e.do(target[0], target[1], "", cookie)
				r.nobody("not_authenticated")
				if got := r.header.Get("Set-Cookie"); !strings.Contains(got, "sessionid=;") || !strings.Contains(got, "Max-Age=0") || r.header.Get("Location") != "" {
					t.Errorf("%s: Set-Cookie %q, Location %q", r.call, got, r.header.Get("Location"))
				}
			}
		}
	})
}

func TestD12OwnUUID(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		e.organization("Acme", alice)
		for _, caller := range []option{e.session(alice, 0), e.key(alice, "*")} {
			for _, own := range []string{alice.UUID.String(), strings.ToUpper(alice.UUID.String())} {
				for _, path := range []string{"", "/", "/hedgehog_config", "/github_login/"} {
					want := e.do("GET", "/api/users/@me"+path, "", caller).ok(200).raw
					if got := e.do("GET", "/api/users/"+own+path, "", caller).ok(200).raw; got != want {
						t.Errorf("GET %s%s: got %s, want %s", own, path, got, want)
					}
				}
				e.do("PATCH", "/api/users/"+own, `{"theme_mode":"dark"}`, caller).ok(200).has("theme_mode", `"dark"`)
				e.do("PATCH", "/api/users/"+own+"/product_intro_seen", `{"product_key":"x"}`, caller).ok(200)
			}
			for _, other := range []string{bob.UUID.String(), unknownID, malformedID, "1", "@ME", "me", "@me ", "{" + alice.UUID.String() + "}", strings.ReplaceAll(alice.UUID.String(), "-", "")} {
				e.do("GET", "/api/users/"+strings.ReplaceAll(other, " ", "%20"), "", caller).denied()
				e.do("PATCH", "/api/users/"+strings.ReplaceAll(other, " ", "%20"), `{"theme_mode":"pink"}`, caller).denied()
			}
		}
	})
}

// TestD13SecretsAreHashed searches the database file for what was handed out.
func TestD13SecretsAreHashed(t *testing.T) {
	dir := t.TempDir()
	st, err := sqlite.Open(t.Context(), filepath.Join(dir, "test.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	e := newEnv(t, st, nil)
	alice := e.user("alice")
	signedIn := e.do("POST", "/api/login", `{"email":"alice@example.com","password":"`+password+`"}`).ok(200).header.Get("Set-Cookie")
	cookie, _, _ := strings.Cut(strings.TrimPrefix(signedIn, "sessionid="), ";")
	made := e.do("POST", "/api/personal_api_keys", `{"label":"CI","scopes":["*"],"scoped_teams":[],"scoped_organizations":[]}`, header("Cookie", "sessionid="+cookie)).ok(201).json()
	const token = "pha_good-good-good-good"
	if err := e.api.Auth().SaveOAuthToken(t.Context(), token, auth.OAuthToken{UserID: alice.ID, Scopes: "*"}); err != nil {
		t.Fatal(err)
	}
	secrets := map[string]string{"password": password, "cookie": cookie, "API key": made["value"].(string), "OAuth token": token}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) < 2 {
		t.Fatalf("got files %q, %v, want the database and its log", files, err)
	}
	found := false
	for _, path := range files {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		found = found || bytes.Contains(content, []byte("alice@example.com"))
		for name, secret := range secrets {
			if len(secret) < 16 || bytes.Contains(content, []byte(secret)) {
				t.Errorf("%s holds the %s", filepath.Base(path), name)
			}
		}
	}
	if !found {
		t.Error("the files do not even hold the address")
	}
}
