package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/users"
)

const (
	cookieName    = "notes_login"
	linkLifetime  = 15 * time.Minute
	loginLifetime = 7 * 24 * time.Hour
)

// errHandleTaken says what the unique column does.
var errHandleTaken = &users.Error{Kind: users.Conflict, Code: "unique", Field: "handle", Message: "Somebody has this handle already."}

// Authenticate tells the API who has signed in to the program; it makes app an
// httpapi.Authenticator. The API asks for each request without an Authorization
// header. It decides itself whether the account is active, and whether the login
// is recent enough for a change of the address.
func (a *app) Authenticate(r *http.Request) (httpapi.Login, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return httpapi.Login{}, nil // no cookie, nobody
	}
	var account users.ID
	var at int64
	err = a.db.QueryRowContext(r.Context(), "select account, at from logins where hash = $1 and at > $2",
		hash(cookie.Value), a.now().Add(-loginLifetime).Unix()).Scan(&account, &at)
	if errors.Is(err, sql.ErrNoRows) {
		return httpapi.Login{}, nil
	} else if err != nil {
		return httpapi.Login{}, fmt.Errorf("read login: %w", err)
	}
	return httpapi.Login{User: account, At: time.Unix(at, 0)}, nil
}

// signUp makes an account, the program's own row about it and the link to sign in
// by, all or nothing. While the transaction is open, nobody else can write: a
// password, if there were one, would be hashed before.
func (a *app) signUp(ctx context.Context, email, handle string) (link string, err error) {
	tx, err := a.db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	// After a commit this does nothing.
	defer func() { _ = tx.Rollback() }()
	store := a.store.Tx(tx)
	credentials, err := auth.NewService(store, users.NewService(store, users.Config{Now: a.now}), auth.Config{Now: a.now})
	if err != nil {
		return "", err
	}
	u := users.New()
	u.Email = email
	if u, err = credentials.CreateUser(ctx, u, ""); err != nil {
		return "", err
	}
	result, err := tx.ExecContext(ctx, "insert into members (account, handle) values ($1, $2) on conflict (handle) do nothing", u.ID, handle)
	if err != nil {
		return "", fmt.Errorf("add member: %w", err)
	}
	if n, err := result.RowsAffected(); err != nil || n == 0 {
		return "", errors.Join(err, errHandleTaken)
	}
	if link, err = a.newLink(ctx, tx, u.ID); err != nil {
		return "", err
	}
	return link, tx.Commit()
}

// execer is a database or a transaction.
type execer interface {
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// newLink returns a link that signs in once.
func (a *app) newLink(ctx context.Context, db execer, account users.ID) (string, error) {
	token := rand.Text()
	_, err := db.ExecContext(ctx, "insert into links (hash, account, expires) values ($1, $2, $3)",
		hash(token), account, a.now().Add(linkLifetime).Unix())
	if err != nil {
		return "", fmt.Errorf("add link: %w", err)
	}
	return a.publicURL + "/login/" + token, nil
}

// hash is what the database holds of a secret.
func hash(secret string) []byte {
	sum := sha256.Sum256([]byte(secret))
	return sum[:]
}

func (a *app) handleSignUp(w http.ResponseWriter, r *http.Request) {
	var form struct{ Email, Handle string }
	if !read(w, r, &form) {
		return
	}
	link, err := a.signUp(r.Context(), form.Email, form.Handle)
	if err != nil {
		a.refuse(w, err)
		return
	}
	a.deliver(form.Email, link)
	w.WriteHeader(http.StatusCreated)
}

// handleLogin mails a link to somebody who has an account, and tells nobody
// whether there is one.
func (a *app) handleLogin(w http.ResponseWriter, r *http.Request) {
	var form struct{ Email string }
	if !read(w, r, &form) {
		return
	}
	u, err := a.api.Users().UserByEmail(r.Context(), form.Email)
	if err == nil && u.IsActive {
		var link string
		if link, err = a.newLink(r.Context(), a.db, u.ID); err == nil {
			a.deliver(u.Email, link)
		}
	}
	if err != nil && !errors.Is(err, users.ErrNotFound) {
		a.refuse(w, err)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// handleConfirm spends a link for a cookie.
func (a *app) handleConfirm(w http.ResponseWriter, r *http.Request) {
	var account users.ID
	err := a.db.QueryRowContext(r.Context(), "delete from links where hash = $1 and expires > $2 returning account",
		hash(r.PathValue("token")), a.now().Unix()).Scan(&account)
	if errors.Is(err, sql.ErrNoRows) {
		http.Error(w, "this link is spent or too old", http.StatusNotFound)
		return
	}
	secret := rand.Text()
	if err == nil {
		_, err = a.db.ExecContext(r.Context(), "insert into logins (hash, account, at) values ($1, $2, $3)", hash(secret), account, a.now().Unix())
	}
	if err != nil {
		a.refuse(w, err)
		return
	}
	http.SetCookie(w, &http.Cookie{
		Name: cookieName, Value: secret, Path: "/", MaxAge: int(loginLifetime / time.Second), HttpOnly: true,
		SameSite: http.SameSiteLaxMode, Secure: strings.HasPrefix(a.publicURL, "https:"),
	})
	w.WriteHeader(http.StatusNoContent)
}
