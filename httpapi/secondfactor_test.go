package httpapi_test

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image/png"
	"net/http"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

const own = "/api/users/@me/"

// start begins a set-up and returns its secret.
func (e *env) start(cookie option) users.Secret {
	e.t.Helper()
	return users.Secret(e.do("GET", own+"two_factor_start_setup", "", cookie).ok(200).json()["secret"].(string))
}

// code is what an authenticator with the secret shows now.
func (e *env) code(secret users.Secret) string {
	e.t.Helper()
	code, err := auth.TOTPCode(secret, e.now())
	if err != nil {
		e.t.Fatal(err)
	}
	return code
}

func token(code string) string { return fmt.Sprintf(`{"token":%q}`, code) }

// enrol gives u an authenticator, waits until its first code is over, and
// returns the secret and the session that did it.
func (e *env) enrol(u users.User) (users.Secret, option) {
	e.t.Helper()
	cookie := e.session(u, 0)
	secret := e.start(cookie)
	e.do("POST", own+"two_factor_validate", token(e.code(secret)), cookie).ok(200)
	e.advance(time.Minute)
	return secret, cookie
}

// backupCodes makes new ones.
func (e *env) backupCodes(cookie option) []string {
	e.t.Helper()
	var codes []string
	for _, code := range e.do("POST", own+"two_factor_backup_codes", "", cookie).ok(200).json()["backup_codes"].([]any) {
		codes = append(codes, code.(string))
	}
	return codes
}

// sent fails the test unless these mails, and no others, were sent since the
// last call, all to alice.
func (e *env) sent(want ...auth.Message) {
	e.t.Helper()
	var got []string
	for _, m := range e.mail() {
		got = append(got, fmt.Sprintf("%T to %s", m, m.Recipient().Email))
	}
	var kinds []string
	for _, m := range want {
		kinds = append(kinds, fmt.Sprintf("%T to alice@example.com", m))
	}
	if !reflect.DeepEqual(got, kinds) {
		e.t.Errorf("got mail %v, want %v", got, kinds)
	}
}

// TestStartSetup: contract section 8.10.
func TestStartSetup(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		cookie := e.session(e.user("alice"), 3*time.Hour) // of any age
		seen := map[any]bool{}
		for _, name := range []string{"start_2fa_setup", "two_factor_start_setup"} {
			got := e.do("GET", own+name, "", cookie).ok(200).has("success", "true").json()
			secret := got["secret"].(string)
			if !regexp.MustCompile(`^[A-Z2-7]{32}$`).MatchString(secret) || seen[secret] {
				t.Errorf("secret %q, seen before: %v", secret, seen[secret])
			}
			seen[secret] = true
			u, err := url.Parse(got["otpauth_url"].(string))
			if err != nil || u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/app.example.com:alice@example.com" || u.Query().Get("secret") != secret {
				t.Errorf("otpauth_url is %v, %v", got["otpauth_url"], err)
			}
			image, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(got["qr_code"].(string), "data:image/png;base64,"))
			if err != nil {
				t.Fatal(err)
			}
			if c, err := png.DecodeConfig(bytes.NewReader(image)); err != nil || c.Width != 240 || c.Height != 240 {
				t.Errorf("QR code of %d by %d pixels, %v", c.Width, c.Height, err)
			}
		}
		// Nothing is on before the code is proved.
		e.do("GET", own+"two_factor_status", "", cookie).has("is_enabled", "false").has("has_totp", "false").has("method", "null")
		e.do("POST", "/api/login", credentials("alice", password)).ok(200)
	})
}

// TestValidate: contract section 10.1 and R26.
func TestValidate(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie, other := e.session(alice, 0), e.session(alice, 0)
		validate := func(body string, o option) reply { return e.do("POST", own+"two_factor_validate", body, o) }
		validate(`{}`, cookie).invalid("setup_expired", "") // before the token
		first := e.start(cookie)
		validate(`{}`, cookie).invalid("required", "token")
		validate(`[]`, cookie).invalid("invalid_input", "")
		for _, wrong := range []string{`null`, `""`, `[]`, `true`, `{}`, `"abcdef"`, `12345678901`, `-1`, `1.5`} {
			validate(`{"token":`+wrong+`}`, cookie).invalid("token_invalid", "")
		}
		e.do("POST", own+"validate_2fa", token(e.code(first)), other).invalid("setup_expired", "")
		second := e.start(cookie)
		validate(token(e.code(first)), cookie).invalid("token_invalid", "")
		e.advance(10*time.Minute + time.Microsecond)
		validate(token(e.code(second)), cookie).invalid("setup_expired", "")
		third := e.start(cookie)
		e.advance(10 * time.Minute)
		validate(token(" "+e.code(third)[:3]+"-"+e.code(third)[3:]), cookie).ok(200)
		validate(token(e.code(third)), cookie).invalid("setup_expired", "") // it is spent
		e.do("GET", own+"two_factor_status", "", cookie).has("is_enabled", "true").has("has_totp", "true").has("method", `"TOTP"`).
			has("backup_codes_remaining", "0").has("has_passkeys", "false").has("passkeys_enabled_for_2fa", "false")
		e.do("GET", "/api/users/@me", "", other).ok(401) // R26, A1
		e.do("GET", "/api/users/@me", "", cookie).ok(200).has("is_2fa_enabled", "true")
	})
}

