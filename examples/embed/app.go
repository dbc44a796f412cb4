package main

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
	"github.com/hedgerow-dev/hedgerow/users"
)

type config struct {
	path, publicURL string
	key             []byte
	now             func() time.Time
	log             *slog.Logger
	deliver         func(to, link string) // mails a link
}

// app is the program.
type app struct {
	config
	db    *sql.DB
	store *sqlite.Store // accounts, in db
	api   *httpapi.API
}

// accounts is how the tables of accounts are called in the program's database:
// accounts_users and so on.
var accounts = sqlite.Config{TablePrefix: "accounts_"}

// schema has the program's own tables. What belongs to an account refers to it,
// and goes when somebody deletes the account through the API.
const schema = `
create table if not exists members (
	account integer primary key references accounts_users on delete cascade,
	handle text not null unique
);
create table if not exists notes (
	id integer primary key,
	account integer not null references members on delete cascade,
	text text not null
);
create table if not exists links (
	hash blob primary key,
	account integer not null references members on delete cascade,
	expires integer not null
);
create table if not exists logins (
	hash blob primary key,
	account integer not null references members on delete cascade,
	at integer not null
);`

// open opens the program's database, with the tables of accounts in it, and
// mounts the API on the same handle.
func open(ctx context.Context, c config) (*app, error) {
	db, err := sql.Open("sqlite", "file:"+c.path+"?"+sqlite.HostSettings)
	if err != nil {
		return nil, err
	}
	a := &app{config: c, db: db}
	if err := a.mount(ctx); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return a, nil
}

func (a *app) mount(ctx context.Context) (err error) {
	if err := sqlite.Migrate(ctx, a.db, accounts); err != nil {
		return err
	}
	if _, err := a.db.ExecContext(ctx, schema); err != nil {
		return err
	}
	if a.store, err = sqlite.New(ctx, a.db, accounts); err != nil {
		return err
	}
	a.api, err = httpapi.New(a.store, httpapi.Config{
		PublicURL: a.publicURL, EncryptionKeys: [][]byte{a.key}, Authenticator: a, Now: a.now, Logger: a.log,
	})
	return err
}

// handler is the program's router. The API gets the paths of users and of their
// keys, each with and without the slash; its login is not mounted, as the program
// has one. Requests from other origins are the API's own business below these
// paths: it refuses them if they come with the program's cookie, and takes them
// with a key.
func (a *app) handler() http.Handler {
	own := http.NewServeMux()
	own.HandleFunc("POST /signup", a.handleSignUp)
	own.HandleFunc("POST /login", a.handleLogin)
	own.HandleFunc("POST /login/{token}", a.handleConfirm)
	own.HandleFunc("GET /notes", a.member(a.listNotes))
	own.HandleFunc("POST /notes", a.member(a.addNote))
	mux := http.NewServeMux()
	mux.Handle("/", http.NewCrossOriginProtection().Handler(own))
	for _, path := range []string{"/api/users", "/api/personal_api_keys"} {
		mux.Handle(path, a.api)
		mux.Handle(path+"/", a.api)
	}
	return mux
}

// member lets only those in who are signed in, and whose account is active.
func (a *app) member(next func(http.ResponseWriter, *http.Request, users.ID)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		login, err := a.Authenticate(r)
		if err != nil {
			a.refuse(w, err)
			return
		}
		principal, err := a.api.Auth().HostSession(r.Context(), login.User, login.At, login.SecondFactor)
		if errors.Is(err, auth.ErrNotAuthenticated) {
			http.Error(w, "sign in first", http.StatusUnauthorized)
			return
		} else if err != nil {
			a.refuse(w, err)
			return
		}
		next(w, r, principal.User.ID)
	}
}

func (a *app) addNote(w http.ResponseWriter, r *http.Request, account users.ID) {
	var note struct{ Text string }
	if !read(w, r, &note) {
		return
	}
	if _, err := a.db.ExecContext(r.Context(), "insert into notes (account, text) values ($1, $2)", account, note.Text); err != nil {
		a.refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusCreated)
}

// listNotes joins the program's rows with what the API knows of their author.
func (a *app) listNotes(w http.ResponseWriter, r *http.Request, account users.ID) {
	author, err := a.api.Users().User(r.Context(), account)
	if err != nil {
		a.refuse(w, err)
		return
	}
	var list struct {
		Author string   `json:"author"`
		Notes  []string `json:"notes"`
	}
	list.Author = author.FirstName
	rows, err := a.db.QueryContext(r.Context(), "select text from notes where account = $1 order by id", account)
	if err != nil {
		a.refuse(w, err)
		return
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			a.refuse(w, err)
			return
		}
		list.Notes = append(list.Notes, text)
	}
	if err := rows.Err(); err != nil {
		a.refuse(w, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(list); err != nil {
		a.log.Info("answer not sent", slog.Any("error", err))
	}
}

// maxBody is the most bytes that the program reads of a request.
const maxBody = 64 << 10

// read reads a body, or answers that it is none.
func read(w http.ResponseWriter, r *http.Request, body any) bool {
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(body); err != nil {
		http.Error(w, "the body is not what it should be", http.StatusBadRequest)
		return false
	}
	return true
}

// refuse answers with what a person can do something about; the rest is logged.
// Refusals of accounts are a users.Error.
func (a *app) refuse(w http.ResponseWriter, err error) {
	var refusal *users.Error
	if errors.As(err, &refusal) {
		http.Error(w, refusal.Message, http.StatusBadRequest)
		return
	}
	a.log.Error("request", slog.Any("error", err))
	http.Error(w, "this did not work", http.StatusInternalServerError)
}

// deleteExpired removes what has expired: of accounts, and of the program's own.
func (a *app) deleteExpired(ctx context.Context) error {
	_, err := a.api.Auth().DeleteExpired(ctx)
	_, linkErr := a.api.Integrations().DeleteExpired(ctx)
	_, ownErr := a.db.ExecContext(ctx, "delete from links where expires <= $1", a.now().Unix())
	_, loginErr := a.db.ExecContext(ctx, "delete from logins where at <= $1", a.now().Add(-loginLifetime).Unix())
	if err := errors.Join(err, linkErr, ownErr, loginErr); err != nil {
		return fmt.Errorf("delete expired: %w", err)
	}
	return nil
}
