package httpapi_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/go-webauthn/webauthn/webauthn"
	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

// creation is what a browser is asked for.
type creation struct {
	PublicKey struct {
		RP        struct{ ID, Name string }
		Challenge string
		Timeout   int
		User      struct{ ID, Name, DisplayName string }
		Exclude   []struct{ ID string } `json:"excludeCredentials"`
		Selection struct {
			ResidentKey      string
			UserVerification string
		} `json:"authenticatorSelection"`
	}
}

func (r reply) creation() creation {
	r.t.Helper()
	var c creation
	if err := json.Unmarshal([]byte(r.ok(200).raw), &c); err != nil {
		r.t.Fatalf("%s: %v", r.raw, err)
	}
	return c
}

func TestA05Passkeys(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice := e.user("alice")
		w := &witness{e: e}
		w.saw("making alice", "0 host 1 user created")
		cookie, stale := e.session(alice, 0), e.session(alice, 3*time.Hour)
		w.saw("sessions", "0 host 1 session started", "0 host 1 session started")
		if got := e.passkeys(stale); len(got) != 0 {
			t.Errorf("got passkeys %v, want none", got)
		}
		d := newDevice(t)
		options := e.do("POST", registerBegin+"/", "", cookie)
		c := options.creation().PublicKey
		if c.RP.ID != "app.example.com" || c.RP.Name != "Hedgerow" || c.Timeout != 300000 || c.User.Name != "alice@example.com" || c.User.DisplayName != "Alice" ||
			len(c.Exclude) != 0 || c.Selection.ResidentKey != "required" || c.Selection.UserVerification != "preferred" {
			t.Errorf("got options %s", options.raw)
		}
		for name, text := range map[string]string{"user handle": c.User.ID, "challenge": c.Challenge} {
			if b, err := base64.RawURLEncoding.DecodeString(text); err != nil || len(b) < 32 || len(b) > 64 {
				t.Errorf("the %s has %d bytes, %v", name, len(b), err)
			}
		}
		w.saw("beginning")
		r := e.do("POST", registerComplete+"/", body(d.register(options)), cookie).ok(201).has("name", `"Passkey"`).has("verified", "true").has("last_used_at", "null")
		w.saw("completing", "1 session 1 passkey added")
		if want := `{"id":"` + r.json()["id"].(string) + `","name":"Passkey","created_at":"2026-05-01T12:00:00.123456Z","last_used_at":null,"verified":true}`; r.raw != want {
			t.Errorf("got %s, want %s", r.raw, want)
		}
		if list := e.do("GET", own+"passkeys/", "", stale).ok(200).raw; list != "["+r.raw+"]" {
			t.Errorf("the list is %s, want the one passkey", list)
		}
		e.do("GET", own+"two_factor_status", "", cookie).has("has_passkeys", "true").has("passkeys_enabled_for_2fa", "false").has("is_enabled", "false").has("method", "null")

		second := keyOnly(t)
		second.Aaguid = uuid.MustParse("bada5566-a7aa-401f-bd96-45619a55120d")
		options = e.do("POST", registerBegin, "", cookie)
		if got := options.creation().PublicKey; got.User.ID != c.User.ID || len(got.Exclude) != 1 || got.Exclude[0].ID != base64.RawURLEncoding.EncodeToString(d.key.ID) {
			t.Errorf("got options %s for the second passkey, want the handle of the first, which is excluded", options.raw)
		}
		e.do("POST", registerComplete, body(second.register(options)), cookie).ok(201).has("name", `"1Password"`).has("verified", "false")
		third := newDevice(t)
		e.advance(time.Second)
		e.do("POST", registerComplete, body(third.register(e.do("POST", registerBegin, "", cookie)), `"name":"  Büro "`), cookie).ok(201).has("name", `"Büro"`)
		if list := e.passkeys(cookie); len(list) != 3 || list[2]["name"] != "Büro" {
			t.Errorf("got passkeys %v", list)
		}
	})
}

