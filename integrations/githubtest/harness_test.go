package githubtest_test

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

// world is a GitHub behind a listener, with a clock that only moves when told.
type world struct {
	*githubtest.Server
	t   *testing.T
	url string
	now time.Time
}

func start(t *testing.T, state githubtest.State) *world {
	t.Helper()
	w := &world{t: t, now: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	server, err := githubtest.New(githubtest.Options{Now: func() time.Time { return w.now }})
	if err != nil {
		t.Fatal(err)
	}
	if err := server.SetState(state); err != nil {
		t.Fatal(err)
	}
	listener := httptest.NewServer(server)
	t.Cleanup(listener.Close)
	w.Server, w.url = server, listener.URL
	return w
}

type reply struct {
	status int
	header http.Header
	text   string
	body   map[string]any // nil if it is no object
}

// do sends a request; header is name, value, name, value …
func (w *world) do(method, target, body string, header ...string) reply {
	w.t.Helper()
	r, err := w.try(method, target, body, header...)
	if err != nil {
		w.t.Fatalf("%s %s: %v", method, target, err)
	}
	return r
}

func (w *world) try(method, target, body string, header ...string) (reply, error) {
	w.t.Helper()
	r, err := http.NewRequestWithContext(w.t.Context(), method, w.url+target, strings.NewReader(body))
	if err != nil {
		w.t.Fatal(err)
	}
	for n := 0; n < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, err
	}
	a := reply{status: response.StatusCode, header: response.Header, text: string(raw)}
	if json.Unmarshal(raw, &a.body) != nil {
		a.body = nil
	}
	return a, nil
}

func (w *world) get(target, token string) reply {
	w.t.Helper()
	return w.do(http.MethodGet, target, "", "Authorization", "Bearer "+token)
}

func (w *world) installationToken() string {
	token, _ := w.IssueInstallationToken(githubtest.InstallationID, 0)
	return token
}

// jwt signs claims as the App does.
func (w *world) jwt(header, claims string) string {
	w.t.Helper()
	block, _ := pem.Decode([]byte(w.PrivateKeyPEM()))
	key, err := x509.ParsePKCS1PrivateKey(block.Bytes)
	if err != nil {
		w.t.Fatal(err)
	}
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(header)) + "." + encode([]byte(claims))
	digest := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(nil, key, crypto.SHA256, digest[:])
	if err != nil {
		w.t.Fatal(err)
	}
	return text + "." + encode(signature)
}

// form posts to the token route and asks for JSON.
func (w *world) form(members ...string) map[string]any {
	w.t.Helper()
	app := githubtest.NewApp()
	form := url.Values{"client_id": {app.ClientID}, "client_secret": {app.ClientSecret}}
	for n := 0; n < len(members); n += 2 {
		form.Set(members[n], members[n+1])
	}
	r := w.do(http.MethodPost, "/login/oauth/access_token", form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Accept", "application/json")
	if r.status != http.StatusOK {
		w.t.Fatalf("token route: got %d, want 200 always", r.status)
	}
	return r.body
}
