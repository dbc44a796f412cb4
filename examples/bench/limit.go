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

// result is what one request is answered with.
type result func(r *http.Request) ([]byte, error)

// mount makes the routes of a limit program.
func mount(me, list, patch result) http.Handler {
	mux := http.NewServeMux()
	for pattern, fn := range map[string]result{"GET /api/users/@me": me, "GET /api/users": list, "PATCH /api/users/@me": patch} {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			body, err := fn(r)
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			w.Header().Set("Content-Type", "application/json")
			w.Header().Set("Content-Length", strconv.Itoa(len(body)))
			// Whoever is gone needs no answer.
			_, _ = w.Write(body)
		})
	}
	return mux
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
	send := func(body []byte) result { return func(*http.Request) ([]byte, error) { return body, nil } }
	list := func(r *http.Request) ([]byte, error) {
		if strings.Contains(r.URL.RawQuery, "email=") {
			return found, nil
		}
		return page, nil
	}
	return mount(send(user), list, func(r *http.Request) ([]byte, error) {
		_, err := theme(r)
		return user, err
	}), nil
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
	return mount(me, list, patch)
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
