package httpapi_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	gotoken "go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// lastRow is the number of rows in the table "Abuse" of SECURITY.md, and longRows
// are those that need minutes at full size.
const lastRow = 68

var longRows = []string{"R05", "R08", "R28", "R63", "R68"}

// testFunctions are all tests, benchmarks and fuzz targets, by package and name,
// with whether they have a short form.
func testFunctions(t *testing.T) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	files := gotoken.NewFileSet()
	err := filepath.WalkDir("..", func(name string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(name, "_test.go") {
			return err
		}
		file, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		pkg, err := filepath.Rel("..", filepath.Dir(name))
		for _, d := range file.Decls {
			fn, ok := d.(*ast.FuncDecl)
			if !ok || fn.Recv != nil || !regexp.MustCompile(`^(Test|Benchmark|Fuzz)[A-Z]`).MatchString(fn.Name.Name) {
				continue
			}
			sized := false
			ast.Inspect(fn, func(n ast.Node) bool {
				id, ok := n.(*ast.Ident)
				sized = sized || ok && (id.Name == "size" || id.Name == "whole")
				return true
			})
			found[path.Join(filepath.ToSlash(pkg), fn.Name.Name)] = sized
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// abuseTable reads the table: the tests of each row, in the order of the rows.
func abuseTable(t *testing.T) (rows []string, tests map[string][]string, text string) {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join("..", "SECURITY.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests = map[string][]string{}
	for _, m := range regexp.MustCompile(`(?m)^\| (R\d+) \| ([^|]{20,}) \| ([^|]+) \|$`).FindAllStringSubmatch(string(raw), -1) {
		rows = append(rows, m[1])
		for name := range strings.FieldsSeq(m[3]) {
			name = strings.Trim(name, "`")
			if pkg, fn, ok := strings.Cut(name, "."); ok {
				name = pkg + "/" + fn
			} else {
				name = "httpapi/" + name
			}
			tests[m[1]] = append(tests[m[1]], name)
		}
	}
	return rows, tests, string(raw)
}

// TestAbuseTable: the table has each row once and names tests that exist, and has
// all tests that are named after a row.
func TestAbuseTable(t *testing.T) {
	rows, tests, _ := abuseTable(t)
	var want []string
	for n := range lastRow {
		want = append(want, fmt.Sprintf("R%02d", n+1))
	}
	if !slices.Equal(rows, want) {
		t.Errorf("the table has the rows %v, want %v", rows, want)
	}
	functions := testFunctions(t)
	for row, names := range tests {
		for _, name := range names {
			if _, ok := functions[name]; !ok {
				t.Errorf("%s names %s, which does not exist", row, name)
			}
		}
	}
	for name := range functions {
		if m := regexp.MustCompile(`/Test(R\d\d)[A-Z]`).FindStringSubmatch(name); m != nil && !slices.Contains(tests[m[1]], name) {
			t.Errorf("%s lacks the test %s", m[1], name)
		}
	}
}

// TestAbuseCommands: a documented command runs the whole form of each long row, and
// of every test that has one.
func TestAbuseCommands(t *testing.T) {
	_, tests, text := abuseTable(t)
	patterns := map[string]*regexp.Regexp{}
	for option, expression := range map[string]string{"-whole": `(?m)^go test ./httpapi -run '([^']+)' -whole -timeout \w+$`, "-bench": `(?m)^go test ./httpapi -run '\^\$' -bench (\w+) -benchtime 2000x -timeout \w+$`} {
		m := regexp.MustCompile(expression).FindAllStringSubmatch(text, -1)
		if len(m) == 0 {
			t.Fatalf("there is no command with %s", option)
		}
		patterns[option] = regexp.MustCompile(m[len(m)-1][1])
	}
	functions := testFunctions(t)
	for _, row := range longRows {
		if !slices.ContainsFunc(tests[row], func(name string) bool {
			return functions[name] && patterns["-whole"].MatchString(name) || strings.Contains(name, "/Benchmark") && patterns["-bench"].MatchString(name)
		}) {
			t.Errorf("no command runs the whole of %s", row)
		}
		if !slices.ContainsFunc(tests[row], func(name string) bool { return strings.HasPrefix(name, "httpapi/Test"+row) }) {
			t.Errorf("%s has no short form", row)
		}
	}
	for name, sized := range functions {
		if sized && strings.HasPrefix(name, "httpapi/TestR") && !patterns["-whole"].MatchString(name) {
			t.Errorf("no command runs the whole of %s", name)
		}
	}
}
