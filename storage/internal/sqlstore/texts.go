package sqlstore

import (
	"fmt"
	"reflect"
	"regexp"
	"strconv"
	"sync"

	"github.com/jmoiron/sqlx/reflectx"
)

// texts works out once what the statements of a store are sent as. There are as
// many as are written in this package, and a few dozen forms of Profiles.
type texts struct {
	names    Names
	mapper   *reflectx.Mapper
	rendered sync.Map // from text to text
	bindings sync.Map // from bindingKey to binding
	columns  sync.Map // from bindingKey to the members of a row, for each column of the result
}

// of puts in the names of tables.
func (t *texts) of(text string) string {
	if r, ok := t.rendered.Load(text); ok {
		return r.(string)
	}
	r := t.names.Render(text)
	t.rendered.Store(text, r)
	return r
}

// binding is a text that had parameters like ":name".
type binding struct {
	text    string  // with parameters like "$1"
	members [][]int // of the row, for each of them
}

type bindingKey struct {
	text string
	row  reflect.Type
}

var parameter = regexp.MustCompile(`:[a-z_][a-z0-9_]*`)

// bind returns a text with numbered parameters in place of named ones, and the
// members of row that are called so.
func (t *texts) bind(text string, row any) (string, []any, error) {
	v := reflect.ValueOf(row)
	key := bindingKey{text, v.Type()}
	kept, ok := t.bindings.Load(key)
	if !ok {
		b, err := t.binding(key)
		if err != nil {
			return "", nil, err
		}
		t.bindings.Store(key, b)
		kept = b
	}
	b := kept.(binding)
	args := make([]any, len(b.members))
	for i, index := range b.members {
		args[i] = v.FieldByIndex(index).Interface()
	}
	return b.text, args, nil
}

func (t *texts) binding(key bindingKey) (b binding, err error) {
	row := t.mapper.TypeMap(key.row)
	b.text = parameter.ReplaceAllStringFunc(key.text, func(name string) string {
		member := row.GetByPath(name[1:])
		if member == nil {
			err = fmt.Errorf("%s has no member for %s", key.row, name)
			return name
		}
		b.members = append(b.members, member.Index)
		return "$" + strconv.Itoa(len(b.members))
	})
	return b, err
}
