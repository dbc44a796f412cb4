package httpapitest_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
)

// FuzzWorld replaces a world by anything: it is accepted, or refused and the old
// one stays.
func FuzzWorld(f *testing.F) {
	f.Add(world)
	for _, c := range slices.Concat(badWorlds, badGitHub) {
		f.Add(c.world)
	}
	s, err := httpapitest.NewStandin(httpapitest.Config{PublicURL: "http://127.0.0.1", GitHubURL: "http://127.0.0.1:1"})
	if err != nil {
		f.Fatal(err)
	}
	send := func(method, path, body string) int {
		r := httptest.NewRequest(method, "http://127.0.0.1/_standin/"+path, strings.NewReader(body))
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		return w.Code
	}
	replaced := true
	f.Fuzz(func(t *testing.T, text string) {
		const old = `{"users": {"old": {"email": "old@example.com"}}}`
		if replaced {
			if got := send("PUT", "world", old); got != http.StatusOK {
				t.Fatalf("%s: got status %d", old, got)
			}
			replaced = false
		}
		switch got := send("PUT", "world", text); got {
		case http.StatusOK:
			replaced = true
			if again := send("PUT", "world", text); again != http.StatusOK {
				t.Errorf("accepted once, then status %d", again)
			}
		case http.StatusBadRequest:
			if got := send("POST", "sessions", `{"user": "old"}`); got != http.StatusOK {
				t.Errorf("the old world is gone: status %d", got)
			}
		default:
			t.Errorf("got status %d", got)
		}
	})
}
