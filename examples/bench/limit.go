package main

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// keyHash is what a database keeps of an API key.
type keyHash [sha256.Size]byte

func hash(key string) keyHash { return sha256.Sum256([]byte(key)) }

// table is a database of limit programs, in which each method is one statement.
type table interface {
	byKey(ctx context.Context, k keyHash) (*record, error)
	// byID returns the users after the first offset ones.
	byID(ctx context.Context, limit, offset int) ([]*record, error)
	byEmail(ctx context.Context, email string) (*record, error)
	// setTheme is on disk when it returns.
	setTheme(ctx context.Context, k keyHash, theme string) (*record, error)
	Close() error
}

// errKey is for requests without a key that somebody has.
var errKey = errors.New("no such key")

func bearer(r *http.Request) (keyHash, error) {
	key, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return keyHash{}, errKey
	}
	return hash(key), nil
}

// mount makes the routes of a limit program.
func mount(me, list, patch http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/users/@me", me)
	mux.HandleFunc("GET /api/users", list)
	mux.HandleFunc("PATCH /api/users/@me", patch)
	return mux
}

// answer sends what fn returns.
func answer(fn func(r *http.Request) ([]byte, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := fn(r)
		send(w, body, err)
	}
}

func send(w http.ResponseWriter, body []byte, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	// Whoever is gone needs no answer.
	_, _ = w.Write(body)
}

// listing is the answer to a list.
type listing struct {
	Count    int       `json:"count"`
	Next     *string   `json:"next"`
	Previous *string   `json:"previous"`
	Results  []*record `json:"results"`
}

// bounds are those that a request for a page names.
func bounds(r *http.Request) (limit, offset int, err error) {
	q := r.URL.Query()
	limit, badLimit := strconv.Atoi(q.Get("limit"))
	offset, badOffset := strconv.Atoi(q.Get("offset"))
	return limit, offset, errors.Join(badLimit, badOffset)
}

// theme is the new value in a PATCH.
func theme(r *http.Request) (string, error) {
	const most = 1 << 16
	body, err := io.ReadAll(io.LimitReader(r.Body, most))
	if err != nil {
		return "", err
	}
	var v struct {
		Theme string `json:"theme_mode"`
	}
	err = json.Unmarshal(body, &v)
	return v.Theme, err
}

// constHandler does nothing but send bytes, the same for everybody.
func constHandler(n int) (http.Handler, error) {
	all := listing{Count: n}
	for i := range min(n, pageSize) {
		r, err := newRecord(i + 1)
		if err != nil {
			return nil, err
		}
		all.Results = append(all.Results, r)
	}
	user, userErr := json.Marshal(all.Results[0])
	page, pageErr := json.Marshal(all)
	found, foundErr := json.Marshal(listing{Count: 1, Results: all.Results[:1]})
	if err := errors.Join(userErr, pageErr, foundErr); err != nil {
		return nil, err
	}
	me := func(*http.Request) ([]byte, error) { return user, nil }
	list := func(r *http.Request) ([]byte, error) {
		if strings.Contains(r.URL.RawQuery, "email=") {
			return found, nil
		}
		return page, nil
	}
	patch := func(r *http.Request) ([]byte, error) {
		_, err := theme(r)
		return user, err
	}
	return mount(answer(me), answer(list), answer(patch)), nil
}

// tableHandler does what cannot be left out: it hashes the key, reads or writes
// by one prepared statement, and encodes. A list costs a statement more, which
// finds out who asks.
func tableHandler(t table, n int) http.Handler {
	me := func(r *http.Request) ([]byte, error) {
		k, err := bearer(r)
		if err != nil {
			return nil, err
		}
		user, err := t.byKey(r.Context(), k)
		if err != nil {
			return nil, err
		}
		return json.Marshal(user)
	}
	list := func(r *http.Request) ([]byte, error) {
		if _, err := me(r); err != nil {
			return nil, err
		}
		if email := r.URL.Query().Get("email"); email != "" {
			user, err := t.byEmail(r.Context(), email)
			if err != nil {
				return nil, err
			}
			return json.Marshal(listing{Count: 1, Results: []*record{user}})
		}
		limit, offset, err := bounds(r)
		if err != nil {
			return nil, err
		}
		page, err := t.byID(r.Context(), limit, offset)
		if err != nil {
			return nil, err
		}
		return json.Marshal(listing{Count: n, Results: page})
	}
	patch := func(r *http.Request) ([]byte, error) {
		k, err := bearer(r)
		if err != nil {
			return nil, err
		}
		value, err := theme(r)
		if err != nil {
			return nil, err
		}
		user, err := t.setTheme(r.Context(), k, value)
		if err != nil {
			return nil, err
		}
		return json.Marshal(user)
	}
	return mount(answer(me), answer(list), answer(patch))
}

// limitHandler opens a limit program on its database.
func limitHandler(ctx context.Context, program, db string, n int) (http.Handler, func() error, error) {
	if program == limitPostgres {
		t, err := openPostgresTable(ctx, db)
		if err != nil {
			return nil, nil, err
		}
		return tableHandler(t, n), t.Close, nil
	}
	t, err := openSQLiteTable(ctx, db)
	if err != nil {
		return nil, nil, err
	}
	if program == limitSQLite {
		return tableHandler(t, n), t.Close, nil
	}
	b, err := newBest(ctx, t)
	if err != nil {
		return nil, nil, errors.Join(err, t.Close())
	}
	return b.handler(), func() error { b.stop(); return t.Close() }, nil
}
