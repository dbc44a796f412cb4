package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
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
	rows := map[string][]string{}
	for line := range strings.Lines(out.String()) {
		cells := strings.Split(strings.Trim(line, "| \n"), " | ")
		rows[strings.Join(cells[:min(len(cells), 4)], " ")] = cells
	}
	for _, r := range trialsOf(targets()) {
		checkTrial(t, r, rows)
	}
	checkTargets(t, out.String())
	if !strings.Contains(out.String(), "Requests that failed: 0\n") {
		t.Errorf("requests failed; log:\n%s", &log)
	}
}

// checkTrial looks for the figures of a trial. CPU time comes in hundredths of a
// second, and may be zero of such a short one.
func checkTrial(t *testing.T, r trial, rows map[string][]string) {
	t.Helper()
	if r.workload == "" {
		return
	}
	n := 200
	if r.large {
		n = 400
	}
	name := fmt.Sprintf("%s %d %s %d", r.server, n, r.workload, r.connections)
	cells, ok := rows[name]
	if !ok || len(cells) != 9 {
		t.Errorf("the trial %s: got the cells %q, want 9", name, cells)
		return
	}
	for _, i := range []int{4, 6, 7, 8} {
		if v, err := strconv.ParseFloat(cells[i], 64); err != nil || v <= 0 {
			t.Errorf("the trial %s: got %q in cell %d, want a positive number", name, cells[i], i)
		}
	}
}

// checkTargets looks for what every target asks for in the cell of its row and
// store.
func checkTargets(t *testing.T, table string) {
	t.Helper()
	b := bench{options: options{users: 200, large: 400}}
	for _, target := range targets() {
		i := slices.Index(stores, target.store)
		found := false
		for line := range strings.Lines(table) {
			cells := strings.Split(line, " | ")
			if len(cells) == len(stores)+1 && cells[0] == "| "+target.row {
				cell := cells[i+1]
				found = strings.Contains(cell, b.subject(target)) && (target.row != rowLarge || strings.Contains(cell, target.ours.workload))
			}
		}
		if !found {
			t.Errorf("row %s, %s: want a figure %s in:\n%s", target.row, target.store.name, b.subject(target), table)
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

// TestSizes holds what limit programs send to the size of our answers.
func TestSizes(t *testing.T) {
	const n = 300
	limit, err := constHandler(n)
	if err != nil {
		t.Fatal(err)
	}
	st, err := openOurs(t.Context(), ourMemory, "", n)
	if err != nil {
		t.Fatal(err)
	}
	api, err := ours(st)
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/users/@me", "/api/users?limit=100&offset=0", "/api/users?email=user7@example.test"} {
		var sizes []float64
		for _, h := range []http.Handler{api, limit} {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, http.NoBody)
			r.Header.Set("Authorization", "Bearer "+key(1))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusOK {
				t.Fatalf("GET %s: got %d %s", path, w.Code, w.Body)
			}
			sizes = append(sizes, float64(w.Body.Len()))
		}
		if ratio := sizes[1] / sizes[0]; ratio < 0.97 || ratio > 1.03 {
			t.Errorf("GET %s: the limit program sends %v bytes, want the %v of ours, more or less", path, sizes[1], sizes[0])
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
