package auth_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

const password = "mighty-strong-secure-1337!!"

func newService(t *testing.T, config auth.Config) (*auth.Service, *memory.Store) {
	t.Helper()
	st := memory.New()
	config.PasswordCost = auth.Cost{KiB: 8, Passes: 1}
	s, err := auth.NewService(st, users.NewService(st, users.Config{Now: config.Now}), config)
	if err != nil {
		t.Fatal(err)
	}
	return s, st
}

func newUser(t *testing.T, s *auth.Service, email string) users.User {
	t.Helper()
	u := users.New()
	u.Email = email
	u, err := s.CreateUser(t.Context(), u, password)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// TestKeyHash is the test vector of contract section 2.2.
func TestKeyHash(t *testing.T) {
	s, st := newService(t, auth.Config{})
	u := newUser(t, s, "ann@example.com")
	if _, err := s.SaveAPIKey(t.Context(), auth.APIKey{ID: "k", UserID: u.ID}, "test_key_12345"); err != nil {
		t.Fatal(err)
	}
	k, err := st.APIKey(t.Context(), "k")
	if want := "45af89b510a3279a817f851de5d3f95b73485d58ec2672a39e52d8aeeb014059"; err != nil || hex.EncodeToString(k.Hash[:]) != want {
		t.Errorf("got hash %x, %v, want %s", k.Hash, err, want)
	}
	if k.Mask != "..." {
		t.Errorf("a short key is masked as %q", k.Mask)
	}
}

func TestKeyFormat(t *testing.T) {
	s, _ := newService(t, auth.Config{})
	seen := map[users.Secret]bool{}
	for range 1000 {
		v, err := s.NewAPIKeyValue()
		if err != nil || seen[v] || !strings.HasPrefix(string(v), "phx_") || len(v) < 4+43 || len(v) > 4+48 {
			t.Fatalf("got key of %d characters, %v, seen before: %v", len(v), err, seen[v])
		}
		seen[v] = true
	}
}

// TestLastUse shows that a use is seen by the next read and stored hourly.
func TestLastUse(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s, st := newService(t, auth.Config{Now: func() time.Time { return now }})
	u := newUser(t, s, "ann@example.com")
	value, err := s.NewAPIKeyValue()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.SaveAPIKey(t.Context(), auth.APIKey{ID: "k", UserID: u.ID, Scopes: []string{"*"}}, value); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		later time.Duration
		want  time.Duration // of last use, after the first
	}{{0, 0}, {time.Hour, 0}, {time.Microsecond, time.Hour + time.Microsecond}} {
		now = now.Add(c.later)
		if _, err := s.Bearer(t.Context(), value); err != nil {
			t.Fatal(err)
		}
		k, err := s.APIKey(t.Context(), u.ID, "k")
		want := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC).Add(c.want)
		if err != nil || !k.LastUsedAt.Equal(want) {
			t.Errorf("last use is %v, %v, want %v", k.LastUsedAt, err, want)
		}
		if err := s.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if k, err = st.APIKey(t.Context(), "k"); err != nil || !k.LastUsedAt.Equal(want) {
			t.Errorf("stored last use is %v, %v, want %v", k.LastUsedAt, err, want)
		}
	}
}

func TestPasswordRules(t *testing.T) {
	s, _ := newService(t, auth.Config{})
	for pass, ok := range map[string]bool{
		"a_new_password": true, "NewSecurePassword123!": true, password: true, " " + password + " ": true,
		"123": false, "12345678": false, "ann.lee.smith.1987.x": false, "Ann.Lee.Smith.1987.X@example.com": false, "PASSWORD": false,
		strings.Repeat(password, 5)[:128]: true, strings.Repeat(password, 5)[:129]: false,
	} {
		u := users.New()
		u.Email = "ann.lee.smith.1987.x@example.com"
		created, err := s.CreateUser(t.Context(), u, pass)
		var refusal *users.Error
		if ok && err != nil || !ok && (!errors.As(err, &refusal) || refusal.Field != "password") {
			t.Errorf("CreateUser with password %q: got error %v, want it accepted: %v", pass, err, ok)
		}
		if err == nil {
			s, _ = newService(t, auth.Config{}) // the address is taken now
			if created.PasswordHash == users.Secret(pass) {
				t.Error("the password is stored as it is")
			}
		}
	}
}

