package httpapi

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	requestIDHeader = "X-Request-Id" // canonical
	maxRequestID    = 64             // characters of a client's request id that are taken over, R62
	maxCredential   = 4096           // bytes of an Authorization header
)

// Login says who a host's own login has found.
type Login struct {
	User users.ID // zero means nobody
	// At is when that login was; sensitive changes ask for a recent one.
	At time.Time
	// SecondFactor says that a second factor was passed.
	SecondFactor bool
}

// Authenticator is a host's own login. It is safe for concurrent use.
type Authenticator interface {
	// Authenticate finds the caller of a request. The zero Login means nobody;
	// an error is an internal failure.
	Authenticate(r *http.Request) (Login, error)
}

// limitBody bounds how slowly a body may arrive (R63), unless the server of the
// host already does. It is about the socket, so it goes by the real clock.
func limitBody(w http.ResponseWriter, r *http.Request) {
	if s, ok := r.Context().Value(http.ServerContextKey).(*http.Server); r.ContentLength == 0 || ok && s.ReadTimeout > 0 && s.ReadTimeout <= maxRead {
		return
	}
	// A writer without deadlines has no socket, or one that is not ours to limit.
	// The server clears the deadline before the next request.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(maxRead))
}

// commonHeaders are those of every answer. The values are shared: whoever wants
// another one sets it anew.
var commonHeaders = []struct {
	name  string // canonical
	value []string
}{
	{"Cache-Control", []string{"no-store, private"}},
	{"Vary", []string{"Cookie, Authorization"}},
	{"X-Content-Type-Options", []string{"nosniff"}},
	{"Content-Security-Policy", []string{"default-src 'none'; frame-ancestors 'none'"}},
	{"Referrer-Policy", []string{"no-referrer"}},
	{"Cross-Origin-Resource-Policy", []string{"same-origin"}},
}

// guard surrounds every request: headers, a deadline, and an end to panics.
func (a *API) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, header := range commonHeaders {
			h[header.name] = header.value
		}
		h[requestIDHeader] = []string{requestID(r)}
		limitBody(w, r)
		ctx := &deadline{Context: r.Context(), at: time.Now().Add(maxRequest)}
		defer ctx.end()
		r = r.WithContext(ctx)
		defer func() {
			v := recover()
			if v == nil || v == http.ErrAbortHandler {
				if v != nil {
					panic(v)
				}
				return
			}
			a.config.Logger.ErrorContext(ctx, "panic", slog.String("stack", string(debug.Stack())), slog.String("type", fmt.Sprintf("%T", v)))
			a.writeError(w, r, errors.New("panic"))
		}()
		next.ServeHTTP(w, r)
	})
}

// requestID takes a client's id over if it is safe to repeat.
func requestID(r *http.Request) string {
	id := r.Header.Get(requestIDHeader)
	safe := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	if id == "" || len(id) > maxRequestID || strings.ContainsFunc(id, func(c rune) bool { return !safe(c) }) {
		return rand.Text()
	}
	return id
}

// accepts reports whether the client takes JSON.
func accepts(r *http.Request) bool {
	values := r.Header.Values("Accept")
	if len(values) == 0 {
		return true
	}
	for part := range strings.SplitSeq(strings.Join(values, ","), ",") {
		media, params, _ := strings.Cut(part, ";")
		switch strings.ToLower(strings.TrimSpace(media)) {
		case "", "*/*", "application/*", "application/json":
			if weight(params) > 0 {
				return true
			}
		}
	}
	return false
}

// weight is the q of a media range or a coding, 1 if there is none; 0 means "not
// acceptable" (RFC 9110 §12.4.2). Of several the lowest counts, and what is no
// number does not.
func weight(params string) float64 {
	lowest := 1.0
	for p := range strings.SplitSeq(params, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(p), "=")
		if !strings.EqualFold(name, "q") {
			continue
		}
		if strings.Trim(value, "0.") == "" {
			return 0
		}
		if q, err := strconv.ParseFloat(value, 64); err == nil && q > 0 {
			lowest = min(lowest, q)
		}
	}
	return lowest
}

// safeMethod reports a method that changes nothing (RFC 9110 §9.2.1).
func safeMethod(m string) bool {
	return m == http.MethodGet || m == http.MethodHead || m == http.MethodOptions
}

// authenticate finds the caller. An Authorization header decides alone, even if
// a cookie comes with it; blind routes look at the cookie only and refuse the
// header by finding nobody. Nobody is no error.
func (a *API) authenticate(r *http.Request, blind bool) (auth.Principal, error) {
	headers := r.Header.Values("Authorization")
	if len(headers) > 0 {
		if blind {
			return auth.Principal{}, nil
		}
		value, ok := bearer(headers)
		if !ok {
			return auth.Principal{}, auth.ErrNotAuthenticated
		}
		return a.auth.Bearer(r.Context(), value)
	}
	p, err := a.session(r)
	if err != nil || !p.Known() {
		return auth.Principal{}, err
	}
	return p, a.checkOrigin(r)
}