// TestGoldenPasskeys also shows that all randomness is ours.
func TestGoldenPasskeys(t *testing.T) {
	inProcess(t, repeatable, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		if _, err := e.api.Auth().SavePasskey(t.Context(), auth.Passkey{UserID: alice.ID, Name: "Phone", Verified: true, LastUsedAt: e.now()}); err != nil {
			t.Fatal(err)
		}
		e.do("GET", own+"passkeys", "", cookie).ok(200).golden("passkey_list")
		e.do("POST", registerBegin, "", cookie).ok(200).golden("passkey_registration")
		e.do("POST", registerComplete, body("{}"), cookie).golden("refusal_invalid_passkey")
		e.do("POST", registerComplete, body("{}"), cookie).golden("refusal_challenge_expired")
		e.do("POST", signInBegin, "").ok(200).golden("passkey_login")
		e.usePasskeys(cookie)
		e.do("POST", stepBegin, "", e.pending("alice")).ok(200).golden("passkey_step")
	})
}

// TestPasskeyRecord: every field of a credential and its flags are kept.
func TestPasskeyRecord(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		d := newDevice(t)
		d.Options.BackupState = true
		d.key.Counter = 7
		e.addPasskey(d, e.session(alice, 0))
		list, err := e.store.Passkeys(t.Context(), alice.ID)
		if err != nil || len(list) != 1 {
			t.Fatalf("Passkeys: got %v, %v", list, err)
		}
		var c webauthn.Credential
		if err := json.Unmarshal(list[0].Data, &c); err != nil {
			t.Fatal(err)
		}
		flags := webauthn.CredentialFlags{UserPresent: true, UserVerified: true, BackupEligible: true, BackupState: true}
		if string(c.ID) != string(d.key.ID) || string(list[0].CredentialID) != string(d.key.ID) || len(c.PublicKey) == 0 || c.AttestationFormat != "packed" ||
			c.Flags != flags || c.Authenticator.SignCount != 7 || string(c.Authenticator.AAGUID) != string(d.Aaguid[:]) ||
			len(c.Attestation.Object) == 0 || len(c.Attestation.ClientDataJSON) == 0 || len(c.Attestation.ClientDataHash) == 0 {
			t.Errorf("got the record %s", list[0].Data)
		}
		d.Options.BackupState = false // it may change, and is kept: what a passkey was when it was last used
		e.signIn(d, "").ok(200)
		list, err = e.store.Passkeys(t.Context(), alice.ID)
		c = webauthn.Credential{}
		if err != nil || json.Unmarshal(list[0].Data, &c) != nil || c.Flags.BackupState || c.Authenticator.SignCount != 8 || len(c.Attestation.Object) == 0 || !list[0].LastUsedAt.Equal(e.now()) {
			t.Errorf("after use: got %+v, %v", list, err)
		}
	})
}

