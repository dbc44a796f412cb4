// Command embed is a program that was there before its accounts: people take
// notes, sign in by links that are mailed to them, and all of it is in one SQLite
// database. It shows what changes when accounts are added to such a program:
//
//   - The tables of accounts are beside its own, under a prefix (open).
//   - A sign-up makes an account and a row of its own in one transaction (signUp).
//   - Its login is the one that the API goes by (Authenticate).
//   - Its router hands the API the paths that it is for (handler).
//   - What has expired goes once an hour, and a stop is graceful (serve).
//
// The link that would be mailed is printed.
package main

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// keyVariable holds the key that encrypts what the API must be able to read back,
// 32 bytes in base64. It is kept apart from the database.
const keyVariable = "NOTES_ENCRYPTION_KEY"

const (
	headerTimeout = 10 * time.Second
	bodyTimeout   = 30 * time.Second
	stopTimeout   = 10 * time.Second
	tidyEvery     = time.Hour
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv(keyVariable), os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "embed:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends.
func run(ctx context.Context, args []string, key string, stdout, stderr io.Writer) error {
	fs := flag.NewFlagSet("embed", flag.ContinueOnError)
	fs.SetOutput(stderr)
	addr := fs.String("addr", "127.0.0.1:8012", "address to listen on")
	path := fs.String("db", "notes.db", "path of the SQLite file")
	if err := fs.Parse(args); err != nil {
		return err
	}
	c := config{path: *path, publicURL: "http://" + *addr, now: time.Now, log: slog.New(slog.NewTextHandler(stderr, nil))}
	c.deliver = func(to, link string) { fmt.Fprintf(stdout, "mail to %s: %s\n", to, link) }
	var err error
	if c.key, err = base64.StdEncoding.DecodeString(key); err != nil || len(c.key) == 0 {
		return fmt.Errorf("%s must hold 32 random bytes in base64, as of: head -c 32 /dev/urandom | base64", keyVariable)
	}
	a, err := open(ctx, c)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		return errors.Join(err, a.db.Close())
	}
	return a.serve(ctx, l)
}

// serve answers requests until ctx ends. Then it lets those that run finish,
// waits for what is left to be written, and closes the database last.
func (a *app) serve(ctx context.Context, l net.Listener) error {
	server := &http.Server{Handler: a.handler(), ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: bodyTimeout}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	tidied := make(chan struct{})
	go func() {
		defer close(tidied)
		a.tidy(ctx)
	}()
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	a.log.Info("listening", slog.String("addr", l.Addr().String()))
	var err error
	select {
	case err = <-failed:
		stop()
	case <-ctx.Done():
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	err = errors.Join(err, server.Shutdown(stopping), a.api.Auth().Flush(stopping))
	<-tidied
	return errors.Join(err, a.db.Close())
}

// tidy removes what has expired until ctx ends.
func (a *app) tidy(ctx context.Context) {
	tick := time.NewTicker(tidyEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := a.deleteExpired(ctx); err != nil {
				a.log.Error("delete expired", slog.Any("error", err))
			}
		}
	}
}
