package webhook_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/hedgerow-dev/hedgerow/users"
	"github.com/hedgerow-dev/hedgerow/users/webhook"
)

const (
	secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	other  = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

var at = time.Unix(1614265330, 0).UTC()

func clock() time.Time { return at }

var event = users.Event{ID: 17, At: at.Add(-time.Minute), Actor: 5, Credential: users.BySession, Target: 7, Action: "user updated", Fields: []string{"first_name"}}

func TestSend(t *testing.T) {
	var got *http.Request
	var body []byte
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			t.Error(err)
		}
		got = r
	}))
	t.Cleanup(server.Close)
	s, err := webhook.New(webhook.Config{URL: server.URL + "/hooks?x=1", Secrets: []users.Secret{secret, other}, Now: clock})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), event); err != nil {
		t.Fatal(err)
	}
	want := `{"type":"user updated","timestamp":"2021-02-25T15:01:10Z","data":{"id":17,"user":7,"actor":5,"credential":"session","fields":["first_name"]}}`
	if string(body) != want || got.Method != "POST" || got.URL.String() != "/hooks?x=1" || got.Header.Get("Content-Type") != "application/json" {
		t.Errorf("got %s %s and %s, want %s", got.Method, got.URL, body, want)
	}
	if id, stamp := got.Header.Get("webhook-id"), got.Header.Get("webhook-timestamp"); id != "evt_17" || stamp != "1614265330" {
		t.Errorf("got id %q and timestamp %q", id, stamp)
	}
	for _, known := range [][]users.Secret{{secret}, {other}, {other, secret}} {
		if err := webhook.Verify(got.Header, body, known, at); err != nil {
			t.Errorf("Verify by %d secrets: %v", len(known), err)
		}
	}
}

