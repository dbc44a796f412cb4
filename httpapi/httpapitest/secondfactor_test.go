package httpapitest_test

import (
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
)

const factors = `{"users": {
	"ann": {"email": "ann@example.com", "password": "testpassword12345", "totp": true, "backup_codes": ["abcdefgh", "Other-Form 1"]},
	"bob": {"email": "bob@example.com", "password": "testpassword12345", "passkeys": [{}, {"verified": true}], "passkeys_enabled_for_2fa": true},
	"eve": {"email": "eve@example.com", "password": "testpassword12345", "totp": false, "backup_codes": ["abcdefgh"], "passkeys": [{"verified": false}]}}}`

// factorStatus is what the API says about the second factor of a user.
func factorStatus(t *testing.T, s *httpapitest.Server, user string) string {
	t.Helper()
	cookie := s.Session(user, auth.StartOptions{}).String()
	got := want[map[string]any](t, http.StatusOK, "GET", s.URL+"/api/users/@me/two_factor_status", "", "Cookie", cookie)
	return fmt.Sprintf("enabled %v by %v, totp %v, passkeys %v, %v codes", got["is_enabled"], got["method"], got["has_totp"], got["has_passkeys"], got["backup_codes_remaining"])
}

// login signs a user in by password and, if that is asked for, by a code, and
// returns the status of the last step.
func login(t *testing.T, s *httpapitest.Server, user, code string) int {
	t.Helper()
	res, err := http.Post(s.URL+"/api/login", "application/json", strings.NewReader(`{"email": "`+user+`@example.com", "password": "testpassword12345"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := res.Body.Close(); err != nil {
		t.Fatal(err)
	}
	if code == "" || res.StatusCode != http.StatusUnauthorized {
		return res.StatusCode
	}
	status, _ := call(t, "POST", s.URL+"/api/login/token", `{"token": "`+code+`"}`, "Cookie", res.Cookies()[0].String())
	return status
}

func TestSecondFactorsOfAWorld(t *testing.T) {
	s := httpapitest.New(t, factors)
	for user, want := range map[string]string{
		"ann": "enabled true by TOTP, totp true, passkeys false, 2 codes",
		"bob": "enabled true by passkey, totp false, passkeys true, 0 codes",
		"eve": "enabled false by <nil>, totp false, passkeys false, 0 codes",
	} {
		if got := factorStatus(t, s, user); got != want {
			t.Errorf("%s: %s, want %s", user, got, want)
		}
	}
	code := func() string {
		return want[map[string]string](t, http.StatusOK, "POST", s.URL+"/_standin/totp", `{"user": "ann"}`)["code"]
	}
	for _, c := range []struct {
		user, code string
		want       int
	}{
		{"ann", "", 401}, {"bob", "", 401}, {"eve", "", 200}, {"ann", code(), 200}, {"ann", "ABCD-efgh", 200}, {"ann", "otherform1", 200}, {"ann", "abcdefgh", 400},
	} {
		if got := login(t, s, c.user, c.code); got != c.want {
			t.Errorf("login of %s with %q: got %d, want %d", c.user, c.code, got, c.want)
		}
	}
	before := code()
	s.Clock().Advance(time.Minute)
	if after := code(); after == before || len(after) != 6 {
		t.Errorf("a minute after %s the code is %s", before, after)
	}
	// RFC 6238, appendix B, has the secret but no time of this clock; the code of a
	// secret is that of a user with it.
	got := want[map[string]string](t, http.StatusOK, "POST", s.URL+"/_standin/totp", `{"secret": "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"}`)["code"]
	if want, err := auth.TOTPCode("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ", s.Clock().Now()); err != nil || got != want {
		t.Errorf("the code of a secret is %s, want %s, %v", got, want, err)
	}
}

// TestPatchSecondFactor sets stored fields only: sessions and the rest of the
// factor stay.
func TestPatchSecondFactor(t *testing.T) {
	s := httpapitest.New(t, factors)
	cookie := s.Session("ann", auth.StartOptions{}).String()
	for _, c := range []struct{ user, patch, want string }{
		{"ann", `{"backup_codes": ["qqqqqqqq"]}`, "enabled true by TOTP, totp true, passkeys false, 1 codes"},
		{"ann", `{"totp": true}`, "enabled true by TOTP, totp true, passkeys false, 1 codes"},
		{"ann", `{"first_name": "Ann"}`, "enabled true by TOTP, totp true, passkeys false, 1 codes"},
		{"ann", `{"passkeys": [{"verified": true}]}`, "enabled true by TOTP, totp true, passkeys true, 1 codes"},
		{"ann", `{"totp": false}`, "enabled false by <nil>, totp false, passkeys true, 0 codes"},
		{"ann", `{"passkeys_enabled_for_2fa": true}`, "enabled true by passkey, totp false, passkeys true, 0 codes"},
		{"ann", `{"passkeys": []}`, "enabled false by <nil>, totp false, passkeys false, 0 codes"},
		{"eve", `{"totp": true}`, "enabled true by TOTP, totp true, passkeys false, 0 codes"},
		{"bob", `{"passkeys_enabled_for_2fa": null}`, "enabled false by <nil>, totp false, passkeys true, 0 codes"},
	} {
		want[map[string]any](t, http.StatusOK, "PATCH", s.URL+"/_standin/users/"+c.user, c.patch)
		if got := factorStatus(t, s, c.user); got != c.want {
			t.Errorf("%s after %s: %s, want %s", c.user, c.patch, got, c.want)
		}
	}
	got := want[map[string]any](t, http.StatusOK, "GET", s.URL+"/api/users/@me", "", "Cookie", cookie)
	if !reflect.DeepEqual(got["first_name"], "Ann") || got["passkeys_enabled_for_2fa"] != true {
		t.Errorf("the session sees %v and %v", got["first_name"], got["passkeys_enabled_for_2fa"])
	}
}