// TestNumericToken: a number stands for the digits without leading zeros.
func TestNumericToken(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		cookie := e.session(e.user("alice"), 0)
		for {
			secret := e.start(cookie)
			if code := e.code(secret); code[0] == '0' {
				e.do("POST", own+"validate_2fa", token(strings.TrimLeft(code, "0")), cookie).invalid("token_invalid", "")
				e.do("POST", own+"validate_2fa", `{"token":`+strings.TrimLeft(code, "0")+`}`, cookie).ok(200)
				return
			}
		}
	})
}

// TestDrift: codes one step early or late count, and the offset found at set-up
// moves the window.
func TestDrift(t *testing.T) {
	for name, c := range map[string]struct {
		drift   int
		allowed []int
	}{"slow": {-1, []int{-2, -1, 0}}, "right": {0, []int{-1, 0, 1}}, "fast": {1, []int{0, 1, 2}}} {
		t.Run(name, func(t *testing.T) {
			each(t, nil, func(t *testing.T, e *env) {
				alice := e.user("alice")
				at := func(secret users.Secret, steps int) string {
					code, err := auth.TOTPCode(secret, e.now().Add(time.Duration(steps)*30*time.Second))
					if err != nil {
						t.Fatal(err)
					}
					return token(code)
				}
				cookie := e.session(alice, 0)
				secret := e.start(cookie)
				for _, far := range []int{-2, 2, 3} {
					e.do("POST", own+"two_factor_validate", at(secret, far), cookie).invalid("token_invalid", "")
				}
				e.do("POST", own+"two_factor_validate", at(secret, c.drift), cookie).ok(200)
				for steps := -3; steps <= 3; steps++ {
					e.advance(20 * time.Minute) // past limit and back-off
					r := e.do("POST", "/api/login/token", at(secret, steps), e.pending("alice"))
					if allowed := slices.Contains(c.allowed, steps); (r.status == 200) != allowed {
						t.Errorf("a code %d steps away: got %d, want accepted: %v", steps, r.status, allowed)
					}
				}
			})
		})
	}
}

// TestSetupMarksTheSession as verified, which an organization may demand.
func TestSetupMarksTheSession(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		o, _ := e.organization("Acme", alice)
		o.Enforce2FA = users.Some(true)
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		cookie := e.session(alice, 0)
		setUp := func(path string) reply { return e.do("GET", path, "", cookie) }
		setUp(own+"login_sessions").refused(403, "authentication_error", "two_factor_setup_required", "")
		for _, path := range []string{"verify_email", "request_email_verification/"} { // open, but not to this session
			e.do("POST", "/api/users/"+path, "{}", cookie).refused(403, "authentication_error", "two_factor_setup_required", "")
		}
		for _, path := range []string{own + "start_2fa_setup", own + "two_factor_start_setup/", own + "two_factor_status", "/api/users/" + alice.UUID.String() + "/two_factor_status"} {
			setUp(path).ok(200) // exempt, in both spellings
		}
		e.do("POST", own+"two_factor_backup_codes/", "", cookie).invalid("2fa_not_enabled", "")
		e.do("POST", own+"two_factor_disable", "", cookie).ok(200)
		e.do("POST", own+"validate_2fa/", token(e.code(e.start(cookie))), cookie).ok(200)
		setUp(own + "login_sessions").ok(200)
		unverified := e.session(alice, 0)
		e.do("GET", own+"login_sessions", "", unverified).refused(403, "authentication_error", "two_factor_verification_required", "")
		e.do("GET", own+"two_factor_status", "", unverified).ok(200)
		e.do("GET", "/api/personal_api_keys/@current", "", e.key(alice, "*")).ok(200)
	})
}

