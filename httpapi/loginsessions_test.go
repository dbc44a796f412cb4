package httpapi_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
)

// sessions lists those of the cookie's user.
func (e *env) sessions(cookie option) []map[string]any {
	e.t.Helper()
	r := e.do("GET", own+"login_sessions", "", cookie).ok(200)
	var list []map[string]any
	if err := json.Unmarshal([]byte(r.raw), &list); err != nil {
		e.t.Fatalf("%s: %v", r.raw, err)
	}
	return list
}

const chrome = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"

// TestA01LoginSessions: contract section 10.10.
func TestA01LoginSessions(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		e.session(e.user("bob"), 0)
		stale := e.session(alice, 13*24*time.Hour)
		never := auth.Session{ID: uuid.New(), Hash: auth.Hash{1}, UserID: alice.ID, CreatedAt: e.now(), ExpiresAt: e.now().Add(48 * time.Hour), Method: "password"}
		if err := e.store.UpdateAuth(t.Context(), func(tx auth.Tx) error { return tx.SaveSession(t.Context(), never) }); err != nil {
			t.Fatal(err)
		}
		e.advance(time.Hour)
		login := e.do("POST", "/api/login", credentials("alice", password), header("User-Agent", chrome)).signedIn()
		e.advance(time.Hour)
		host := e.session(alice, 0)
		if list := e.sessions(login); len(list) != 4 || list[0]["device"] != "Chrome on macOS" || list[3]["id"] != never.ID.String() || list[3]["last_activity"] != nil {
			t.Errorf("got %v", list)
		} else if want := "map[created_at:2026-05-01T13:00:00.123456Z device:Chrome on macOS id:" + fmt.Sprint(list[0]["id"]) +
			" is_current:true last_activity:2026-05-01T14:00:00.123456Z location:<nil> login_method:Password]"; fmt.Sprint(list[0]) != want {
			t.Errorf("got  %v\nwant %s", list[0], want)
		}
		list := e.sessions(host)
		if list[0]["is_current"] != true || list[0]["login_method"] != nil || list[1]["device"] != "Chrome on macOS" || list[1]["is_current"] != false {
			t.Errorf("as the host's session sees it: %v", list)
		}
		if raw := fmt.Sprint(list); strings.Contains(raw, "Mozilla") || strings.Contains(raw, "127.0.0.1") || strings.Contains(raw, "192.0.2") {
			t.Errorf("the list tells too much: %s", raw)
		}
		e.advance(24 * time.Hour) // which ends the stale one
		if list := e.sessions(host); len(list) != 3 {
			t.Errorf("%d sessions after one expired, want 3", len(list))
		}
		e.do("GET", "/api/users/@me", "", stale).ok(401)
	})
}

// TestSessionsOfOneInstant are listed from the last to the first, also when the
// clock stands still.
func TestSessionsOfOneInstant(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		mine := e.session(alice, time.Hour)
		want := []string{"", "Device 5", "Device 4", "Device 3", "Device 2", "Device 1"}
		for n := range 5 {
			e.do("POST", "/api/login", credentials("alice", password), header("User-Agent", want[5-n])).signedIn()
		}
		stored, err := e.store.Sessions(t.Context(), alice.ID)
		if err != nil || len(stored) != len(want) {
			t.Fatalf("Sessions: got %v, %v", stored, err)
		}
		names := map[string]string{}
		for _, session := range stored {
			names[session.ID.String()] = session.UserAgent
		}
		var got []string
		for _, item := range e.sessions(mine) {
			got = append(got, names[item["id"].(string)])
		}
		if !slices.Equal(got, want) {
			t.Errorf("list is %q, want %q", got, want)
		}
		if u, err := e.store.User(t.Context(), alice.ID); err != nil || !u.LastLogin.Equal(e.now()) {
			t.Errorf("last login is %v, %v, want %v", u.LastLogin, err, e.now())
		}
	})
}

// TestSessionActivity is kept by the minute and survives the process.
func TestSessionActivity(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		cookie := e.session(alice, 0)
		for _, c := range []struct {
			wait time.Duration
			want string
		}{{time.Minute, "12:00:00"}, {time.Microsecond, "12:01:00"}, {59 * time.Second, "12:01:00"}, {2 * time.Second, "12:02:01"}} {
			e.advance(c.wait)
			e.do("GET", "/api/users/@me", "", cookie).ok(200)
			if got := e.sessions(cookie)[0]["last_activity"].(string); !strings.Contains(got, c.want) {
				t.Errorf("last_activity is %s, want %s", got, c.want)
			}
			e.flush(t.Context())
			stored, err := e.store.Sessions(t.Context(), alice.ID)
			if err != nil || stored[0].LastActivity.Format("15:04:05") != c.want {
				t.Errorf("stored activity is %v, %v, want %s", stored, err, c.want)
			}
		}
	})
}

// TestRevokeSession: contract section 10.10.
func TestRevokeSession(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		cookie, other, bobs := e.session(alice, 0), e.session(alice, time.Minute), e.session(bob, 0)
		id := func(cookie option) string { return e.sessions(cookie)[0]["id"].(string) }
		path := own + "login_sessions/"
		for _, foreign := range []string{id(bobs), unknownID, malformedID, "1", strings.ToUpper(id(bobs))} {
			e.do("DELETE", path+foreign+"/", "", cookie).refused(404, "invalid_request", "not_found", "")
		}
		e.do("GET", "/api/users/@me", "", bobs).ok(200)
		stale := e.session(alice, 3*time.Hour)
		e.do("DELETE", path+id(other), "", stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		e.do("DELETE", path+id(other), "", e.key(alice, "*")).nobody("not_authenticated")
		ended := id(other)
		if r := e.do("DELETE", path+ended, "", cookie).ok(204); r.header.Get("Set-Cookie") != "" {
			t.Error("ending another session changes the cookie")
		}
		e.do("GET", "/api/users/@me", "", other).ok(401)
		e.do("DELETE", path+ended, "", cookie).ok(404)
		e.do("DELETE", path+id(cookie), "", cookie).ok(204) // one's own
		e.do("GET", "/api/users/@me", "", cookie).ok(401)
	})
}

// TestRevokeOthers: contract section 10.10.
func TestRevokeOthers(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		expired := e.session(alice, 13*24*time.Hour+23*time.Hour)
		e.advance(2 * time.Hour)
		cookie, other, stale, bobs := e.session(alice, 0), e.session(alice, 0), e.session(alice, 3*time.Hour), e.session(bob, 0)
		path := own + "login_sessions/revoke_others"
		e.do("POST", path, "", stale).refused(403, "authentication_error", "sensitive_action_required_reauth", "")
		if r := e.do("POST", path+"/", "", cookie).ok(200); r.raw != `{"revoked_count":2}` {
			t.Errorf("got %s", r.raw)
		}
		e.do("POST", path, "{}", cookie).ok(200).has("revoked_count", "0")
		for _, ended := range []option{other, stale, expired} {
			e.do("GET", "/api/users/@me", "", ended).ok(401)
		}
		e.do("GET", "/api/users/@me", "", cookie).ok(200)
		e.do("GET", "/api/users/@me", "", bobs).ok(200)
	})
}
