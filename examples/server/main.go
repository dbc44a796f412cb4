// Command server runs the users API on a SQLite file, with no set-up, or on a
// PostgreSQL database that several processes may share: on an empty database it
// creates a first organization and a staff user, and prints how to call the API.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/auth/mail"
	"github.com/hedgerow-dev/hedgerow/auth/passkey"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/apidocs"
	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
	"github.com/hedgerow-dev/hedgerow/storage/postgres"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "server:", err)
		}
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	addr, db, world, publicURL, logFormat string
	metrics                               string
	accessLog                             bool
	keepEvents                            time.Duration
	identityChange                        auth.IdentityChange
	trustedOrigins                        []string
	trustedProxies                        []netip.Prefix
}

func parse(args []string, stderr io.Writer) (options, []string, error) {
	var o options
	fs := flag.NewFlagSet("server", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&o.addr, "addr", "127.0.0.1:8010", "address to listen on")
	fs.StringVar(&o.db, "db", "hedgerow.db", "where accounts are kept: memory, the path of a SQLite file, or the URL of a PostgreSQL database")
	fs.StringVar(&o.world, "world", "", "world file to load into an empty database")
	fs.StringVar(&o.publicURL, "public-url", "", "origin that clients see (default: the address)")
	fs.TextVar(&o.identityChange, "identity-change", auth.WithPassword, "when keys may change address or password: with_password, documented, session_only")
	fs.StringVar(&o.logFormat, "log-format", "text", "text or json")
	fs.BoolVar(&o.accessLog, "access-log", false, "log every request: template of the path, status, user")
	fs.StringVar(&o.metrics, "metrics", "", "address, such as 127.0.0.1:9010, to serve /metrics for Prometheus on; not for everybody to reach (default: none)")
	fs.DurationVar(&o.keepEvents, "keep-events", 0, "delete lines of the activity log that are older, such as 8760h, and were sent (default: never)")
	fs.Func("trusted-origin", "origin that may send cookie requests; repeatable", func(v string) error {
		o.trustedOrigins = append(o.trustedOrigins, v)
		return nil
	})
	fs.Func("trusted-proxy", "address or network, such as 10.0.0.0/8, of proxies that are believed about X-Forwarded-For; repeatable", func(v string) error {
		proxies, err := parseProxies(v)
		o.trustedProxies = append(o.trustedProxies, proxies)
		return err
	})
	fs.Usage = func() {
		fmt.Fprint(stderr, "usage: server [flags] [command]\n\ncommands: user create EMAIL [PASSWORD] | user list | user deactivate EMAIL | reset-2fa EMAIL |\n"+
			"  key create EMAIL SCOPE... | import [-dry-run] FILE | migrate | backup FILE\n\nflags:\n")
		fs.PrintDefaults()
	}
	if err := fs.Parse(args); err != nil {
		return options{}, nil, err
	}
	if o.keepEvents < 0 {
		return options{}, nil, errors.New("-keep-events: must not be negative")
	}
	if o.publicURL == "" {
		o.publicURL = "http://" + o.addr
	}
	return o, fs.Args(), nil
}

// parseProxies takes one address for the network of it alone.
func parseProxies(text string) (netip.Prefix, error) {
	if addr, err := netip.ParseAddr(text); err == nil {
		return addr.Prefix(addr.BitLen())
	}
	return netip.ParsePrefix(text)
}

// run does what the command line asks for.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	o, command, err := parse(args, stderr)
	if err != nil {
		return err
	}
	logger, err := newLogger(o.logFormat, stderr)
	if err != nil {
		return err
	}
	config := o.config(logger)
	w, err := readWorld(o.world)
	if err != nil {
		return err
	}
	if w != nil {
		w.Configure(&config)
	}
	if len(command) == 0 {
		config.Auth.Passkeys = passkeys(config.PublicURL, logger)
	}
	dashboards := users.DashboardMap{}
	config.Dashboards = dashboards
	store, err := open(ctx, o.db)
	if err != nil {
		return err
	}
	if err := readEnvironment(&config, o.db, logger); err != nil {
		return errors.Join(err, store.Close())
	}
	if config.Auth.Mailer == nil && w != nil && w.Mail() {
		config.Auth.Mailer = mail.NewLog(logger) // nobody is behind the addresses of a world
	}
	var seen watch
	if len(command) == 0 {
		if seen, err = newWatch(o, logger); err != nil {
			return errors.Join(err, store.Close())
		}
		store = seen.wire(&config, store)
	}
	api, err := httpapi.New(store, config)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	feed, err := newFeed(api.Users(), os.Getenv)
	if err != nil {
		return errors.Join(err, store.Close())
	}
	a := app{api: api, watch: seen, feed: feed, gitHub: config.GitHub.Provider != nil, store: store, log: logger, out: stdout, errOut: stderr, options: o, world: w, dashboards: dashboards}
	if len(command) > 0 {
		// What the command has to say by mail leaves after it.
		err = errors.Join(a.command(ctx, command), api.Auth().Flush(ctx))
	} else {
		err = a.serve(ctx)
	}
	return errors.Join(err, store.Close())
}