// TestPasskeysCountForEnforcement: a verified passkey is a second factor once
// the user wants it to be.
func TestPasskeysCountForEnforcement(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice", func(u *users.User) { u.HasVerifiedPasskey = true })
		o, _ := e.organization("Acme", alice)
		o.Enforce2FA = users.Some(true)
		if _, err := e.api.Users().SaveOrganization(t.Context(), o); err != nil {
			t.Fatal(err)
		}
		cookie := e.session(alice, 0)
		other := e.session(alice, 0)
		status := func() reply { return e.do("GET", own+"two_factor_status", "", cookie) }
		status().has("is_enabled", "false").has("has_passkeys", "true").has("passkeys_enabled_for_2fa", "false").has("method", "null")
		e.do("GET", own+"login_sessions", "", cookie).refused(403, "authentication_error", "two_factor_setup_required", "")
		e.do("POST", "/api/login", credentials("alice", password)).ok(200)
		e.do("PATCH", "/api/users/@me", `{"passkeys_enabled_for_2fa":true}`, cookie).ok(200)
		e.do("GET", "/api/users/@me", "", other).ok(401) // A1: an upgrade ends the other sessions
		status().has("is_enabled", "true").has("passkeys_enabled_for_2fa", "true").has("method", `"passkey"`)
		e.do("GET", own+"login_sessions", "", cookie).refused(403, "authentication_error", "two_factor_verification_required", "")
		pending := e.pending("alice")
		for _, code := range []string{"123456", "abcdefgh"} { // there is no authenticator to match
			e.do("POST", "/api/login/token", token(code), pending).invalid("2fa_invalid", "")
		}
		e.do("POST", own+"two_factor_disable", "", cookie).ok(200) // leaves passkeys alone
		status().has("is_enabled", "true")
	})
}

// TestD10BackupCodes: contract section 10.3 and R29.
func TestD10BackupCodes(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.do("POST", own+"two_factor_backup_codes", "", e.session(alice, 0)).invalid("2fa_not_enabled", "")
		_, cookie := e.enrol(alice)
		e.sent(auth.TwoFactorEnabled{})
		old := e.backupCodes(cookie)
		codes := e.backupCodes(cookie)
		seen := map[string]bool{}
		for _, code := range append(old, codes...) {
			if !regexp.MustCompile(`^[a-z2-7]{8}$`).MatchString(code) || seen[code] {
				t.Errorf("code %q, seen before: %v", code, seen[code])
			}
			seen[code] = true
		}
		remaining := func(want string) {
			t.Helper()
			e.do("GET", own+"two_factor_status", "", cookie).has("backup_codes_remaining", want).has("backup_codes", "null")
		}
		remaining("10")
		use := func(code string) reply {
			e.advance(20 * time.Minute)
			return e.do("POST", "/api/login/token", token(code), e.pending("alice"))
		}
		use(old[0]).invalid("2fa_invalid", "")
		use(codes[0]).ok(200)
		use(codes[0]).invalid("2fa_invalid", "")
		use(" " + strings.ToUpper(codes[1][:4]) + "-" + codes[1][4:]).ok(200)
		remaining("8")
		e.sent(auth.BackupCodeUsed{}, auth.BackupCodeUsed{})
		e.do("POST", own+"two_factor_disable", "", cookie).ok(200)
		remaining("0")
	})
}

// TestDisable: contract section 10.4 and R30.
func TestDisable(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		e.do("POST", own+"two_factor_disable", "", cookie).ok(200).has("success", "true")
		e.sent()
		_, cookie = e.enrol(alice)
		e.backupCodes(cookie)
		other := e.session(alice, 0)
		stale := e.session(alice, 3*time.Hour)
		e.do("POST", own+"two_factor_disable", "", stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		e.do("POST", own+"two_factor_disable", "", e.key(alice, "*")).denied()
		e.do("POST", own+"two_factor_disable", "", cookie).ok(200)
		e.sent(auth.TwoFactorEnabled{}, auth.TwoFactorDisabled{})
		e.do("GET", "/api/users/@me", "", other).ok(401)
		e.do("GET", own+"two_factor_status", "", cookie).has("is_enabled", "false").has("backup_codes_remaining", "0")
		e.do("POST", own+"two_factor_disable", "", cookie).ok(200)
		e.sent()
		e.do("POST", "/api/login", credentials("alice", password)).ok(200)
	})
}

// TestSecondFactorIsSelfService: design D5, also for staff.
func TestSecondFactorIsSelfService(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, boss := e.user("alice"), e.session(e.user("boss", staff), 0)
		_, cookie := e.enrol(alice)
		path := "/api/users/" + alice.UUID.String() + "/"
		for _, c := range [][2]string{{"GET", "two_factor_start_setup"}, {"GET", "two_factor_status"}, {"POST", "two_factor_validate"},
			{"POST", "two_factor_backup_codes"}, {"POST", "two_factor_disable"}, {"GET", "login_sessions"}, {"POST", "login_sessions/revoke_others"}} {
			e.do(c[0], path+c[1], "", boss).denied()
		}
		e.do("GET", path+"two_factor_status", "", cookie).ok(200).has("is_enabled", "true")
	})
}

