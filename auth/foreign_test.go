package auth_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

const foreignText = "pässwörd — 日本語 with spaces"

// foreignHashes are hashes as Django stores them, made by Node's crypto and by
// hash-wasm, with the passwords that they are of.
var foreignHashes = map[users.Secret]string{
	"pbkdf2_sha256$1000$seasalt$bPcw+dijvrXsVuO1sGvImpd53C5y7aKVlXIagsGKEH4=":                               password,
	"argon2$argon2id$v=19$m=128,t=2,p=8$MDEyMzQ1Njc4OWFiY2RlZg$XoVnTTTydvaVHMFpGUMUaB3XgD2riBNT6/CLuAF/kXs": password,
	"argon2$argon2i$v=19$m=512,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$YiIIjPLHcW6MDSqooht1EQ":                       password,
	"bcrypt_sha256$$2b$05$KBCwKxOzLha2MUDgW0PjXe2.PdDdQBoJleQV/2cLwbiwHA9Se2Mbu":                            password,
	"pbkdf2_sha256$1000$seasalt$8Fe+O/7wuwCvLkp/Y8iBS1120ycV5x0Sxqw8Y5OVhco=":                               foreignText,
	"argon2$argon2id$v=19$m=128,t=2,p=8$MDEyMzQ1Njc4OWFiY2RlZg$GNfze35J6+e29rpcPC84NPni8PNI9F7Jedoiv/ljFIc": foreignText,
	"argon2$argon2i$v=19$m=512,t=2,p=2$MDEyMzQ1Njc4OWFiY2RlZg$Dwb1qRj5TC1L0KVJiV/yLQ":                       foreignText,
	"bcrypt_sha256$$2b$05$KBCwKxOzLha2MUDgW0PjXe1oOzyAcQhBQBqHVIYv01XTLnNMmvXp.":                            foreignText,
}

func foreignLogin(s *auth.Service, t *testing.T, password string) error {
	t.Helper()
	_, err := s.Login(t.Context(), auth.LoginRequest{Email: users.Set("ann@example.com"), Password: users.Set(password), Client: "192.0.2.1"})
	return err
}

// TestForeignHashes signs in with each, which replaces it by one of ours.
func TestForeignHashes(t *testing.T) {
	for hash, right := range foreignHashes {
		kept, err := auth.ParsePasswordHash(hash)
		if err != nil || kept != hash {
			t.Fatalf("ParsePasswordHash(%q): got %v, changed: %v", string(hash), err, kept != hash)
		}
		s, st := newService(t, auth.Config{})
		u := users.New()
		u.Email, u.PasswordHash = "ann@example.com", kept
		if u, err = s.CreateUser(t.Context(), u, ""); err != nil {
			t.Fatal(err)
		}
		for _, wrong := range []string{right + "x", strings.ToUpper(right), right[1:], string(hash)} {
			if err := foreignLogin(s, t, wrong); !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Errorf("%q, login with %q: got error %v, want ErrInvalidCredentials", string(hash), wrong, err)
			}
		}
		if u, err = st.User(t.Context(), u.ID); err != nil || u.PasswordHash != hash {
			t.Errorf("%q is another hash after wrong passwords, %v", string(hash), err)
		}
		for range 2 {
			if err := foreignLogin(s, t, " "+right+" "); err != nil {
				t.Errorf("%q, login: got error %v", string(hash), err)
			}
			if u, err = st.User(t.Context(), u.ID); err != nil || !strings.HasPrefix(string(u.PasswordHash), "$argon2id$v=19$m=8,t=1,p=1$") {
				t.Errorf("%q was not replaced, %v", string(hash), err)
			}
		}
	}
}

