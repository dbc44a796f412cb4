// Command settings serves a web page on which the owner of an account sees and
// changes all that the API has about it. The page in web/ is plain HTML, CSS and
// ES modules, to be taken into programs of your own: it needs the API on its
// origin and nothing else. Here it comes with accounts in memory, a user to sign
// in as, and a GitHub of its own to link with.
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
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "settings:", err)
		}
		os.Exit(1)
	}
}

const (
	headerTimeout  = 10 * time.Second
	requestTimeout = 30 * time.Second
	stopTimeout    = 10 * time.Second
)

// run serves until ctx ends, then finishes what runs.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("settings", flag.ContinueOnError)
	fs.SetOutput(stderr)
	addr := fs.String("addr", "127.0.0.1:8013", "loopback address to listen on")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unknown argument %q; see -help", fs.Arg(0))
	}
	l, err := listen(*addr)
	if err != nil {
		return fmt.Errorf("-addr: %w", err)
	}
	hub, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(fmt.Errorf("listen for GitHub: %w", err), l.Close())
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	origin := localOrigin(l.Addr())
	d, err := newDemo(ctx, demoConfig{publicURL: origin, gitHubURL: "http://" + hub.Addr().String(), now: time.Now, log: logger})
	if err == nil {
		_, err = fmt.Fprintf(stdout, "Sign in at %s/ as %s with the password %s\n", origin, demoEmail, demoPassword)
	}
	if err != nil {
		return errors.Join(err, l.Close(), hub.Close())
	}
	server, hubServer := newServer(d.handler(), logger), newServer(d.github, logger)
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(l) }()
	go func() { failed <- hubServer.Serve(hub) }()
	select {
	case err := <-failed:
		return errors.Join(err, server.Close(), hubServer.Close())
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return errors.Join(hubServer.Close(), server.Shutdown(stopping), d.api.Auth().Flush(stopping))
}

func newServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// listen opens an address that only this machine reaches, as everybody can read the
// password.
func listen(addr string) (net.Listener, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, err
	}
	if !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("%s is reachable from elsewhere", addr)
	}
	return net.ListenTCP("tcp", tcp)
}

// localOrigin is where a browser on this machine finds the listener. Passkeys want
// a name: browsers have none on an IP address.
func localOrigin(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "http://" + addr.String()
	}
	return "http://" + net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
}
