package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

// TestMain runs the program itself when a test asks for a child process.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "serve" {
		main()
		return
	}
	os.Exit(m.Run())
}

// TestTable measures everything, on few users and for moments.
func TestTable(t *testing.T) {
	var out, log strings.Builder
	err := run(t.Context(), []string{"-users", "200", "-large", "400", "-rounds", "1", "-duration", "10ms"}, &out, &log)
	if err != nil {
		t.Fatalf("run: %v; log:\n%s", err, &log)
	}
	if text := out.String(); strings.Contains(text, "NaN") || strings.Contains(text, "Inf") || !strings.Contains(text, "failed: 0\n") {
		t.Errorf("got a figure that is none, or failed requests:\n%s", text)
	}
	empty := map[string][]int{change.name: {2}, rowCrowded: {4}, rowMemory: {2, 4}, rowStart: {2, 4}}
	rows := map[string][]string{}
	for line := range strings.Lines(out.String()) {
		if cells := strings.Split(line, " | "); len(cells) == len(stores)+1 {
			rows[strings.TrimPrefix(cells[0], "| ")] = cells
		}
	}
	for _, target := range targets() {
		cells, ok := rows[target.row]
		if !ok {
			t.Fatalf("there is no row %q in:\n%s", target.row, &out)
		}
		for i, cell := range cells {
			want := true
			for _, none := range empty[target.row] {
				want = want && i != none
			}
			if has := strings.Trim(cell, " |\n") != ""; has != want {
				t.Errorf("row %q, column %d: got %q, want a figure: %t", target.row, i, cell, want)
			}
		}
	}
}

func TestFlags(t *testing.T) {
	for _, args := range [][]string{{"-users", "10"}, {"-large", "10"}, {"-rounds", "0"}, {"-duration", "0s"}, {"-stores", "oracle"}, {"measure"}, {"serve", "-program", "x"}} {
		var log strings.Builder
		if err := run(t.Context(), args, &log, &log); err == nil {
			t.Errorf("run(%q): got nil, want an error", args)
		}
	}
}

// TestLimitPrograms holds the limit programs to one another: what one keeps in
// memory is what the other reads.
func TestLimitPrograms(t *testing.T) {
	const n = 300
	handlers := map[string]http.Handler{}
	for _, program := range []string{limitSQLite, limitBest} {
		path := filepath.Join(t.TempDir(), "limit.db")
		if err := seedSQLiteTable(t.Context(), path, n); err != nil {
			t.Fatal(err)
		}
		h, stop, err := limitHandler(t.Context(), program, path, n)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := stop(); err != nil {
				t.Error(err)
			}
		})
		handlers[program] = h
	}
	for _, c := range []struct{ method, path, body, want string }{
		{"GET", "/api/users/@me", "", `"email":"user7@example.test"`},
		{"GET", "/api/users?limit=100&offset=0", "", `"theme_mode":"system"`},
		{"GET", "/api/users?email=user299@example.test", "", `"id":299`},
		{"PATCH", "/api/users/@me", `{"theme_mode":"dark"}`, `"theme_mode":"dark"`},
		{"GET", "/api/users/@me", "", `"theme_mode":"dark"`},
		{"GET", "/api/users?limit=100&offset=0", "", `"theme_mode":"dark"`},
		{"GET", "/api/users?limit=100&offset=250", "", `"id":300`},
		{"GET", "/api/users?email=user7@example.test", "", `"theme_mode":"dark"`},
	} {
		var answers []any
		for program, h := range handlers {
			r := httptest.NewRequestWithContext(t.Context(), c.method, c.path, strings.NewReader(c.body))
			r.Header.Set("Authorization", "Bearer "+key(7))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			var answer any
			if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil || !strings.Contains(w.Body.String(), c.want) {
				t.Fatalf("%s %s at %s: got %d, %v, want %s in %.300q", c.method, c.path, program, w.Code, err, c.want, w.Body)
			}
			answers = append(answers, answer)
		}
		if !reflect.DeepEqual(answers[0], answers[1]) {
			t.Errorf("%s %s: the programs give different answers", c.method, c.path)
		}
	}
}

// TestDrive looks at how answers are judged.
func TestDrive(t *testing.T) {
	requests := newRequestsOf(2)
	for name, c := range map[string]struct {
		status     int
		body       string
		exact, bad bool
	}{
		"right":                   {200, `{"email":"user1@example.test"}`, true, false},
		"wrong body":              {200, `{"email":"user9@example.test"}`, true, true},
		"wrong body, not checked": {200, `{"email":"user9@example.test"}`, false, false},
		"refused":                 {401, `{}`, false, true},
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(c.body))
		}))
		l, err := drive(strings.TrimPrefix(server.URL, "http://"), requests, 2, time.Millisecond, c.exact)
		server.Close()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if bad := l.failed > 0 && l.failure != ""; bad != c.bad || !bad && len(l.delays) == 0 {
			t.Errorf("%s: got %d failed requests of %d, %q, want some: %t", name, l.failed, l.failed+len(l.delays), l.failure, c.bad)
		}
	}
	if _, err := drive("127.0.0.1:1", requests, 3, time.Millisecond, false); err == nil || !strings.Contains(err.Error(), "more than there are callers") {
		t.Errorf("drive over more connections than there are callers: got %v, want an error that says so", err)
	}
}

// newRequestsOf are requests by two callers that want the same.
func newRequestsOf(n int) []request {
	rs := profiles(n)
	for i := range rs {
		rs[i].want = rs[0].want
	}
	return rs
}

func TestReport(t *testing.T) {
	st := stores[0]
	ours, theirs := trial{st.ours, false, profile.name, usual}, trial{st.limit, false, profile.name, usual}
	b := bench{samples: map[trial][]sample{
		ours:   {{rate: 50, cpu: 2}, {rate: 80, cpu: 4}, {rate: 10, cpu: 3}},
		theirs: {{rate: 100, cpu: 1}, {rate: 100, cpu: 1}, {rate: 10, cpu: 1}},
	}}
	// The rounds give 0.5, 0.8 and 1 of the rate, and 2, 4 and 3 times the CPU.
	all := []target{
		{profile.name, st, throughput, ours, &theirs, 0.75}, {profile.name, st, throughput, ours, &theirs, 0.9},
		{profile.name, st, cpuTime, ours, &theirs, 2.5},
	}
	want := "0.8 × sqlite-best (≥ 0.75)<br>**0.8** × sqlite-best (≥ 0.9)<br>**3** × sqlite-best, CPU (≤ 2.5)"
	if got := b.cell(all, profile.name, st); got != want {
		t.Errorf("cell:\n got %s\nwant %s", got, want)
	}
}
