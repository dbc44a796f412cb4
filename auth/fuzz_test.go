package auth_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/users"
)

// fuzzService is a service on a store with one user, for a target that leaves
// nothing behind which the next input could notice.
func fuzzService(f *testing.F, config auth.Config) (*auth.Service, *memory.Store, users.User) {
	f.Helper()
	st := memory.New()
	config.PasswordCost = auth.Cost{KiB: 8, Passes: 1}
	s, err := auth.NewService(st, users.NewService(st, users.Config{Now: config.Now, MailConfigured: config.Mailer != nil}), config)
	if err != nil {
		f.Fatal(err)
	}
	u := users.New()
	u.Email = "ann@example.com"
	if u, err = s.CreateUser(f.Context(), u, password); err != nil {
		f.Fatal(err)
	}
	return s, st, u
}

// FuzzScopes: whatever the scopes of a token are, it may do what a plain look at
// the words says and nothing else, and a key is made only with scopes that exist.
// A HasScope that let "user:read" stand for "user:write" was found at once.
func FuzzScopes(f *testing.F) {
	for _, granted := range []string{"", "*", "user:read", "user:write", "user:read user:write", " *", "**", "user:*", "*:read", "USER:READ", "user:read:write", "user", ":read",
		"insight:write", "user:read\tinsight:write", "user:write\u00a0x", "user:reаd"} {
		f.Add(granted, "user:read")
		f.Add(granted, "user:write")
	}
	f.Add("user:write", ":read")
	f.Add(":write", ":read")
	s, _, u := fuzzService(f, auth.Config{})
	p, err := s.HostSession(f.Context(), u.ID, time.Now(), true)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, granted, asked string) {
		words := map[string]bool{}
		for _, w := range strings.Fields(granted) {
			words[w] = true
		}
		want := words["*"] || words[asked]
		if object, ok := strings.CutSuffix(asked, ":read"); ok && words[object+":write"] {
			want = true
		}
		scopes := strings.Fields(granted)
		if got := (auth.Principal{Scopes: scopes}).HasScope(asked); got != want {
			t.Errorf("%q allow %q: %t, want %t", granted, asked, got, want)
		}
		patch := auth.KeyPatch{Label: users.Set("x"), Scopes: users.Set(scopes), ScopedTeams: users.SetNull[[]users.TeamID](), ScopedOrganizations: users.SetNull[[]string]()}
		key, value, err := s.CreateAPIKey(t.Context(), p, patch)
		var refused *users.Error
		switch {
		case err == nil:
			checkKey(t, s, p, key, value, scopes)
		case !errors.As(err, &refused) || refused.Field != "scopes":
			t.Errorf("CreateAPIKey with %q: %v", scopes, err)
		}
	})
}

// checkKey holds a new key to the scopes that it was asked with, and removes it.
func checkKey(t *testing.T, s *auth.Service, p auth.Principal, key auth.APIKey, value users.Secret, scopes []string) {
	t.Helper()
	read, err := s.Bearer(t.Context(), value)
	if err != nil || !slices.Equal(read.Scopes, scopes) || !slices.Equal(key.Scopes, scopes) {
		t.Errorf("a key with %q reads back %q, %v", scopes, read.Scopes, err)
	}
	for _, scope := range scopes {
		object, action, _ := strings.Cut(scope, ":")
		if scope != "*" && (action != "read" && action != "write" || strings.Trim(object, "abcdefghijklmnopqrstuvwxyz_") != "" || object == "") {
			t.Errorf("a key has the scope %q", scope)
		}
	}
	if err := s.DeleteAPIKey(t.Context(), p, key.ID); err != nil {
		t.Error(err)
	}
}

// FuzzSealer: nothing opens but what was sealed, unchanged, at the place that it
// was sealed for.
func FuzzSealer(f *testing.F) {
	both, err := auth.NewSealer(encryptionKey(2), encryptionKey(1))
	if err != nil {
		f.Fatal(err)
	}
	old, err := auth.NewSealer(encryptionKey(1))
	if err != nil {
		f.Fatal(err)
	}
	for n, text := range []string{"", "secret", "\x01", "\x01\x6b\xf9\x3c\x57\xea\x17\xf1", strings.Repeat("x", 1000)} {
		f.Add([]byte(text), "totp/7/secret", "totp/7/secret", uint16(n), byte(0), uint16(0))
		f.Add([]byte(text), "totp/7/secret", "totp/7/secre", uint16(n), byte(0), uint16(0))
		f.Add([]byte(text), "", "", uint16(n), byte(n), uint16(n))
	}
	f.Fuzz(func(t *testing.T, text []byte, place, elsewhere string, at uint16, flip byte, cut uint16) {
		if plain, _, err := both.Open(text, place); !errors.Is(err, auth.ErrUnsealed) {
			t.Errorf("Open(%x, %q) = %q, %v", text, place, plain, err)
		}
		for _, by := range []*auth.Sealer{both, old} {
			sealed := by.Seal(text, place)
			changed := bytes.Clone(sealed)
			changed[int(at)%len(changed)] ^= flip
			changed = changed[:len(changed)-int(cut)%len(changed)]
			right := place == elsewhere && bytes.Equal(sealed, changed)
			plain, stale, err := both.Open(changed, elsewhere)
			if opened := err == nil; opened != right || opened && (!bytes.Equal(plain, text) || stale != (by == old)) || !opened && !errors.Is(err, auth.ErrUnsealed) {
				t.Errorf("%q sealed for %q as %x: Open(%x, %q) = %q, %t, %v", text, place, sealed, changed, elsewhere, plain, stale, err)
			}
		}
	})
}