// TestPasskeyFlagIsSelfService: R07 and design D5. Only the owner's session
// decides whether passkeys are asked for; what stays as it is may be sent along.
func TestPasskeyFlagIsSelfService(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice", func(u *users.User) { u.HasVerifiedPasskey = true })
		cookie, boss := e.session(alice, 0), e.user("boss", staff)
		path := "/api/users/" + alice.UUID.String()
		for _, set := range []string{"false", "true"} {
			for _, other := range []option{e.key(alice, "*"), e.session(boss, 0), e.key(boss, "*")} {
				e.do("PATCH", path, `{"passkeys_enabled_for_2fa":`+set+`,"first_name":"A"}`, other).ok(200)
				for _, value := range []string{"true", "false", "null"} {
					if changed := (value == "true") != (set == "true"); changed {
						e.do("PATCH", path, `{"passkeys_enabled_for_2fa":`+value+`}`, other).denied()
					}
				}
			}
			e.do("GET", path, "", cookie).ok(200).has("passkeys_enabled_for_2fa", set)
			e.do("PATCH", path, `{"passkeys_enabled_for_2fa":true}`, cookie).ok(200)
		}
	})
}

// TestSecretsAreSealed: what is stored holds neither the secret nor the codes.
func TestSecretsAreSealed(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		secret, cookie := e.enrol(alice)
		codes := e.backupCodes(cookie)
		f, err := e.store.SecondFactor(t.Context(), alice.ID)
		if err != nil {
			t.Fatal(err)
		}
		stored := fmt.Sprintf("%s %q", f.Secret, f.BackupCodes)
		for _, code := range append(codes, string(secret)) {
			if strings.Contains(stored, code) {
				t.Error("a secret is stored as it is")
			}
		}
		got, err := e.api.Auth().TOTPSecret(t.Context(), alice.ID)
		if err != nil || got != secret {
			t.Errorf("TOTPSecret: got another secret, %v", err)
		}
	})
}

// TestGoldenSecondFactor has one answer of each kind.
func TestGoldenSecondFactor(t *testing.T) {
	inProcess(t, repeatable, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		start := e.do("GET", own+"two_factor_start_setup", "", cookie).ok(200)
		e.do("POST", own+"two_factor_validate", token(e.code(users.Secret(start.json()["secret"].(string)))), cookie).ok(200)
		e.do("POST", own+"two_factor_backup_codes", "", cookie).ok(200).golden("two_factor_backup_codes")
		e.do("GET", own+"two_factor_status", "", cookie).ok(200).golden("two_factor_status")
		e.do("GET", own+"login_sessions", "", cookie).ok(200).golden("login_sessions")
		e.do("POST", "/api/login", credentials("alice", password)).golden("refusal_2fa_required")
		e.do("POST", own+"login_sessions/revoke_others", "", cookie).ok(200).golden("revoke_others")
	})
}

// TestRotatedKeysAreReplaced: a secret that an older key sealed still opens, and
// is sealed by the newest one when it is used.
func TestRotatedKeysAreReplaced(t *testing.T) {
	inProcess(t, nil, func(t *testing.T, e *env) {
		e.alone() // one process is started again and again
		alice := e.user("alice")
		secret, _ := e.enrol(alice)
		newer := bytes.Repeat([]byte{9}, auth.EncryptionKeyBytes)
		reopen := func(keys ...[]byte) {
			e.api = newEnv(t, e.store, func(c *httpapi.Config) { c.EncryptionKeys, c.Now = keys, e.now }).api
		}
		reopen(newer, encryptionKeys[0])
		e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).ok(200)
		reopen(newer)
		e.advance(time.Minute)
		e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).ok(200)
		reopen(bytes.Repeat([]byte{1}, auth.EncryptionKeyBytes))
		e.advance(time.Minute)
		e.do("POST", "/api/login/token", token(e.code(secret)), e.pending("alice")).refused(500, "server_error", "error", "")
	})
}

// pending signs in by password and returns the cookie of the login that waits.
func (e *env) pending(name string, o ...option) option {
	e.t.Helper()
	r := e.do("POST", "/api/login", credentials(name, password), o...)
	r.refused(http.StatusUnauthorized, "server_error", "2fa_required", "")
	return r.cookie("sessionid")
}

// cookie is the cookie that an answer hands out whose name begins with prefix.
func (r reply) cookie(prefix string) option {
	r.t.Helper()
	for _, c := range (&http.Response{Header: r.header}).Cookies() {
		if strings.HasPrefix(c.Name, prefix) && c.Value != "" {
			return header("Cookie", c.Name+"="+c.Value)
		}
	}
	r.t.Fatalf("%s: status %d hands out no cookie %s", r.call, r.status, prefix)
	return nil
}