func TestRegisterPasskeyRefusals(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		cookie, other, bobs := e.session(alice, 0), e.session(alice, 0), e.session(bob, 0)
		taken := newDevice(t)
		e.addPasskey(taken, bobs)
		complete := func(b string, o option) reply { return e.do("POST", registerComplete, b, o) }
		begin := func() reply { return e.do("POST", registerBegin, "", cookie) }

		complete(body(newDevice(t).register(e.do("POST", registerBegin, "", bobs))), cookie).invalid("challenge_expired", "")
		sent := body(newDevice(t).register(begin()))
		complete(sent, other).invalid("challenge_expired", "")
		e.do("POST", own+"login_sessions/revoke_others", "", other).ok(200)
		complete(sent, cookie).nobody("not_authenticated")
		cookie = e.session(alice, 0)
		complete(sent, cookie).invalid("challenge_expired", "")

		sent = body(newDevice(t).register(begin()))
		e.advance(5*time.Minute - time.Microsecond)
		complete(sent, cookie).ok(201)
		complete(sent, cookie).invalid("challenge_expired", "") // used
		sent = body(newDevice(t).register(begin()))
		e.advance(5 * time.Minute)
		complete(sent, cookie).invalid("challenge_expired", "")
		old := begin()
		begin()
		complete(body(newDevice(t).register(old)), cookie).invalid("invalid_passkey", "") // a newer one replaced it

		for name, spoil := range map[string]func(d *device){
			"origin":      func(d *device) { d.page.Origin = "https://evil.example.com" },
			"plain HTTP":  func(d *device) { d.page.Origin = "http://app.example.com" },
			"RP id":       func(d *device) { d.page.ID = "example.com" },
			"no presence": func(d *device) { d.Options.UserNotPresent = true },
			"synced, but not to be synced": func(d *device) {
				d.Options.BackupEligible, d.Options.BackupState = false, true
			},
			"passkey of somebody else": func(d *device) { d.key = taken.key },
		} {
			d := newDevice(t)
			spoil(d)
			options := begin()
			r := complete(body(d.register(options)), cookie)
			r.call = name
			r.invalid("invalid_passkey", "")
			complete(body(newDevice(t).register(options)), cookie).invalid("challenge_expired", "") // it was the only try
		}
		begin()
		for _, c := range []struct{ body, code, attr string }{
			{``, "required", "credential"}, {`{}`, "required", "credential"}, {`{"credential":null}`, "null", "credential"}, {`{"credential":"{}"}`, "invalid_input", "credential"},
			{`{"credential":{"x":"` + strings.Repeat("a", 64<<10) + `"}}`, "invalid_input", "credential"}, {`[]`, "invalid_input", ""},
			{`{"credential":{},"name":"evil.com"}`, "invalid_url", "name"}, {`{"credential":{},"name":" "}`, "blank", "name"},
			{`{"credential":{},"name":"` + strings.Repeat("é", 151) + `"}`, "max_length", "name"},
			{`{"credential":{}}`, "invalid_passkey", ""},
		} {
			complete(c.body, cookie).invalid(c.code, c.attr)
		}
		for _, junk := range []string{`{"id":"","rawId":"","type":"public-key"}`, `{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","attestationObject":"oA"}}`} {
			begin()
			complete(body(junk), cookie).invalid("invalid_passkey", "")
		}
		if got := len(e.passkeys(cookie)); got != 1 {
			t.Errorf("alice has %d passkeys, want 1", got)
		}
	})
}

// TestPasskeyLimit: R66, also when two registrations run side by side.
func TestPasskeyLimit(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie, other := e.session(alice, 0), e.session(alice, 0)
		for range 24 {
			e.addPasskey(newDevice(t), cookie)
		}
		late := e.do("POST", registerBegin, "", other)
		e.addPasskey(newDevice(t), cookie)
		e.do("POST", registerComplete, body(newDevice(t).register(late)), other).invalid("invalid_input", "")
		e.do("POST", registerBegin, "", cookie).invalid("invalid_input", "")
		if got := len(e.passkeys(cookie)); got != 25 {
			t.Errorf("alice has %d passkeys, want 25", got)
		}
	})
}

// TestOneUserHandle: of two first registrations one wins.
func TestOneUserHandle(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie, other := e.session(alice, 0), e.session(alice, 0)
		late := e.do("POST", registerBegin, "", other)
		e.addPasskey(newDevice(t), cookie)
		e.do("POST", registerComplete, body(newDevice(t).register(late)), other).invalid("challenge_expired", "")
		e.addPasskey(newDevice(t), other)
	})
}