// fuzzSecret is that of the authenticator in FuzzCode, whose clock stands still:
// its codes are always the same.
const fuzzSecret users.Secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"

// FuzzCode: a second step is passed by the codes of the authenticator around now,
// and by a backup code, spelled in any of the ways that people have, and by
// nothing else.
func FuzzCode(f *testing.F) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	sealer, err := auth.NewSealer(encryptionKey(1))
	if err != nil {
		f.Fatal(err)
	}
	s, st, u := fuzzService(f, auth.Config{Sealer: sealer, Now: func() time.Time { return now }, SecondSteps: auth.Rate{Max: -1}})
	right := map[string]bool{"abcdefgh": true}
	for _, at := range []time.Duration{-60, -30, 0, 30, 60} {
		code, err := auth.TOTPCode(fuzzSecret, now.Add(at*time.Second))
		if err != nil {
			f.Fatal(err)
		}
		right[code] = at >= -30 && at <= 30
		for _, seed := range []string{code, code[:3] + " " + code[3:], "-" + code, code + "0", code[1:], " " + code + "\n"} {
			f.Add(seed)
		}
	}
	for _, seed := range []string{"", "000000", "abcdefgh", "ABCD-EFGH", "abcd efgh", "abcd_efgh", "abcd\tefgh", "abcd\u00a0efgh", "abcd\u2010efgh", "abcdefg", "abcdefghi", "abcdefgh\x00", "ａｂｃｄｅｆｇｈ", "\xff", strings.Repeat("a", 65), "Kbcdefgh"} {
		f.Add(seed)
	}
	if err := s.SaveTOTP(f.Context(), u.ID, fuzzSecret, []users.Secret{"abcdefgh"}); err != nil {
		f.Fatal(err)
	}
	factor, err := st.SecondFactor(f.Context(), u.ID)
	if err != nil {
		f.Fatal(err)
	}
	pending := pendingTicket(f, s, st, u)
	f.Fuzz(func(t *testing.T, code string) {
		err := st.UpdateAuth(t.Context(), func(tx auth.Tx) error {
			return errors.Join(tx.SaveSecondFactor(t.Context(), factor), tx.SaveTicket(t.Context(), pending))
		})
		if err != nil {
			t.Fatal(err)
		}
		plain := strings.Map(func(r rune) rune {
			switch {
			case r == ' ' || r == '-':
				return -1
			case r >= 'A' && r <= 'Z':
				return r + 'a' - 'A'
			}
			return r
		}, code)
		_, err = s.FinishLogin(t.Context(), auth.SecondStep{Pending: fuzzPending, Code: users.Set(code)})
		if (err == nil) != right[plain] {
			t.Errorf("code %q: %v, want it accepted: %t", code, err, right[plain])
		}
		if err != nil && !errors.Is(err, auth.Err2FAInvalid) && !errors.Is(err, auth.Err2FAMissing) {
			t.Errorf("code %q: %v", code, err)
		}
	})
}

const fuzzPending users.Secret = "pending-login-of-the-fuzz-target"

// pendingTicket is a login that waits for its second step, as Login leaves it,
// under the secret fuzzPending.
func pendingTicket(f *testing.F, s *auth.Service, st *memory.Store, u users.User) auth.Ticket {
	f.Helper()
	if _, err := s.Login(f.Context(), auth.LoginRequest{Email: users.Set(u.Email), Password: users.Set(password)}); !errors.Is(err, auth.Err2FARequired) {
		f.Fatalf("Login: got %v, want %v", err, auth.Err2FARequired)
	}
	tickets, err := st.Tickets(f.Context(), u.ID, auth.PendingLogin)
	if err != nil || len(tickets) != 1 {
		f.Fatalf("%d logins wait, %v", len(tickets), err)
	}
	ticket := tickets[0]
	ticket.Hash = sha256.Sum256([]byte(fuzzPending))
	return ticket
}

