package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/pprof"
	"os"
	"time"
)

// listenerFile is the socket that a child inherits. Whoever connects before the
// child is ready waits in its queue, so that nobody has to ask when it is.
const listenerFile = 3

// serve is the child process: one server, until its input ends, as it does with
// its parent.
func serve(ctx context.Context, args []string) (err error) {
	fs := flag.NewFlagSet("serve", flag.ContinueOnError)
	program := fs.String("program", "", "which server")
	db := fs.String("db", "", "file or DSN of its database")
	n := fs.Int("users", 0, "how many users there are")
	if err := fs.Parse(args); err != nil {
		return err
	}
	handler, stop, err := newHandler(ctx, *program, *db, *n)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stop()) }()
	l, err := net.FileListener(os.NewFile(listenerFile, "listener"))
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("/", handler)
	mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
	const limit = 30 * time.Second
	server := http.Server{Handler: mux, ReadHeaderTimeout: limit, ReadTimeout: limit, WriteTimeout: limit}
	failed := make(chan error, 2)
	go func() { failed <- server.Serve(l) }()
	go func() {
		_, err := io.Copy(io.Discard, os.Stdin)
		failed <- errors.Join(err, server.Close())
	}()
	if err := <-failed; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newHandler returns a server by its name, and what releases its database.
func newHandler(ctx context.Context, program, db string, n int) (http.Handler, func() error, error) {
	switch program {
	case constant:
		h, err := constHandler(n)
		return h, func() error { return nil }, err
	case limitSQLite, limitBest, limitPostgres:
		return limitHandler(ctx, program, db, n)
	case ourMemory, ourSQLite, ourUncached, ourPostgres:
		st, err := openOurs(ctx, program, db, n)
		if err != nil {
			return nil, nil, err
		}
		h, err := ours(st)
		if err != nil {
			return nil, nil, errors.Join(err, st.Close())
		}
		return h, st.Close, nil
	}
	return nil, nil, fmt.Errorf("there is no program %q", program)
}
