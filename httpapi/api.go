package httpapi

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Config adjusts an API. PublicURL and EncryptionKeys are required; the zero
// value of the rest is right for production.
type Config struct {
	// PublicURL is the origin that clients see, such as
	// "https://app.example.com". Every URL in an answer begins with it, and
	// cookies are Secure if it is https.
	PublicURL string
	// EncryptionKeys encrypt the secrets that must be read back. Each has
	// auth.EncryptionKeyBytes random bytes; the first encrypts and all decrypt,
	// so that a key can be replaced. Keep them outside the store.
	EncryptionKeys [][]byte
	// BasePath is the path that the API is mounted under, such as "/accounts".
	// Requests arrive with it. Empty means the root.
	BasePath string
	// Auth adjusts credentials. Its Sealer, Now, Rand and Logger are overridden by
	// what follows from the members here. If its VerifyEmailURL or PasswordResetURL
	// is empty, links in mails lead to /verify_email/{uuid}/{token} or
	// /reset/{uuid}/{token} of PublicURL, where the host has a page that calls the
	// API.
	Auth auth.Config
	// GitHub is the App that users link installations of.
	GitHub GitHub
	// Dashboards looks the host's dashboards up. Nil means that there are none.
	Dashboards users.Dashboards
	// Authenticator supplies the caller from a login of the host, for requests
	// without an Authorization header. Nil means the session cookie.
	Authenticator Authenticator
	// CookieName of the session cookie. Empty means "sessionid".
	CookieName string
	// TrustedOrigins may send cookie requests besides PublicURL, each as
	// scheme://host[:port].
	TrustedOrigins []string
	// TrustedProxies are believed about X-Forwarded-For. Empty means that the
	// client is the TCP peer.
	TrustedProxies []netip.Prefix
	// MaxPage is the most users in one page of the list. Zero means 500, which
	// is also the most.
	MaxPage int
	// MaxBody is the most bytes of a request body. Zero means 1 MiB, which is
	// also the most.
	MaxBody int64
	// HideSchema makes the API answer 404 at /api/schema/, where it describes
	// itself in OpenAPI, and below.
	HideSchema bool
	// Docs has the files of the page at /api/schema/docs/, as package apidocs
	// returns them: index.html, and beside it what that refers to, perhaps
	// compressed (NAME.gz). In index.html, <base href="./"> is replaced by where the
	// page is. Nil means that there is no page.
	Docs fs.FS
	// Now reads the clock. Nil means time.Now. Tests set it.
	Now func() time.Time
	// Rand is the source of secrets and ids. Nil means crypto/rand.
	Rand io.Reader
	// Logger receives internal failures. Nil discards them.
	Logger *slog.Logger
	// Observe is told of every request when it has been answered, for metrics,
	// traces and access logs, with the context that the request came with. It runs
	// before the client has the whole answer, so it should be quick, and may be
	// called concurrently. Nil costs nothing.
	Observe func(ctx context.Context, x Exchange)
}

const (
	defaultPage = 100 // contract section 8.1
	maxPage     = 500 // design limit
	maxBody     = 1 << 20
	maxRequest  = 15 * time.Second // one handler, R63
	maxRead     = 30 * time.Second // until a body has arrived, R63
)

// API is the HTTP face of a Storage: an http.Handler, safe for concurrent use.
type API struct {
	config       Config
	public       *url.URL
	auth         *auth.Service
	users        *users.Service
	autonomy     *autonomy.Service
	integrations *integrations.Service
	handler      http.Handler
	mux          *http.ServeMux
	origins      *http.CrossOriginProtection
	schema       func() schemaFiles
	docs         map[string]*file // by name
}

// New returns the API on store. It starts nothing and reads nothing from the
// environment. The error names the field of config that is wrong.
func New(store storage.Storage, config Config) (*API, error) {
	a := &API{config: config, mux: http.NewServeMux()}
	if err := a.prepare(); err != nil {
		return nil, fmt.Errorf("httpapi config: %w", err)
	}
	c := &a.config
	a.users = users.NewService(store, users.Config{
		Dashboards: c.Dashboards, MailConfigured: c.Auth.Mailer != nil, Now: c.Now, Rand: c.Rand,
	})
	var err error
	if a.auth, err = auth.NewService(store, a.users, c.Auth); err != nil {
		return nil, fmt.Errorf("httpapi config: %w", err)
	}
	a.autonomy = autonomy.NewService(store, a.users)
	if a.integrations, err = integrations.NewService(store, a.users, c.Auth.Sealer, a.integrationsConfig()); err != nil {
		return nil, fmt.Errorf("httpapi config: %w", err)
	}
	if err := a.loadDocs(); err != nil {
		return nil, fmt.Errorf("httpapi config: %w", err)
	}
	// Few ask, and it is long.
	a.schema = sync.OnceValue(func() schemaFiles { return newSchemaFiles(a.escapedBase(), c.CookieName) })
	a.register()
	return a, nil
}

