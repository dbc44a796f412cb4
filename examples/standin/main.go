// Command standin serves the users API for tests of clients in any language: in
// memory, with a clock that moves only when told, captured mail, a GitHub of
// its own, and control endpoints under /_standin/ that set up what a test needs.
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

	"github.com/hedgerow-dev/hedgerow/httpapi/httpapitest"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "standin:", err)
		}
		os.Exit(1)
	}
}

const (
	requestTimeout = 30 * time.Second
	stopTimeout    = 10 * time.Second
)

// run serves until ctx ends, then finishes what runs.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("standin", flag.ContinueOnError)
	fs.SetOutput(stderr)
	addr := fs.String("addr", "127.0.0.1:8011", "address to listen on")
	remote := fs.Bool("allow-remote", false, "listen on other addresses than the loopback one: whoever reaches them may do anything")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("unknown argument %q; see -help", fs.Arg(0))
	}
	l, err := listen(*addr, *remote)
	if err != nil {
		return err
	}
	hub, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(fmt.Errorf("listen for GitHub: %w", err), l.Close())
	}
	logger := slog.New(slog.NewTextHandler(stderr, nil))
	base, hubBase := baseURL(l.Addr()), baseURL(hub.Addr())
	standin, err := httpapitest.NewStandin(httpapitest.Config{PublicURL: base, GitHubURL: hubBase, AllowRemote: *remote, Logger: logger})
	if err == nil {
		_, err = fmt.Fprintf(stdout, "The stand-in is at %s\nIts GitHub is at %s\n", base, hubBase)
	}
	if err != nil {
		return errors.Join(err, l.Close(), hub.Close())
	}
	server, hubServer := newServer(standin, logger), newServer(standin.GitHub(), logger)
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
	// Nobody must wait for a GitHub that does not answer.
	return errors.Join(hubServer.Close(), server.Shutdown(stopping), standin.Flush(stopping))
}

func newServer(h http.Handler, logger *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ReadHeaderTimeout: requestTimeout, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout,
		ErrorLog: slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
	}
}

// listen opens the address, which must be the loopback one unless remote. A name
// is looked up once, so that what was judged is what is opened.
func listen(addr string, remote bool) (net.Listener, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("-addr: %w", err)
	}
	if !remote && !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("-addr: %s is reachable from elsewhere, and the control endpoints let everybody do anything; -allow-remote permits it", addr)
	}
	l, err := net.ListenTCP("tcp", tcp)
	if err != nil {
		return nil, fmt.Errorf("-addr: %w", err)
	}
	return l, nil
}

// baseURL is where clients on this machine find the listener.
func baseURL(addr net.Addr) string {
	if tcp, ok := addr.(*net.TCPAddr); ok && tcp.IP.IsUnspecified() {
		return "http://" + net.JoinHostPort("localhost", strconv.Itoa(tcp.Port))
	}
	return "http://" + addr.String()
}
