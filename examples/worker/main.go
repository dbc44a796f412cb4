// Command worker uses accounts without HTTP: it reads reports about signals from
// its input, one JSON object a line, decides by the autonomy configuration of the
// user whether a task may be started in that user's name, and starts it: an issue
// in the repository, made with the token of the installation that the user linked.
//
// It works on the database and with the encryption key of examples/server, at the
// same time as servers do:
//
//	go run ./examples/worker < reports.jsonl
//
// where a line of reports.jsonl is
//
//	{"user": "ann@example.com", "priority": "P1", "team_default": "P2", "repository": "acme/web", "title": "Checkout fails"}
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/signal"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/integrations/github"
	"github.com/hedgerow-dev/hedgerow/storage"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Getenv, os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, getenv func(string) string, in io.Reader, out io.Writer) (err error) {
	fs := flag.NewFlagSet("worker", flag.ContinueOnError)
	path := fs.String("db", "hedgerow.db", "path of the SQLite file of the accounts")
	gitHub := fs.String("github", "https://api.github.com", "where GitHub's API is")
	if err := fs.Parse(args); err != nil {
		return err
	}
	key, err := base64.StdEncoding.DecodeString(getenv("HEDGEROW_ENCRYPTION_KEYS"))
	if err != nil {
		return errors.New("HEDGEROW_ENCRYPTION_KEYS must be one key in base64")
	}
	provider, err := github.New(github.Config{
		ClientID: getenv("HEDGEROW_GITHUB_APP_CLIENT_ID"), PrivateKey: users.Secret(getenv("HEDGEROW_GITHUB_APP_PRIVATE_KEY")), APIURL: *gitHub,
	})
	if err != nil {
		return err
	}
	store, err := sqlite.Open(ctx, *path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	w, err := newWorker(store, key, provider, *gitHub)
	if err != nil {
		return err
	}
	return w.work(ctx, in, out)
}

// callbackURL is where servers finish links. A worker begins none.
const callbackURL = "https://app.example.com/complete/github-link/"

// newWorker puts together the services that a worker needs, on any store.
func newWorker(store storage.Storage, key []byte, provider integrations.Provider, gitHub string) (*worker, error) {
	sealer, err := auth.NewSealer(key)
	if err != nil {
		return nil, err
	}
	accounts := users.NewService(store, users.Config{})
	links, err := integrations.NewService(store, accounts, sealer, integrations.Config{Provider: provider, CallbackURL: callbackURL})
	if err != nil {
		return nil, err
	}
	return &worker{
		accounts: accounts, autonomy: autonomy.NewService(store, accounts), links: links,
		gitHub: gitHub, client: &http.Client{Timeout: 10 * time.Second},
	}, nil
}

// maxReport is the most bytes of one report.
const maxReport = 64 << 10

// work handles one report after another until in or ctx ends. What becomes of a
// report is a line of out; one that fails does not keep up the rest.
func (w *worker) work(ctx context.Context, in io.Reader, out io.Writer) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxReport)
	for lines.Scan() && ctx.Err() == nil {
		var r report
		err := json.Unmarshal(lines.Bytes(), &r)
		outcome := ""
		if err == nil {
			outcome, err = w.handle(ctx, r)
		}
		if err != nil {
			outcome = "failed: " + err.Error()
		}
		if _, err := fmt.Fprintf(out, "%s: %s\n", r.Title, outcome); err != nil {
			return err
		}
	}
	return errors.Join(lines.Err(), ctx.Err())
}