// fuzzHash is one of password, at the cheapest cost.
const fuzzHash = "$argon2id$v=19$m=8,t=1,p=1$cI+0rqVUCGTMJi8jQ0CGcg$mfqklL4zWpRflRmnRgLw0vZvasXmNOo501blwoMncGA"

// FuzzStoredHash: a row of users may hold anything in place of a password hash.
// It is the hash of the password, as ours or as Django's, or nobody signs in by it.
func FuzzStoredHash(f *testing.F) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	s, st, u := fuzzService(f, auth.Config{Now: func() time.Time { return now }})
	for _, seed := range []string{fuzzHash, "", "!unusable", password, "$argon2id$v=19$m=8,t=1,p=1$$", "$argon2id$v=19$m=8,t=0,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2id$v=19$m=4294967295,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=8,t=1,p=0$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$argon2id$v=19$m=-8,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA",
		"$argon2i$v=19$m=8,t=1,p=1$AAAA$AAAAAAAAAAAAAAAAAAAAAA", "$$$$$", "$2b$12$abcdefghijklmnopqrstuv",
		strings.Replace(fuzzHash, "QUCG", "QU\r\nCG", 1), fuzzHash + "\n", strings.Replace(fuzzHash, "p=1", "p=1,x", 1), "argon2" + fuzzHash} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, hash string) {
		if slowHash(hash) {
			t.Skip("bearable, and nothing but slow")
		}
		now = now.Add(time.Minute) // so that failures do not lock the account
		changed := u
		changed.PasswordHash = users.Secret(hash)
		err := st.UpdateAuth(t.Context(), func(tx auth.Tx) (err error) {
			_, err = tx.SaveUser(t.Context(), changed)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Login(t.Context(), auth.LoginRequest{Email: users.Set(u.Email), Password: users.Set(password)})
		if err == nil && strings.TrimPrefix(hash, "argon2") != fuzzHash || err != nil && !errors.Is(err, auth.ErrInvalidCredentials) {
			t.Errorf("signing in where the hash is %q: %v", hash, err)
		}
		if err != nil && hash == fuzzHash {
			t.Errorf("signing in by the right password: %v", err)
		}
	})
}

// slowHash reports a hash that asks for more than the cheapest work.
func slowHash(hash string) bool {
	for _, part := range strings.Split(hash, "$") {
		var kib, passes uint32
		if n, err := fmt.Sscanf(part, "m=%d,t=%d", &kib, &passes); err == nil && n == 2 && (kib > 64 && kib <= 256<<10 || passes > 2 && passes <= 16) {
			return true
		}
	}
	return false
}

// outbox keeps the last mail.
type outbox struct{ last auth.Message }

func (o *outbox) Send(_ context.Context, m auth.Message) error {
	o.last = m
	return nil
}

// FuzzLink: the token of a mail works for the user that it was sent to, in the one
// spelling that it has. TOKEN stands for it, and USER and UPPER for the user.
func FuzzLink(f *testing.F) {
	sent := &outbox{}
	s, _, u := fuzzService(f, auth.Config{Mailer: sent, PasswordResetURL: "https://app.example.com/reset", VerifyEmailURL: "https://app.example.com/verify"})
	if err := s.RequestPasswordReset(f.Context(), users.Set(u.Email)); err != nil {
		f.Fatal(err)
	}
	if err := s.Flush(f.Context()); err != nil {
		f.Fatal(err)
	}
	mail, ok := sent.last.(auth.PasswordReset)
	if !ok {
		f.Fatalf("the last mail is %T", sent.last)
	}
	token, id := string(mail.Token), u.UUID.String()
	for _, seed := range [][2]string{{"USER", "TOKEN"}, {"UPPER", "TOKEN"}, {"USER", "TOKEN "}, {"USER", ""}, {"", "TOKEN"}, {"{USER}", "TOKEN"}, {"urn:uuid:USER", "TOKEN"}, {"USER", "TOKEN\x00"},
		{"\xff", "\xff"}, {"USER", strings.Repeat("x", 5000)}} {
		f.Add(seed[0], seed[1])
	}
	words := strings.NewReplacer("TOKEN", token, "USER", id, "UPPER", strings.ToUpper(id))
	f.Fuzz(func(t *testing.T, user, text string) {
		user, text = words.Replace(user), words.Replace(text)
		err := s.CheckPasswordReset(t.Context(), user, users.Secret(text))
		if right := strings.EqualFold(user, id) && text == token; (err == nil) != right || err != nil && !errors.Is(err, auth.ErrInvalidToken) {
			t.Errorf("a mail's token as %q for %q: %v", text, user, err)
		}
	})
}