// bearer reads the one Authorization header: "Bearer", white space, and at
// least two characters without any.
func bearer(headers []string) (users.Secret, bool) {
	at := max(strings.IndexAny(headers[0], " \t"), 0)
	scheme, value := headers[0][:at], strings.TrimSpace(headers[0][at:])
	if len(headers) > 1 || scheme != "Bearer" || len(value) < 2 || len(value) > maxCredential || strings.ContainsAny(value, " \t") {
		return "", false
	}
	return users.Secret(value), true
}

// session finds the caller by cookie, or asks the host. A cookie that is worth
// nothing is nobody.
func (a *API) session(r *http.Request) (auth.Principal, error) {
	if a.config.Authenticator != nil {
		l, err := a.config.Authenticator.Authenticate(r)
		if err != nil {
			return auth.Principal{}, fmt.Errorf("host authenticator: %w", err)
		}
		if l.User == 0 {
			return auth.Principal{}, nil
		}
		return nobody(a.auth.HostSession(r.Context(), l.User, l.At, l.SecondFactor))
	}
	token, ok := a.cookie(r)
	if !ok {
		return auth.Principal{}, nil
	}
	return nobody(a.auth.Session(r.Context(), token))
}

func nobody(p auth.Principal, err error) (auth.Principal, error) {
	if errors.Is(err, auth.ErrNotAuthenticated) {
		return auth.Principal{}, nil
	}
	return p, err
}

// cookie returns the session cookie, unless the name occurs twice: one of the
// two was planted.
func (a *API) cookie(r *http.Request) (users.Secret, bool) { return cookie(r, a.config.CookieName) }

func cookie(r *http.Request, name string) (users.Secret, bool) {
	cookies := r.CookiesNamed(name)
	if len(cookies) != 1 || cookies[0].Value == "" || len(cookies[0].Value) > maxCredential {
		return "", false
	}
	return users.Secret(cookies[0].Value), true
}

// setCookie hands the session cookie out, or clears it if token is "".
func (a *API) setCookie(h http.Header, token users.Secret) {
	if token == "" {
		a.addCookie(h, a.config.CookieName, "", -time.Second, http.SameSiteLaxMode)
		return
	}
	a.addCookie(h, a.config.CookieName, token, a.auth.SessionLifetime(), http.SameSiteLaxMode)
}

func (a *API) addCookie(h http.Header, name string, value users.Secret, age time.Duration, site http.SameSite) {
	c := http.Cookie{
		Name: name, Value: string(value), Path: "/", HttpOnly: true, SameSite: site, Secure: a.public.Scheme == "https",
		MaxAge: int(age / time.Second),
	}
	h.Add("Set-Cookie", c.String())
}

// rememberPrefix begins the names of cookies that let a device skip the second
// login step, contract section 11.1. The user's UUID follows.
const rememberPrefix = "remember-cookie_"

// remembered returns the secrets of remembered devices that came along, a few
// at most: people may share a browser.
func remembered(r *http.Request) []users.Secret {
	const most = 10
	var secrets []users.Secret
	for _, c := range r.Cookies() {
		if strings.HasPrefix(c.Name, rememberPrefix) && len(c.Value) <= maxCredential && len(secrets) < most {
			secrets = append(secrets, users.Secret(c.Value))
		}
	}
	return secrets
}

// checkOrigin refuses unsafe requests that another site made the browser send.
// The standard check lets a plain-HTTP page of our own host pass; we do not.
func (a *API) checkOrigin(r *http.Request) error {
	if safeMethod(r.Method) {
		return nil
	}
	if a.origins.Check(r) != nil {
		return errCrossOrigin
	}
	origin := r.Header.Get("Origin")
	if a.public.Scheme == "https" && strings.HasPrefix(origin, "http://") && !slices.Contains(a.config.TrustedOrigins, origin) {
		return errCrossOrigin
	}
	return nil
}

// clientAddress is the TCP peer or, if that is a trusted proxy, the last
// address in X-Forwarded-For that is not.
func (a *API) clientAddress(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		host = r.RemoteAddr
	}
	hops := strings.Split(strings.Join(r.Header.Values("X-Forwarded-For"), ","), ",")
	for i := len(hops) - 1; i >= 0 && a.isProxy(host); i-- {
		next, err := netip.ParseAddr(strings.TrimSpace(hops[i]))
		if err != nil {
			break
		}
		host = next.Unmap().String()
	}
	return host
}

func (a *API) isProxy(host string) bool {
	addr, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	for _, p := range a.config.TrustedProxies {
		if p.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}