func TestManagePasskeys(t *testing.T) {
	each(t, withMail, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		cookie, other, bobs := e.session(alice, 0), e.session(alice, 0), e.session(bob, 0)
		d, weak := newDevice(t), keyOnly(t)
		id, weakID := e.addPasskey(d, cookie), e.addPasskey(weak, cookie)
		e.do("PATCH", own+"passkeys/"+id, `{"name":" Phone ","verified":false,"id":1}`, cookie).ok(200).has("name", `"Phone"`).has("verified", "true").has("id", `"`+id+`"`)
		e.do("PATCH", own+"passkeys/"+id+"/", `{}`, cookie).ok(200).has("name", `"Phone"`)
		e.do("PATCH", own+"passkeys/"+id, ``, cookie).ok(200)
		for name, code := range map[string]string{`null`: "null", `""`: "blank", `true`: "invalid_input", `"<b>"`: "invalid_bracket", `"a\u200bb"`: "invalid_invisible_char",
			`"a\u0007b"`: "invalid_control_char"} {
			e.do("PATCH", own+"passkeys/"+id, `{"name":`+name+`}`, cookie).invalid(code, "name")
		}
		for _, wrong := range []string{unknownID, malformedID, strings.ToUpper(id) + "0"} {
			e.do("PATCH", own+"passkeys/"+wrong, `{"name":"x"}`, cookie).refused(404, "invalid_request", "not_found", "")
			e.do("DELETE", own+"passkeys/"+wrong, "", cookie).refused(404, "invalid_request", "not_found", "")
		}
		e.do("PATCH", own+"passkeys/"+id, `{"name":"x"}`, bobs).refused(404, "invalid_request", "not_found", "")
		e.do("DELETE", own+"passkeys/"+id, "", bobs).refused(404, "invalid_request", "not_found", "")

		// The last verified one takes the flag along, with an event (R31), and other sessions.
		e.usePasskeys(cookie)
		e.do("GET", "/api/users/@me", "", other).ok(401)
		other = e.session(alice, 0)
		e.do("GET", "/api/users/@me", "", cookie).has("is_2fa_enabled", "true")
		w := &witness{e: e}
		e.mail()
		if events, err := e.api.Users().Events(t.Context(), users.EventQuery{Limit: 100}); err != nil {
			t.Fatal(err)
		} else {
			w.cursor = events[len(events)-1].ID
		}
		e.do("DELETE", own+"passkeys/"+id+"/", "", cookie).ok(204)
		w.saw("removing the last verified one", "1 session 1 passkey removed", "1 session 1 user updated [passkeys_enabled_for_2fa]")
		e.do("GET", "/api/users/@me", "", cookie).ok(200).has("passkeys_enabled_for_2fa", "false").has("is_2fa_enabled", "false")
		e.do("GET", "/api/users/@me", "", other).ok(401)
		e.do("PATCH", "/api/users/@me", `{"passkeys_enabled_for_2fa":true}`, cookie).invalid("no_passkeys", "passkeys_enabled_for_2fa")
		e.do("DELETE", own+"passkeys/"+id, "", cookie).refused(404, "invalid_request", "not_found", "")
		other = e.session(alice, 0)
		e.do("DELETE", own+"passkeys/"+weakID, "", cookie).ok(204)
		e.do("GET", "/api/users/@me", "", other).ok(200)
		if got := e.passkeys(cookie); len(got) != 0 {
			t.Errorf("got passkeys %v, want none", got)
		}
	})
}

