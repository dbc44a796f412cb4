package httpapi_test

import (
	"bytes"
	"cmp"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// fidelityFile says for each documented status and member which test has seen it.
const fidelityFile = "../docs/fidelity.md"

// witnessed is what the exchanges of all tests had of the document. It is a variable
// because it outlives each of them; TestMain reads it.
var witnessed = &fidelity{tests: map[string]map[string]bool{}}

// fidelity has the names of tests by item, which is a row of the table.
type fidelity struct {
	mu    sync.Mutex
	tests map[string]map[string]bool
}

// add says that a test has seen an item.
func (c *fidelity) add(item, test string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tests[item] == nil {
		c.tests[item] = map[string]bool{}
	}
	c.tests[item][test] = true
}

// record adds what a test has exchanged: status and members of the answer, and the
// members of a request that was accepted. Random tests need not see it next time.
func (c *fidelity) record(d *document, test, base string, x exchange) {
	test, _, _ = strings.Cut(test, "/")
	if strings.HasPrefix(test, "Fuzz") || test == "TestStoresAgree" || test == "TestLinearizable" {
		return
	}
	path, _, known := d.find(base, x.request)
	op, declared := d.at(d.root, "paths", path, strings.ToLower(x.request.Method))
	if !known || !declared {
		return
	}
	name := x.request.Method + " " + path
	if item, ok := statusItem(op, name, strconv.Itoa(x.status)); ok {
		c.add(item, test)
	}
	response, _ := d.at(op, "responses", strconv.Itoa(x.status))
	c.recordBody(d, response, x.body, func(member string) { c.add(memberItem(name, member, "answered"), test) })
	if body, ok := d.at(op, "requestBody"); ok && x.status < 400 {
		c.recordBody(d, body, x.sent, func(member string) { c.add(memberItem(name, member, "accepted"), test) })
	}
}

func (c *fidelity) recordBody(d *document, around node, body []byte, visit func(string)) {
	schema, declared := d.at(around, "content", "application/json", "schema")
	if v, err := jsonschema.UnmarshalJSON(bytes.NewReader(body)); declared && err == nil {
		d.members(schema, &v, map[string]bool{}, visit)
	}
}

// commonAnswers are those that one place makes for all operations, so that they
// have one row for all.
var commonAnswers = []string{"NotAcceptable", "InternalError", "Unavailable"}

// statusItem names a status that an operation declares.
func statusItem(op node, operation, status string) (item string, declared bool) {
	responses, _ := op.members["responses"].(map[string]any)
	response, declared := responses[status].(map[string]any)
	ref, _ := response["$ref"].(string)
	if slices.Contains(commonAnswers, strings.TrimPrefix(ref, "#/components/responses/")) {
		operation = "any operation"
	}
	return "`" + operation + "` " + status, declared
}

// memberItem names a member by the component that declares it, or else by the
// operation.
func memberItem(operation, pointer, how string) string {
	name, component := strings.CutPrefix(pointer, "/components/schemas/")
	if name = strings.ReplaceAll(name, "/properties/", "."); component {
		return "`" + name + "` " + how
	}
	_, inline, _ := strings.Cut(pointer, "/schema")
	return "`" + operation + "` `" + strings.TrimPrefix(strings.ReplaceAll(inline, "/properties/", "."), ".") + "` " + how
}

// members visits the pointers of all members that a schema declares, or of those
// that a value has, unless that is nil.
func (d *document) members(schema node, value *any, above map[string]bool, visit func(pointer string)) {
	if ref, ok := schema.members["$ref"].(string); ok && !above[ref] {
		above = maps.Clone(above)
		above[ref] = true
		if target, ok := d.at(d.root, strings.Split(strings.TrimPrefix(ref, "#/"), "/")...); ok {
			d.members(target, value, above, visit)
		}
	}
	for _, join := range []string{"allOf", "anyOf", "oneOf"} {
		parts, _ := schema.members[join].([]any)
		for i, part := range parts {
			if m, ok := part.(map[string]any); ok {
				d.members(node{m, fmt.Sprintf("%s/%s/%d", schema.pointer, join, i)}, value, above, visit)
			}
		}
	}
	if items, ok := d.at(schema, "items"); ok {
		d.elements(items, value, above, visit)
	}
	properties, _ := schema.members["properties"].(map[string]any)
	for name, declared := range properties {
		property, ok := declared.(map[string]any)
		inner, has := memberOf(value, name)
		if ok && has {
			pointer := schema.pointer + "/properties/" + name
			visit(pointer)
			d.members(node{property, pointer}, inner, above, visit)
		}
	}
}

// elements visits the members of what is in a list.
func (d *document) elements(items node, value *any, above map[string]bool, visit func(string)) {
	if value == nil {
		d.members(items, nil, above, visit)
		return
	}
	list, _ := (*value).([]any)
	for i := range list {
		d.members(items, &list[i], above, visit)
	}
}

// memberOf returns the member of an object. Of no value in particular each is there.
func memberOf(value *any, name string) (*any, bool) {
	if value == nil {
		return nil, true
	}
	object, _ := (*value).(map[string]any)
	inner, ok := object[name]
	return &inner, ok
}

// items lists what the document says, in the order of the table.
func (d *document) items() []string {
	var statuses, members []string
	for key, op := range d.operations() {
		if key[0] == "*" {
			continue
		}
		name := key[0] + " " + key[1]
		responses, _ := d.at(op, "responses")
		for status := range responses.members {
			item, _ := statusItem(op, name, status)
			statuses = append(statuses, item)
			if schema, ok := d.at(responses, status, "content", "application/json", "schema"); ok {
				d.members(schema, nil, map[string]bool{}, func(p string) { members = append(members, memberItem(name, p, "answered")) })
			}
		}
		if schema, ok := d.at(op, "requestBody", "content", "application/json", "schema"); ok {
			d.members(schema, nil, map[string]bool{}, func(p string) { members = append(members, memberItem(name, p, "accepted")) })
		}
	}
	byPath := func(a, b string) int {
		_, pathA, _ := strings.Cut(a, " ")
		_, pathB, _ := strings.Cut(b, " ")
		return cmp.Or(cmp.Compare(pathA, pathB), cmp.Compare(a, b))
	}
	slices.SortFunc(statuses, byPath)
	slices.Sort(members)
	return append(slices.Compact(statuses), slices.Compact(members)...)
}

// chosen returns a test that has seen an item: the one that stands in the table, if
// that is still so, otherwise the one that has seen the least, which is most likely
// to be about it. Unless the table is written anew, "none" stays.
func (c *fidelity) chosen(item, before string, rewrite bool, sizes map[string]int) string {
	if c.tests[item][before] || !rewrite && before == nobody {
		return before
	}
	return slices.MinFunc(append(slices.Sorted(maps.Keys(c.tests[item])), nobody), func(a, b string) int {
		return cmp.Compare(sizes[a], sizes[b])
	})
}

// nobody stands for a test where there is none.
const nobody = "none"

const fidelityHead = `# What is documented, and which test has seen it

Each status of each operation and each member of the bodies in [` + "`httpapi/openapi.yaml`" + `](../httpapi/openapi.yaml), with one test of
[` + "`httpapi`" + `](../httpapi) that had the API answer it, or accept it in a request. Every answer in these tests is checked against the document. A member
is named after the schema that declares it. Answers that one place makes for all operations have one row. "none" means that, when the table was written, no test that is the same each time had seen it.

` + "`go test ./httpapi`" + ` checks this table when it runs whole, and ` + "`go test ./httpapi -update`" + ` writes it.

| documented | test |
|---|---|
`

// checkFidelity compares the table with what the tests have seen, or writes it.
func checkFidelity(c *fidelity, d *document, rewrite bool) error {
	text, err := os.ReadFile(fidelityFile)
	if err != nil && !(rewrite && errors.Is(err, fs.ErrNotExist)) {
		return err
	}
	before, sizes := fidelityRows(string(text)), map[string]int{nobody: 1 << 30}
	for _, tests := range c.tests {
		for test := range tests {
			sizes[test]++
		}
	}
	var table strings.Builder
	table.WriteString(fidelityHead)
	for _, item := range d.items() {
		fmt.Fprintf(&table, "| %s | `%s` |\n", item, c.chosen(item, before[item], rewrite, sizes))
	}
	if rewrite {
		return os.WriteFile(fidelityFile, []byte(table.String()), 0o644)
	}
	if table.String() != string(text) {
		return fmt.Errorf("%s is not what the tests have seen; go test ./httpapi -update writes it", fidelityFile)
	}
	return nil
}

// fidelityRows reads a table: the name of the test by item.
func fidelityRows(text string) map[string]string {
	rows := map[string]string{}
	for line := range strings.Lines(text) {
		if cells := strings.Split(line, " | "); len(cells) == 2 {
			rows[strings.TrimPrefix(cells[0], "| ")] = strings.Trim(cells[1], "` |\n")
		}
	}
	return rows
}

// TestFidelityIsChecked plants what must be found: a test that no longer sees what
// the table says, and an operation that the table lacks.
func TestFidelityIsChecked(t *testing.T) {
	if *update {
		return // the table is about to be written anew
	}
	text, err := os.ReadFile(fidelityFile)
	if err != nil {
		t.Fatal(err)
	}
	c := &fidelity{tests: map[string]map[string]bool{}}
	for item, test := range fidelityRows(string(text)) {
		if test != nobody {
			c.add(item, test)
		}
	}
	if err := checkFidelity(c, ourDocument(t), false); err != nil {
		t.Fatalf("before anything was planted: %v", err)
	}
	if err := checkFidelity(c, doctored(t, "\n  /api/logout:\n", "\n  /api/sign_out:\n"), false); err == nil {
		t.Error("an operation that the table lacks was not found")
	}
	delete(c.tests, "`User.email` answered")
	if err := checkFidelity(c, ourDocument(t), false); err == nil {
		t.Error("a test that no longer sees what the table says was not found")
	}
}

// ranWhole reports whether all tests have run, in this process.
func ranWhole() bool {
	for _, name := range []string{"test.run", "test.skip", "test.fuzz", "test.list"} {
		if flag.Lookup(name).Value.String() != "" {
			return false
		}
	}
	return !*processes
}