func TestConfigNamesTheField(t *testing.T) {
	st := memory.New()
	for field, c := range map[string]auth.Config{
		"SessionLifetime": {SessionLifetime: 15 * 24 * time.Hour}, "Freshness": {Freshness: -1}, "IdentityChange": {IdentityChange: 9},
		"MinPasswordLength": {MinPasswordLength: 7}, "MinPasswordScore": {MinPasswordScore: 2}, "PasswordCost": {PasswordCost: auth.Cost{KiB: 1}},
		"CredentialChanges": {CredentialChanges: auth.Rate{Max: 1}}, "OnboardingSkips": {OnboardingSkips: auth.Rate{Max: 1}},
	} {
		if _, err := auth.NewService(st, users.NewService(st, users.Config{}), c); err == nil || !strings.Contains(err.Error(), field) {
			t.Errorf("a wrong %s: got error %v", field, err)
		}
	}
}

// TestLimitUnderRace lets exactly as many pass as the limit says.
func TestLimitUnderRace(t *testing.T) {
	s, _ := newService(t, auth.Config{})
	u := newUser(t, s, "ann@example.com")
	var passed atomic.Int32
	var wg sync.WaitGroup
	for range 32 {
		wg.Go(func() {
			err := s.AllowCredentialChange(t.Context(), u.ID)
			if err == nil {
				passed.Add(1)
			} else if !errors.Is(err, auth.ErrThrottled) {
				t.Errorf("got error %v", err)
			}
		})
	}
	wg.Wait()
	if passed.Load() != 5 {
		t.Errorf("%d of 32 passed, want 5", passed.Load())
	}
}

// TestSessionCap drops the oldest of a user's sessions.
func TestSessionCap(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s, st := newService(t, auth.Config{Now: func() time.Time { return now }})
	u := newUser(t, s, "ann@example.com")
	var first users.Secret
	for n := range 101 {
		now = now.Add(time.Second)
		token, err := s.StartSession(t.Context(), u.ID, auth.StartOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if n == 0 {
			first = token
		}
	}
	sessions, err := st.Sessions(t.Context(), u.ID)
	if err != nil || len(sessions) != 100 {
		t.Errorf("got %d sessions, %v, want 100", len(sessions), err)
	}
	if _, err := s.Session(t.Context(), first); !errors.Is(err, auth.ErrNotAuthenticated) {
		t.Errorf("the oldest session: got error %v", err)
	}
}

// TestDeactivationIsFinal ends sessions for good.
func TestDeactivationIsFinal(t *testing.T) {
	s, _ := newService(t, auth.Config{})
	u := newUser(t, s, "ann@example.com")
	token, err := s.StartSession(t.Context(), u.ID, auth.StartOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, active := range []bool{false, true} {
		if err := s.SetActive(t.Context(), u.ID, active); err != nil {
			t.Fatal(err)
		}
		if _, err := s.Session(t.Context(), token); !errors.Is(err, auth.ErrNotAuthenticated) {
			t.Errorf("active %v: got error %v, want ErrNotAuthenticated", active, err)
		}
	}
}

// TestFailuresAreLogged finds each failed proof in the activity log.
func TestFailuresAreLogged(t *testing.T) {
	s, st := newService(t, auth.Config{})
	u := newUser(t, s, "ann@example.com")
	login := auth.LoginRequest{Email: users.Set("ann@example.com"), Password: users.Set("wrong"), Client: "192.0.2.1"}
	if _, err := s.Login(t.Context(), login); !errors.Is(err, auth.ErrInvalidCredentials) {
		t.Fatalf("Login: got error %v", err)
	}
	p, err := s.HostSession(t.Context(), u.ID, time.Now(), false)
	if err != nil {
		t.Fatal(err)
	}
	patch := users.Patch{Password: users.Set("another-strong-one-42!!"), CurrentPassword: users.Set("wrong")}
	if _, _, err := s.UpdateUser(t.Context(), p, u.ID, patch, nil); !errors.Is(err, auth.ErrIncorrectPassword) {
		t.Fatalf("UpdateUser: got error %v", err)
	}
	events, err := st.Events(t.Context(), users.EventQuery{Limit: 10})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range events {
		got = append(got, e.Action)
	}
	if want := "user created, login failed, password check failed"; strings.Join(got, ", ") != want {
		t.Errorf("the log holds %q, want %q", strings.Join(got, ", "), want)
	}
}
