package httpapitest_test

import (
	"net/http"
	"reflect"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
)

// TestMailOfAnAddressChange walks through it with what a client of the stand-in
// has: captured mail, and no other waiting than for the answer.
func TestMailOfAnAddressChange(t *testing.T) {
	s := httpapitest.New(t, world)
	send := func(method, path, body string, status int, headers ...string) {
		t.Helper()
		if got, text := call(t, method, s.URL+path, body, headers...); got != status {
			t.Fatalf("%s %s %s: got %d %s, want %d", method, path, body, got, text, status)
		}
	}
	captured := func() []map[string]any {
		t.Helper()
		list := want[[]map[string]any](t, http.StatusOK, "GET", s.URL+"/_standin/mail", "")
		send("DELETE", "/_standin/mail", "", http.StatusNoContent)
		return list
	}
	cookie := s.Session("alice", auth.StartOptions{}).String()
	send("PATCH", "/api/users/@me", `{"email": "new@elsewhere.example"}`, http.StatusOK, "Cookie", cookie)
	list := captured()
	if len(list) != 2 {
		t.Fatalf("got %v, want two mails", list)
	}
	token, _ := list[0]["token"].(string)
	if want := []map[string]any{
		{"to": "new@elsewhere.example", "user": "alice", "kind": "email_verification", "token": token},
		{"to": "alice@example.com", "user": "alice", "kind": "email_change_requested", "new": "new@elsewhere.example"},
	}; token == "" || !reflect.DeepEqual(list, want) {
		t.Errorf("got %v, want %v", list, want)
	}
	id := s.IDs().Users["alice"].UUID.String()
	send("POST", "/api/users/verify_email", `{"uuid": "`+id+`", "token": "`+token+`"}`, http.StatusOK)
	changed := map[string]any{"user": "alice", "kind": "email_changed", "old": "alice@example.com", "new": "new@elsewhere.example"}
	for n, to := range []string{"alice@example.com", "new@elsewhere.example"} {
		changed["to"] = to
		if list := s.Mail().Messages(); len(list) != 2 || list[n].Recipient().Email != to {
			t.Errorf("got %v, want mail %d to %s", list, n, to)
		}
	}
	if list := captured(); len(list) != 2 || !reflect.DeepEqual(list[1], changed) {
		t.Errorf("got %v, want %v at the end", list, changed)
	}
	send("POST", "/api/reset", `{"email": "new@elsewhere.example"}`, http.StatusNoContent)
	if list := captured(); len(list) != 1 || list[0]["kind"] != "password_reset" || list[0]["token"] == "" {
		t.Errorf("got %v, want a password_reset with token", list)
	}
}

// TestVerificationTokens: a token works as one that was mailed, until a pending
// address is set.
func TestVerificationTokens(t *testing.T) {
	s := httpapitest.New(t, world)
	fresh := func(user string) string {
		t.Helper()
		return want[map[string]string](t, http.StatusOK, "POST", s.URL+"/_standin/verification_tokens", `{"user": "`+user+`"}`)["token"]
	}
	verify := func(user, token string) int {
		status, _ := call(t, "POST", s.URL+"/api/users/verify_email/", `{"uuid": "`+s.IDs().Users[user].UUID.String()+`", "token": "`+token+`"}`)
		return status
	}
	for _, body := range []string{`{"pending_email": "x@elsewhere.example"}`, `{"pending_email": "x@elsewhere.example"}`, `{"pending_email": null}`, `{"is_active": false}`} {
		token := fresh("alice")
		want[map[string]any](t, http.StatusOK, "PATCH", s.URL+"/_standin/users/alice", body)
		if got := verify("alice", token); got != http.StatusBadRequest {
			t.Errorf("a token from before %s: got status %d, want 400", body, got)
		}
	}
	want[map[string]any](t, http.StatusOK, "PATCH", s.URL+"/_standin/users/alice", `{"is_active": true, "first_name": "A"}`)
	token := fresh("alice")
	if got := verify("alice", token); got != http.StatusOK {
		t.Errorf("a token: got status %d, want 200", got)
	}
	if got := verify("alice", token); got != http.StatusBadRequest {
		t.Errorf("a token that was spent: got status %d, want 400", got)
	}
	if got := verify("zoë", fresh("zoë")); got != http.StatusOK {
		t.Errorf("a token for the pending address of a world: got status %d, want 200", got)
	}
}
