package zxcvbn_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth/internal/zxcvbn"
)

// TestMain has the first use happen in several goroutines at once, which only
// the race detector can judge.
func TestMain(m *testing.M) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { zxcvbn.Score("a_new_password") })
	}
	wg.Wait()
	m.Run()
}

func Example() {
	for _, password := range []string{"12345678", "Tr0ub4dour&3", "a_new_password"} {
		fmt.Println(password, zxcvbn.Score(password), zxcvbn.Common(password))
	}
	// Output:
	// 12345678 0 true
	// Tr0ub4dour&3 2 false
	// a_new_password 3 false
}

// golden is what the npm package says about a password. See testdata/make.js.
type golden struct {
	password string
	score    int
	guesses  float64
}

func readGolden(tb testing.TB) []golden {
	tb.Helper()
	text, err := os.ReadFile("testdata/golden.tsv")
	if err != nil {
		tb.Fatal(err)
	}
	var rows []golden
	for line := range strings.Lines(string(text)) {
		f := strings.Split(strings.TrimSuffix(line, "\n"), "\t")
		if len(f) != 3 {
			tb.Fatalf("golden row %q has %d columns, want 3", line, len(f))
		}
		var g golden
		errs := [3]error{json.Unmarshal([]byte(f[0]), &g.password)}
		g.score, errs[1] = strconv.Atoi(f[1])
		g.guesses, errs[2] = strconv.ParseFloat(f[2], 64)
		if errs != [3]error{} {
			tb.Fatalf("golden row %q: %v", line, errs)
		}
		rows = append(rows, g)
	}
	return rows
}

func TestGolden(t *testing.T) {
	rows := readGolden(t)
	if len(rows) < 4000 {
		t.Errorf("got %d golden rows, want at least 4000", len(rows))
	}
	for _, g := range rows {
		if got := zxcvbn.Score(g.password); got != g.score {
			t.Errorf("Score(%q) = %d, want %d", g.password, got, g.score)
		}
		if got := zxcvbn.Guesses(g.password); !(math.Abs(got-g.guesses) <= 1e-9*g.guesses) {
			t.Errorf("Guesses(%q) = %v, want %v", g.password, got, g.guesses)
		}
	}
}

// TestThreshold has the passwords that the least allowed score, 3, must tell
// apart.
func TestThreshold(t *testing.T) {
	for password, want := range map[string]bool{
		"a_new_password": true, "NewSecurePassword123!": true, "mighty-strong-secure-1337!!": true,
		"testpassword12345": true, "123": false, "12345678": false, "": false,
	} {
		if got := zxcvbn.Score(password); got >= 3 != want {
			t.Errorf("Score(%q) = %d; at least 3: want %v", password, got, want)
		}
	}
}

func TestCommon(t *testing.T) {
	for password, want := range map[string]bool{
		"123456": true, "password": true, "PassWord": true, "trustno1": true,
		"": false, " password": false, "password ": false, "trustn": false,
		"clinton": false, "constructor": false, "mighty-strong-secure-1337!!": false, "\xff": false,
	} {
		if got := zxcvbn.Common(password); got != want {
			t.Errorf("Common(%q) = %v, want %v", password, got, want)
		}
	}
}

func TestOnlyFirst100Characters(t *testing.T) {
	random := "v7!Qz_" // repeated below, with the count in between so that it does not repeat
	var b strings.Builder
	for n := range 40 {
		fmt.Fprintf(&b, "%s%d", random, n*n*n)
	}
	long := b.String()
	for _, tail := range []string{"", "x", long, "\xff", "é", strings.Repeat("\U0001f600", 1000)} {
		if got, want := zxcvbn.Guesses(long[:100]+tail), zxcvbn.Guesses(long[:100]); got != want {
			t.Errorf("Guesses of 100 characters and %d bytes more = %v, want %v", len(tail), got, want)
		}
	}
	if less, all := zxcvbn.Guesses(long[:99]), zxcvbn.Guesses(long[:100]); less >= all {
		t.Errorf("Guesses of 99 characters = %v, of 100 %v; want fewer", less, all)
	}
}

func TestInvalidUTF8(t *testing.T) {
	for bad, good := range map[string]string{
		"\xff":            "\ufffd",
		"pass\xc3word":    "pass\ufffdword",
		"\xed\xa0\x80abc": "\ufffd\ufffd\ufffdabc", // a surrogate
		"abc\xf0\x9f":     "abc\ufffd\ufffd",
	} {
		if got, want := zxcvbn.Guesses(bad), zxcvbn.Guesses(good); got != want {
			t.Errorf("Guesses(%q) = %v, want %v as for %q", bad, got, want, good)
		}
	}
}

// TestStricter has what the npm package takes for stronger than it is.
func TestStricter(t *testing.T) {
	if got, want := zxcvbn.Guesses("İstanbul"), zxcvbn.Guesses("istanbul"); got != want {
		t.Errorf("Guesses(%q) = %v, want %v as for istanbul", "İstanbul", got, want)
	}
	if got := zxcvbn.Score("constructor"); got > 1 {
		t.Errorf("Score(%q) = %d, want at most 1", "constructor", got)
	}
}

func TestConcurrentUse(t *testing.T) {
	rows := readGolden(t)[:200]
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, g := range rows {
				if got := zxcvbn.Score(g.password); got != g.score {
					t.Errorf("Score(%q) = %d, want %d", g.password, got, g.score)
				}
				zxcvbn.Common(g.password)
			}
		})
	}
	wg.Wait()
}

func FuzzScore(f *testing.F) {
	for _, s := range []string{
		"", "p4ssw0rd", "1/1/1991", "19911231", "\xff\x00", "abcabcabc", "qWeRtY", "987654", "\U0001f600\n\u2028",
		strings.Repeat("ab1!", 40), strings.Repeat("4@({31!|70$5+%28", 7),
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		score, guesses := zxcvbn.Score(s), zxcvbn.Guesses(s)
		if score < 0 || score > 4 || !(guesses >= 1) || math.IsInf(guesses, 1) {
			t.Errorf("Score(%q) = %d, Guesses = %v; want 0 to 4, and a number from 1", s, score, guesses)
		}
		want := 0
		for _, limit := range []float64{1e3 + 5, 1e6 + 5, 1e8 + 5, 1e10 + 5} {
			if guesses >= limit {
				want++
			}
		}
		if score != want {
			t.Errorf("Score(%q) = %d, and then Guesses = %v, which is a score of %d", s, score, guesses, want)
		}
	})
}

func BenchmarkScore(b *testing.B) {
	for _, bench := range []struct{ name, password string }{
		{"short", "Tr0ub4dour&3"},
		{"typical", "mighty-strong-secure-1337!!"},
		{"words", strings.Repeat("correcthorsebatterystaple", 4)[1:] + "x"},
		{"symbols", strings.Repeat("4@({31!|70$5+%2869[<", 5)},
		{"symbols_and_letters", strings.Repeat("p4@s5w0rd(1|{7[3<$!+%2869", 3) + "m1|7i0n$4@l|z3+10n$!1|7|1"},
		{"repeats", strings.Repeat("a", 49) + "b" + strings.Repeat("a", 50)},
		{"dates", strings.Repeat("1/11/1991.", 9) + "19911111x1"},
		{"too_long", strings.Repeat("4@({31!|70$5+%28", 1<<16)},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				zxcvbn.Score(bench.password)
			}
		})
	}
}