// Users returns the service that applies the rules of accounts.
func (a *API) Users() *users.Service { return a.users }

// Auth returns the service that handles credentials.
func (a *API) Auth() *auth.Service { return a.auth }

// Autonomy returns the service that keeps autonomy configurations.
func (a *API) Autonomy() *autonomy.Service { return a.autonomy }

// Integrations returns the service that keeps linked installations.
func (a *API) Integrations() *integrations.Service { return a.integrations }

// prepare checks the configuration and fills in defaults.
func (a *API) prepare() error {
	c := &a.config
	public, err := url.Parse(c.PublicURL)
	if err != nil || public.Scheme != "http" && public.Scheme != "https" || public.Host == "" || strings.Trim(public.Path, "/") != "" || public.RawQuery != "" {
		return errors.New("PublicURL must be an origin such as https://app.example.com")
	}
	public.Path = ""
	a.public = public
	if c.Auth.Sealer, err = auth.NewSealer(c.EncryptionKeys...); err != nil {
		return fmt.Errorf("EncryptionKeys: %w", err)
	}
	if c.BasePath = strings.TrimSuffix(c.BasePath, "/"); c.BasePath != "" && (c.BasePath[0] != '/' || strings.ContainsAny(c.BasePath, "{}?#%")) {
		return errors.New("BasePath must begin with a slash and hold none of {}?#%")
	}
	if err := c.GitHub.prepare(); err != nil {
		return fmt.Errorf("GitHub: %w", err)
	}
	if c.CookieName == "" {
		c.CookieName = "sessionid"
	}
	if (&http.Cookie{Name: c.CookieName}).Valid() != nil {
		return errors.New("CookieName is not the name of a cookie")
	}
	if c.MaxPage == 0 {
		c.MaxPage = maxPage
	}
	if c.MaxPage < 0 || c.MaxPage > maxPage {
		return errors.New("MaxPage must be from 1 to 500")
	}
	if c.MaxBody == 0 {
		c.MaxBody = maxBody
	}
	if c.MaxBody < 0 || c.MaxBody > maxBody {
		return errors.New("MaxBody must be from 1 to 1048576")
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Auth.Issuer == "" {
		c.Auth.Issuer = strings.ReplaceAll(public.Hostname(), ":", ".") // an IPv6 address has colons
	}
	c.Auth.Now, c.Auth.Rand, c.Auth.Logger = c.Now, c.Rand, c.Logger
	if c.Auth.VerifyEmailURL == "" {
		c.Auth.VerifyEmailURL = public.JoinPath("verify_email").String()
	}
	if c.Auth.PasswordResetURL == "" {
		c.Auth.PasswordResetURL = public.JoinPath("reset").String()
	}
	a.origins = http.NewCrossOriginProtection()
	for _, o := range append([]string{public.Scheme + "://" + public.Host}, c.TrustedOrigins...) {
		if err := a.origins.AddTrustedOrigin(o); err != nil {
			return fmt.Errorf("TrustedOrigins: %w", err)
		}
	}
	return nil
}

// register puts every path of the route table into the mux, with and without
// the trailing slash.
func (a *API) register() {
	resources := map[string]*resource{}
	var paths []string
	for _, rt := range a.routes() {
		res, ok := resources[rt.path]
		if !ok {
			res = &resource{path: rt.path, methods: map[string]route{}}
			resources[rt.path] = res
			paths = append(paths, rt.path)
		}
		res.methods[rt.method] = rt
	}
	for _, path := range paths {
		h := a.serve(resources[path])
		a.mux.Handle(path, h)
		a.mux.Handle(path+"/{$}", h)
	}
	a.mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { a.writeError(w, r, errNotFound) })
	a.handler = a.observe(a.guard(http.HandlerFunc(a.route)))
}

// ServeHTTP answers one request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a.handler.ServeHTTP(w, r)
}

// route finds the resource. The mux alone would redirect unclean paths and
// answer unknown ones in plain text.
func (a *API) route(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.Path, a.config.BasePath)
	rawPath, rawOK := strings.CutPrefix(r.URL.RawPath, a.config.BasePath)
	if !ok || !strings.HasPrefix(path, "/") || r.URL.RawPath != "" && !rawOK || r.Method == http.MethodConnect {
		a.writeError(w, r, errNotFound)
		return
	}
	if unclean(path) {
		a.writeError(w, r, errNotFound)
		return
	}
	if a.config.BasePath != "" {
		// The request is a copy already, its URL is the host's.
		inner := *r.URL
		inner.Path, inner.RawPath = path, rawPath
		r.URL = &inner
	}
	a.mux.ServeHTTP(w, r)
}

// unclean reports paths that the mux would redirect.
func unclean(path string) bool {
	return strings.Contains(path, "//") || strings.Contains(path+"/", "/./") || strings.Contains(path+"/", "/../")
}
