package zxcvbn_test

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth/internal/zxcvbn"
)

func ExampleScore() {
	fmt.Println(zxcvbn.Score("12345678"), zxcvbn.Score("a_new_password"))
	// Output: 0 3
}

// TestGolden compares with the scores of the original, testdata/make.js.
func TestGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/golden.tsv")
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(golden), "\n"), "\n")
	if len(lines) < 3000 {
		t.Fatalf("got %d golden lines, want thousands", len(lines))
	}
	for _, line := range lines {
		f := strings.Split(line, "\t")
		score, _ := strconv.Atoi(f[1])
		log10, _ := strconv.ParseFloat(f[2], 64)
		if got := zxcvbn.Score(f[0]); got != score {
			t.Errorf("Score(%q) = %d, want %d", f[0], got, score)
		}
		if got := math.Log10(zxcvbn.Guesses(f[0])); math.Abs(got-log10) > 1e-6 {
			t.Errorf("log10(Guesses(%q)) = %v, want %v", f[0], got, log10)
		}
	}
}

func TestCommon(t *testing.T) {
	if !zxcvbn.Common("PassWord") || zxcvbn.Common("mighty-strong-secure-1337!!") {
		t.Error("Common does not tell a common password from another")
	}
}

func FuzzScore(f *testing.F) {
	for _, s := range []string{"", "p4ssw0rd", "1/1/1991", "\xff\x00", strings.Repeat("ab1!", 40)} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		got := zxcvbn.Score(s)
		if got < 0 || got > 4 || got != zxcvbn.Score(s) {
			t.Errorf("Score(%q) = %d, and then %d", s, got, zxcvbn.Score(s))
		}
	})
}

func BenchmarkScore(b *testing.B) {
	for name, s := range map[string]string{"typical": "mighty-strong-secure-1337!!", "long": strings.Repeat("4@({31!|70$5+%28", 7)} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				zxcvbn.Score(s)
			}
		})
	}
}