// TestSavePasskey: a host stores passkeys of accounts that it imports, with or
// without an authenticator behind them.
func TestSavePasskey(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		cookie := e.session(alice, 0)
		save := func(k auth.Passkey) (auth.Passkey, error) { return e.api.Auth().SavePasskey(t.Context(), k) }
		k, err := save(auth.Passkey{UserID: alice.ID, Verified: true})
		if err != nil || k.ID == uuid.Nil || len(k.UserHandle) != 64 || len(k.CredentialID) == 0 {
			t.Fatalf("SavePasskey: got %+v, %v", k, err)
		}
		e.usePasskeys(cookie)
		e.do("POST", stepBegin, "", e.pending("alice")).ok(200)
		d := newDevice(t)
		e.addPasskey(d, cookie) // beside it
		e.passkeyStep(d, e.pending("alice")).ok(200)
		list, err := e.store.Passkeys(t.Context(), alice.ID)
		if err != nil || len(list) != 2 {
			t.Fatalf("Passkeys: got %v, %v", list, err)
		}
		// One without data is good for nothing.
		fake := newDevice(t)
		fake.key.ID, fake.Options.UserHandle = k.CredentialID, k.UserHandle
		e.signIn(fake, "").invalid("invalid_passkey", "")

		moved := list[slices.IndexFunc(list, func(l auth.Passkey) bool { return l.ID != k.ID })]
		moved.UserID = bob.ID
		if _, err := save(moved); !errors.Is(err, users.ErrConflict) {
			t.Errorf("SavePasskey of one that exists: got %v, want %v", err, users.ErrConflict)
		}
		e.do("DELETE", own+"passkeys/"+moved.ID.String(), "", cookie).ok(204)
		if again, err := save(moved); err != nil || again.ID == moved.ID {
			t.Fatalf("SavePasskey of a real one: got %+v, %v", again, err)
		}
		e.do("GET", "/api/users/@me", "", e.signIn(d, "").ok(200).cookie("sessionid")).has("email", `"bob@example.com"`)
		for name, c := range map[string]struct {
			k    auth.Passkey
			want error
		}{
			"no user":      {auth.Passkey{UserID: 99}, users.ErrNotFound},
			"taken":        {auth.Passkey{UserID: alice.ID, CredentialID: moved.CredentialID}, users.ErrConflict},
			"other handle": {auth.Passkey{UserID: alice.ID, UserHandle: []byte("another")}, users.ErrConflict},
			"name":         {auth.Passkey{UserID: alice.ID, Name: "<>"}, &users.Error{Kind: users.Invalid, Code: "invalid_bracket", Field: "name"}},
		} {
			if _, err := save(c.k); !errors.Is(err, c.want) {
				t.Errorf("%s: got %v, want %v", name, err, c.want)
			}
		}
	})
}

// TestWithoutCeremony: a host that does not want passkeys has none, and can still
// show and remove those that exist.
func TestWithoutCeremony(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.Auth.Passkeys = nil }, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		k, err := e.api.Auth().SavePasskey(t.Context(), auth.Passkey{UserID: alice.ID, Verified: true})
		if err != nil {
			t.Fatal(err)
		}
		e.usePasskeys(cookie)
		for _, path := range []string{registerBegin, registerComplete, signInBegin, signInComplete} {
			e.do("POST", path, `{"credential":{}}`, cookie).refused(http.StatusNotFound, "invalid_request", "not_found", "")
		}
		pending := e.pending("alice")
		for _, path := range []string{stepBegin, stepComplete} {
			e.do("POST", path, `{"credential":{}}`, pending).refused(http.StatusNotFound, "invalid_request", "not_found", "")
		}
		if got := e.passkeys(cookie); len(got) != 1 || got[0]["verified"] != true {
			t.Errorf("got passkeys %v", got)
		}
		e.do("DELETE", own+"passkeys/"+k.ID.String(), "", cookie).ok(204)
	})
}

// TestRegisterUnderAnOldFlag: a verified passkey may be what makes a flag of an
// imported account take effect, which then ends the other sessions.
func TestRegisterUnderAnOldFlag(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice", func(u *users.User) { u.PasskeysEnabledFor2FA = users.Some(true) })
		cookie, other := e.session(alice, 0), e.session(alice, 0)
		d := newDevice(t)
		d.key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA)
		e.addPasskey(d, cookie)
		e.do("GET", "/api/users/@me", "", cookie).ok(200).has("is_2fa_enabled", "true")
		e.do("GET", "/api/users/@me", "", other).ok(401)
		e.passkeyStep(d, e.pending("alice")).ok(200)
	})
}
