package auth_test

import (
	"encoding/base32"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestTOTPVectors are those of RFC 6238, appendix B, for SHA-1: their last six
// digits.
func TestTOTPVectors(t *testing.T) {
	secret := users.Secret(base32.StdEncoding.EncodeToString([]byte("12345678901234567890")))
	for seconds, want := range map[int64]string{
		59: "94287082", 1111111109: "07081804", 1111111111: "14050471", 1234567890: "89005924", 2000000000: "69279037", 20000000000: "65353130",
	} {
		got, err := auth.TOTPCode(secret, time.Unix(seconds, 0))
		if err != nil || got != want[2:] {
			t.Errorf("at %d: got %s, %v, want %s", seconds, got, err, want[2:])
		}
	}
	if _, err := auth.TOTPCode("not base 32!", time.Unix(0, 0)); err == nil || strings.Contains(err.Error(), "not base 32!") {
		t.Errorf("a bad secret: got %v, want an error without the secret", err)
	}
}

// sealed is a configuration that can store second factors.
func sealed(t *testing.T, now func() time.Time) auth.Config {
	t.Helper()
	sealer, err := auth.NewSealer(make([]byte, auth.EncryptionKeyBytes))
	if err != nil {
		t.Fatal(err)
	}
	return auth.Config{Sealer: sealer, Now: now}
}

// callerOf returns the principal of a new session.
func callerOf(t *testing.T, s *auth.Service, u users.User) auth.Principal {
	t.Helper()
	token, err := s.StartSession(t.Context(), u.ID, auth.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := s.Session(t.Context(), token)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestNoSealer: without one nothing is stored, rather than in plain text.
func TestNoSealer(t *testing.T) {
	s, st := newService(t, auth.Config{})
	u := newUser(t, s, "ann@example.com")
	if _, err := s.StartTOTP(t.Context(), callerOf(t, s, u)); err == nil {
		t.Error("StartTOTP without a sealer: got nil, want an error")
	}
	if err := s.SaveTOTP(t.Context(), u.ID, users.Secret(strings.Repeat("A", 32)), nil); err == nil {
		t.Error("SaveTOTP without a sealer: got nil, want an error")
	}
	if _, err := st.SecondFactor(t.Context(), u.ID); !errors.Is(err, users.ErrNotFound) {
		t.Errorf("SecondFactor: got %v, want %v", err, users.ErrNotFound)
	}
}

// TestSaveTOTP imports what another system had.
func TestSaveTOTP(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s, st := newService(t, sealed(t, func() time.Time { return now }))
	u := newUser(t, s, "ann@example.com")
	secret := users.Secret(base32.StdEncoding.EncodeToString([]byte("12345678901234567890")))
	for _, c := range []struct {
		user   users.ID
		secret users.Secret
		codes  []users.Secret
		want   string
	}{
		{u.ID, "", nil, "secret"}, {u.ID, "AAAA", nil, "secret"}, {u.ID, "0" + secret[1:], nil, "secret"},
		{u.ID, users.Secret(strings.Repeat("A", 104)), nil, "secret"},
		{u.ID, secret, []users.Secret{"- -"}, "backup_codes"}, {u.ID, secret, []users.Secret{"123-456"}, "backup_codes"},
		{u.ID, secret, []users.Secret{users.Secret(strings.Repeat("a", 65))}, "backup_codes"},
		{u.ID, secret, make([]users.Secret, 11), "backup_codes"}, {u.ID + 1, secret, nil, "not_found"},
	} {
		var refused *users.Error
		if err := s.SaveTOTP(t.Context(), c.user, c.secret, c.codes); !errors.As(err, &refused) || refused.Field+refused.Code != c.want && refused.Field != c.want {
			t.Errorf("SaveTOTP with %d codes: got %v, want one about %s", len(c.codes), err, c.want)
		}
	}
	if err := s.SaveTOTP(t.Context(), u.ID, users.Secret(strings.ToLower(string(secret)))+"==", []users.Secret{"abcdefgh", "IJ-1890"}); err != nil {
		t.Fatal(err)
	}
	if got, err := s.TOTPSecret(t.Context(), u.ID); err != nil || got != secret {
		t.Errorf("TOTPSecret: got another one, %v", err)
	}
	if u, err := st.User(t.Context(), u.ID); err != nil || !u.HasTOTP {
		t.Errorf("the user has an authenticator: %v, %v", u.HasTOTP, err)
	}
	in, err := finish(t, s, "ij1890")
	if err != nil || in.User != u.UUID {
		t.Errorf("FinishLogin by an imported backup code: %v", err)
	}
}

// finish signs ann in by password and code.
func finish(t *testing.T, s *auth.Service, code string) (auth.SignedIn, error) {
	t.Helper()
	pending, err := s.Login(t.Context(), auth.LoginRequest{Email: users.Set("ann@example.com"), Password: users.Set(password)})
	if !errors.Is(err, auth.Err2FARequired) {
		t.Fatalf("Login: got %v, want %v", err, auth.Err2FARequired)
	}
	return s.FinishLogin(t.Context(), auth.SecondStep{Pending: pending, Code: users.Set(code)})
}

// TestHostLoginsSetUp: a login of the host has no session of ours, and its set-up
// is the user's.
func TestHostLoginsSetUp(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s, _ := newService(t, sealed(t, func() time.Time { return now }))
	ann, bob := newUser(t, s, "ann@example.com"), newUser(t, s, "bob@example.com")
	host := func(u users.User) auth.Principal {
		p, err := s.HostSession(t.Context(), u.ID, now, false)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	setup, err := s.StartTOTP(t.Context(), host(ann))
	if err != nil {
		t.Fatal(err)
	}
	code, err := auth.TOTPCode(setup.Secret, now)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.ConfirmTOTP(t.Context(), host(bob), users.Set(code)); !errors.Is(err, auth.ErrSetupExpired) {
		t.Errorf("ConfirmTOTP by another: got %v, want %v", err, auth.ErrSetupExpired)
	}
	if err := s.ConfirmTOTP(t.Context(), host(ann), users.Set(code)); err != nil {
		t.Errorf("ConfirmTOTP: %v", err)
	}
	if _, err := finish(t, s, code); !errors.Is(err, auth.Err2FAInvalid) {
		t.Errorf("FinishLogin by the code of the set-up: got %v, want %v", err, auth.Err2FAInvalid)
	}
}

// TestConfirmByEndedSession: a session that was revoked while its request ran
// confirms nothing.
func TestConfirmByEndedSession(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s, st := newService(t, sealed(t, func() time.Time { return now }))
	u := newUser(t, s, "ann@example.com")
	p, other := callerOf(t, s, u), callerOf(t, s, u)
	setup, err := s.StartTOTP(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.RevokeSession(t.Context(), other, p.Session.ID.String()); err != nil {
		t.Fatal(err)
	}
	code, err := auth.TOTPCode(setup.Secret, now)
	if err != nil {
		t.Fatal(err)
	}
	_, codes := s.CreateBackupCodes(t.Context(), auth.Principal{Actor: p.Actor, User: users.User{ID: u.ID, HasTOTP: true}, Session: p.Session})
	_, started := s.StartTOTP(t.Context(), p)
	_, others := s.RevokeOtherSessions(t.Context(), p)
	for call, err := range map[string]error{
		"ConfirmTOTP": s.ConfirmTOTP(t.Context(), p, users.Set(code)), "CreateBackupCodes": codes, "StartTOTP": started,
		"DisableTOTP": s.DisableTOTP(t.Context(), p), "RevokeOtherSessions": others,
		"RevokeSession": s.RevokeSession(t.Context(), p, other.Session.ID.String()),
	} {
		if !errors.Is(err, auth.ErrNotAuthenticated) {
			t.Errorf("%s: got %v, want %v", call, err, auth.ErrNotAuthenticated)
		}
	}
	if u, err := st.User(t.Context(), u.ID); err != nil || u.HasTOTP {
		t.Errorf("the user has an authenticator: %v, %v", u.HasTOTP, err)
	}
}

func TestIssuer(t *testing.T) {
	config := sealed(t, nil)
	config.Issuer = "Acme & Söhne"
	s, _ := newService(t, config)
	setup, err := s.StartTOTP(t.Context(), callerOf(t, s, newUser(t, s, "ann+x@example.com")))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(setup.URL); !strings.HasPrefix(got, "otpauth://totp/Acme%20&%20S%C3%B6hne:ann+x@example.com?") {
		t.Errorf("URL is %s", got)
	}
	for _, wrong := range []auth.Config{{Issuer: "a:b"}, {SecondSteps: auth.Rate{Max: 1}}} {
		if _, err := auth.NewService(nil, nil, wrong); err == nil || !strings.Contains(err.Error(), "field ") {
			t.Errorf("a wrong configuration: got %v, want an error that names the field", err)
		}
	}
}

func TestDevice(t *testing.T) {
	for agent, want := range map[string]string{
		"": "",
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 Edg/126.0.0.0":          "Edge on Windows",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15":                     "Safari on macOS",
		"Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) CriOS/126.0 Mobile/15E148 Safari/604.1": "Chrome on iOS",
		"Mozilla/5.0 (X11; Linux x86_64; rv:127.0) Gecko/20100101 Firefox/127.0":                                                                 "Firefox on Linux",
		"Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/25.0 Chrome/121.0.0.0 Mobile Safari/537.36":       "Samsung Internet on Android",
		"Mozilla/5.0 (X11; CrOS x86_64 14541.0.0) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36 OPR/111.0.0.0":           "Opera on ChromeOS",
		"curl/8.5.0": "curl", "python-requests/2.32": "python-requests", "\x01/1": "", strings.Repeat("x", 41): "", "App/1 (iPad)": "iPadOS",
	} {
		if got := (auth.Session{UserAgent: agent}).Device(); got != want {
			t.Errorf("%q: got %q, want %q", agent, got, want)
		}
	}
}