// readEnvironment adds the settings that are secrets or go with them.
func readEnvironment(c *httpapi.Config, db string, logger *slog.Logger) (err error) {
	if c.EncryptionKeys, err = encryptionKeys(os.Getenv(keysVariable), db, logger); err != nil {
		return err
	}
	if c.Auth.Mailer, err = mailer(os.Getenv(smtpVariable), os.Getenv(fromVariable)); err != nil {
		return err
	}
	return configureGitHub(&c.GitHub, os.Getenv)
}

func newLogger(format string, w io.Writer) (*slog.Logger, error) {
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, nil)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, nil)), nil
	}
	return nil, fmt.Errorf("-log-format: %q is neither text nor json", format)
}

func open(ctx context.Context, db string) (storage.Storage, error) {
	path, _ := strings.CutPrefix(db, "sqlite:")
	switch {
	case db == "memory":
		return memory.New(), nil
	case isPostgres(db):
		return postgres.Open(ctx, db)
	case strings.Contains(path, "://"):
		return nil, fmt.Errorf("-db: %q is neither memory, nor the path of a SQLite file, nor the URL of a PostgreSQL database", shown(db))
	}
	return sqlite.Open(ctx, path)
}

func isPostgres(db string) bool {
	return strings.HasPrefix(db, "postgres://") || strings.HasPrefix(db, "postgresql://")
}

// shown is the database without what a URL may hold of secrets.
func shown(db string) string {
	scheme, rest, ok := strings.Cut(db, "://")
	if !ok {
		return db
	}
	rest, _, _ = strings.Cut(rest, "?")
	return scheme + "://" + rest[strings.LastIndex(rest, "@")+1:]
}

func (o options) config(logger *slog.Logger) httpapi.Config {
	return httpapi.Config{
		PublicURL: o.publicURL, TrustedOrigins: o.trustedOrigins, TrustedProxies: o.trustedProxies, Logger: logger,
		Auth: auth.Config{IdentityChange: o.identityChange}, Docs: apidocs.Files(),
	}
}

// passkeys returns the ceremonies for pages of the public URL, or nil and says so
// where browsers have no passkeys: on an IP address, and without https.
func passkeys(publicURL string, logger *slog.Logger) auth.PasskeyCeremony {
	var config passkey.Config
	if u, err := url.Parse(publicURL); err == nil { // if not, httpapi.New says so
		config = passkey.Config{RPID: u.Hostname(), DisplayName: u.Hostname(), Origins: []string{u.Scheme + "://" + u.Host}}
	}
	c, err := passkey.New(config)
	if err != nil {
		logger.Info("passkeys are off: the public URL must have a domain and https, or localhost", slog.Any("error", err))
		return nil
	}
	return c
}

// app is the running program.
type app struct {
	api     *httpapi.API
	watch   watch
	feed    *users.Feed // nil without a webhook
	gitHub  bool        // there is an App
	store   storage.Storage
	log     *slog.Logger
	out     io.Writer
	errOut  io.Writer
	options options
	world   *httpapitest.World // nil if there is none
	// dashboards is filled before the first request and not changed after.
	dashboards users.DashboardMap
}

const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	stopTimeout   = 10 * time.Second
)

// serve answers requests until ctx ends, then finishes those that run.
func (a *app) serve(ctx context.Context) error {
	if err := a.seed(ctx); err != nil {
		return err
	}
	l, err := net.Listen("tcp", a.options.addr)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler: a.handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout,
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelWarn),
	}
	a.sayWhatIsOff()
	stopMetrics, err := a.watch.serve(a.options.metrics, a.log)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	a.log.Info("listening", slog.String("addr", l.Addr().String()), slog.String("db", shown(a.options.db)))
	go a.tidy(ctx)
	var following sync.WaitGroup
	if a.feed != nil {
		following.Go(func() { a.follow(ctx) })
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
	}
	a.log.Info("stopping")
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err = errors.Join(server.Shutdown(stopping), a.api.Auth().Flush(stopping), stopMetrics(stopping))
	following.Wait() // it keeps how far it is
	return err
}

// sayWhatIsOff tells an operator what is missing.
func (a *app) sayWhatIsOff() {
	if !a.api.Auth().MailConfigured() {
		a.log.Info("mail is not configured: a changed address takes effect at once, and no password can be reset by mail")
	}
	if !a.gitHub {
		a.log.Info("GitHub is not configured: nothing can be linked, and what is linked is not refreshed")
	}
}

// handler adds what an operator needs to the API.
func (a *app) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", a.watch.handler(a.api))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintln(w, "ok")
	})
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if _, err := a.store.Events(r.Context(), users.EventQuery{Limit: 1}); err != nil {
			a.log.Error("not ready", slog.Any("error", err))
			http.Error(w, "the database does not answer", http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	})
	return mux
}