func TestParsePasswordHash(t *testing.T) {
	const sum, salt = "bPcw+dijvrXsVuO1sGvImpd53C5y7aKVlXIagsGKEH4=", "MDEyMzQ1Njc4OWFiY2RlZg"
	const argonSum, bcryptSum = "XoVnTTTydvaVHMFpGUMUaB3XgD2riBNT6/CLuAF/kXs", "KBCwKxOzLha2MUDgW0PjXe2.PdDdQBoJleQV/2cLwbiwHA9Se2Mbu"
	for text, ok := range map[string]bool{
		"": true, "!": true, "!QeRtYuIoP": true,
		"$argon2id$v=19$m=8,t=1,p=1$" + salt + "$" + argonSum:                  true,
		"pbkdf2_sha256$2000000$s$" + sum:                                       true,
		"pbkdf2_sha256$2000001$s$" + sum:                                       false, // too much work
		"pbkdf2_sha256$0$s$" + sum:                                             false,
		"pbkdf2_sha256$-1$s$" + sum:                                            false,
		"pbkdf2_sha256$1000$$" + sum:                                           false,
		"pbkdf2_sha256$1000$s$" + sum[4:]:                                      false,
		"pbkdf2_sha256$1000$s$" + sum + "$":                                    false,
		"pbkdf2_sha256$1000$" + strings.Repeat("s", 129) + "$" + sum:           false,
		"pbkdf2_sha256$+1000$s$" + sum:                                         false,
		"pbkdf2_sha256$1000$s$" + sum[:20] + "\r\n" + sum[20:]:                 false,
		"pbkdf2_sha1$1000$s$" + sum:                                            false,
		"argon2$argon2id$v=19$m=102400,t=2,p=8$" + salt + "$" + argonSum:       true,
		"argon2$argon2id$v=19$m=262144,t=4,p=8$" + salt + "$" + argonSum:       true,
		"argon2$argon2id$v=19$m=262144,t=5,p=8$" + salt + "$" + argonSum:       false,
		"argon2$argon2id$v=19$m=4294967295,t=2,p=8$" + salt + "$" + argonSum:   false,
		"argon2$argon2id$v=19$m=128,t=4294967295,p=8$" + salt + "$" + argonSum: false,
		"argon2$argon2id$v=19$m=128,t=2,p=255$" + salt + "$" + argonSum:        false,
		"argon2$argon2d$v=19$m=128,t=2,p=8$" + salt + "$" + argonSum:           false,
		"argon2$argon2id$v=16$m=128,t=2,p=8$" + salt + "$" + argonSum:          false,
		"argon2$argon2id$v=19$m=128,t=2,p=8,$" + salt + "$" + argonSum:         false,
		"argon2$argon2id$v=19$m=128,t=02,p=8$" + salt + "$" + argonSum:         false,
		"argon2$argon2id$v=19$m=128,t=2,p=8$" + salt + "\n$" + argonSum:        false,
		"$argon2id$v=19$m=8,t=1,p=1$" + salt + "$" + argonSum + "\r":           false,
		"bcrypt_sha256$$2b$14$" + bcryptSum:                                    true,
		"bcrypt_sha256$$2b$15$" + bcryptSum:                                    false,
		"bcrypt_sha256$$2b$31$" + bcryptSum:                                    false,
		"bcrypt_sha256$$2b$12$" + bcryptSum[1:]:                                false,
		"bcrypt_sha256$2b$12$" + bcryptSum:                                     false,
		"bcrypt_sha256$$2b'12$" + bcryptSum:                                    false,
		"bcrypt_sha256$$2b$12," + bcryptSum:                                    false,
		"bcrypt_sha256$$2x$12$" + bcryptSum:                                    false,
		"bcrypt_sha256$$1b$12$" + bcryptSum:                                    false,
		"bcrypt_sha256$$2b$12$" + strings.Replace(bcryptSum, "D", "$", 1):      false,
		"bcrypt_sha256$$2a$12$" + bcryptSum:                                    true,
		"md5$salt$0123456789abcdef":                                            false, "password": false, "$": false, "argon2": false, "bcrypt_sha256$": false, "pbkdf2_sha256$": false,
	} {
		got, err := auth.ParsePasswordHash(users.Secret(text))
		var refusal *users.Error
		if ok && err != nil || !ok && (!errors.As(err, &refusal) || refusal.Field != "password" || got != "") {
			t.Errorf("ParsePasswordHash(%q): got %v, want it accepted: %v", text, err, ok)
		}
		if usable := text != "" && text[0] != '!'; ok && (got != "") != usable {
			t.Errorf("ParsePasswordHash(%q): got a password: %v, want %v", text, got != "", usable)
		}
	}
}

// TestForeignHashesTellNothing: once a hash made elsewhere was met, a wrong password
// costs the same whoever's it is.
func TestForeignHashesTellNothing(t *testing.T) {
	s, _ := newService(t, auth.Config{LoginFailures: -1})
	newUser(t, s, "own@example.com")
	imported := users.New()
	imported.Email, imported.PasswordHash = "ann@example.com", "pbkdf2_sha256$100000$seasalt$bPcw+dijvrXsVuO1sGvImpd53C5y7aKVlXIagsGKEH4="
	if _, err := s.CreateUser(t.Context(), imported, ""); err != nil {
		t.Fatal(err)
	}
	fastest := func(email string) time.Duration {
		best := time.Hour
		for range 5 {
			start := time.Now()
			_, err := s.Login(t.Context(), auth.LoginRequest{Email: users.Set(email), Password: users.Set("wrong"), Client: "192.0.2.1"})
			if !errors.Is(err, auth.ErrInvalidCredentials) {
				t.Fatalf("login of %s: got error %v", email, err)
			}
			best = min(best, time.Since(start))
		}
		return best
	}
	want := fastest("ann@example.com")
	for _, email := range []string{"own@example.com", "nobody@example.com"} {
		// Without the same work it would be some hundred times faster.
		if got := fastest(email); got < want/4 {
			t.Errorf("a wrong password of %s takes %v, of the imported account %v", email, got, want)
		}
	}
}

// FuzzParsePasswordHash: what is taken over stays as it is, and what is not has no
// password.
func FuzzParsePasswordHash(f *testing.F) {
	for hash := range foreignHashes {
		f.Add(string(hash))
	}
	f.Add("!")
	f.Add("bcrypt_sha256$$2b'05PKBCwKxOzLha2MUDgW0PjXe2.PdDdQBoJleQV/2cLwbiwHA9Se2Mbu")
	f.Fuzz(func(t *testing.T, text string) {
		got, err := auth.ParsePasswordHash(users.Secret(text))
		if err != nil && got != "" || err == nil && got != "" && string(got) != text {
			t.Errorf("ParsePasswordHash(%q): got %q, %v", text, string(got), err)
		}
		if err == nil && got != "" && strings.Count(text, "$") < 3 {
			t.Errorf("ParsePasswordHash(%q) takes what is no hash", text)
		}
	})
}