// TestVerify has the vector that the libraries of Standard Webhooks share.
func TestVerify(t *testing.T) {
	const vector, body = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", `{"test": 2432232314}`
	for name, c := range map[string]struct {
		id, stamp, signature, body string
		secrets                    []users.Secret
		now                        time.Time
		want                       bool
	}{
		"right":             {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", vector, body, []users.Secret{secret}, at, true},
		"second of two":     {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v1,AAAA v2,x " + vector, body, []users.Secret{other, secret}, at, true},
		"five minutes old":  {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", vector, body, []users.Secret{secret}, at.Add(5 * time.Minute), true},
		"too old":           {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", vector, body, []users.Secret{secret}, at.Add(5*time.Minute + time.Second), false},
		"too new":           {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", vector, body, []users.Secret{secret}, at.Add(-5*time.Minute - time.Second), false},
		"another body":      {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", vector, body + " ", []users.Secret{secret}, at, false},
		"another id":        {"msg_other", "1614265330", vector, body, []users.Secret{secret}, at, false},
		"another time":      {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265331", vector, body, []users.Secret{secret}, at, false},
		"another secret":    {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", vector, body, []users.Secret{other}, at, false},
		"another version":   {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "v2" + vector[2:], body, []users.Secret{secret}, at, false},
		"behind many":       {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", strings.Repeat("v1,AAAA ", 10) + vector, body, []users.Secret{secret}, at, false},
		"no signature":      {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", "", body, []users.Secret{secret}, at, false},
		"no id":             {"", "1614265330", vector, body, []users.Secret{secret}, at, false},
		"no time":           {"msg_p5jXN8AQM9LWM0D4loKWxJek", "now", vector, body, []users.Secret{secret}, at, false},
		"no secret at all":  {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", vector, body, nil, at, false},
		"secret of nothing": {"msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", vector, body, []users.Secret{"whsec_"}, at, false},
	} {
		t.Run(name, func(t *testing.T) {
			h := http.Header{}
			for name, v := range map[string]string{webhook.IDHeader: c.id, webhook.TimestampHeader: c.stamp, webhook.SignatureHeader: c.signature} {
				h.Set(name, v)
			}
			err := webhook.Verify(h, []byte(c.body), c.secrets, c.now)
			if (err == nil) != c.want {
				t.Errorf("got %v, want it right: %v", err, c.want)
			}
			if noSecret := len(c.secrets) == 0 || c.secrets[0] == "whsec_"; errors.Is(err, webhook.ErrSignature) == (c.want || noSecret) {
				t.Errorf("got %v, which is of the wrong kind", err)
			}
		})
	}
}

// TestSendFails: what is no 2xx is an error, which does not tell the URL, and no
// other place is asked.
func TestSendFails(t *testing.T) {
	asked := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked++ }))
	t.Cleanup(elsewhere.Close)
	release := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Query().Get("token") {
		case "redirect":
			http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
		case "error":
			w.WriteHeader(http.StatusInternalServerError)
		case "gone":
			w.WriteHeader(http.StatusGone)
		case "cut":
			panic(http.ErrAbortHandler)
		case "slow":
			<-release
		}
	}))
	t.Cleanup(func() {
		close(release)
		server.Close()
	})
	for fault, want := range map[string]string{"redirect": "status 307", "error": "status 500", "gone": "status 410", "cut": "EOF", "slow": "exceeded"} {
		t.Run(fault, func(t *testing.T) {
			config := webhook.Config{URL: server.URL + "/?token=" + fault, Secrets: []users.Secret{secret}, Now: clock}
			if fault == "slow" {
				config.Timeout = 50 * time.Millisecond
			}
			s, err := webhook.New(config)
			if err != nil {
				t.Fatal(err)
			}
			err = s.Send(t.Context(), event)
			if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "token") {
				t.Errorf("Send: got %v, want an error with %q and without the URL", err, want)
			}
		})
	}
	if asked > 0 {
		t.Errorf("a redirect was followed %d times", asked)
	}
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	s, err := webhook.New(webhook.Config{URL: server.URL, Secrets: []users.Secret{secret}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(canceled, event); !errors.Is(err, context.Canceled) {
		t.Errorf("Send in a context that is over: got %v, want %v", err, context.Canceled)
	}
}

// endless answers 200 and never stops.
type endless struct{ read *int }

func (e endless) Read(p []byte) (int, error) {
	*e.read += len(p)
	return len(p), nil
}

func (e endless) RoundTrip(*http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(e)}, nil
}

func TestEndlessAnswer(t *testing.T) {
	read := 0
	s, err := webhook.New(webhook.Config{URL: "https://app.example.com", Secrets: []users.Secret{secret}, Transport: endless{&read}})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Send(t.Context(), event); err != nil || read > 128<<10 {
		t.Errorf("Send: got %v after %d bytes of the answer", err, read)
	}
}

func TestConfig(t *testing.T) {
	good := webhook.Config{URL: "https://user:hidden@app.example.com/hooks", Secrets: []users.Secret{secret}}
	if _, err := webhook.New(good); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*webhook.Config){
		"URL: no":        func(c *webhook.Config) { c.URL = "" },
		"URL: plain":     func(c *webhook.Config) { c.URL = "http://user:hidden@app.example.com" },
		"URL: file":      func(c *webhook.Config) { c.URL = "file:///etc/passwd" },
		"URL: broken":    func(c *webhook.Config) { c.URL = "https://hidden\x00" },
		"Secrets: none":  func(c *webhook.Config) { c.Secrets = nil },
		"Secrets: plain": func(c *webhook.Config) { c.Secrets = []users.Secret{"hidden"} },
		"Secrets: short": func(c *webhook.Config) { c.Secrets = []users.Secret{"whsec_aGlkZGVu"} },
		"Secrets: long": func(c *webhook.Config) {
			c.Secrets = []users.Secret{users.Secret("whsec_" + strings.Repeat("AAAA", 22))}
		},
		"Timeout: long": func(c *webhook.Config) { c.Timeout = time.Minute },
		"Timeout: none": func(c *webhook.Config) { c.Timeout = -1 },
	} {
		t.Run(name, func(t *testing.T) {
			c := good
			c.Secrets = slices.Clone(good.Secrets)
			change(&c)
			field, _, _ := strings.Cut(name, ":")
			if _, err := webhook.New(c); err == nil || !strings.Contains(err.Error(), field) || strings.Contains(err.Error(), "hidden") {
				t.Errorf("New: got %v, want an error that names %s and tells no secret", err, field)
			}
		})
	}
}
