package cached_test

import (
	"maps"
	"reflect"
	"slices"
	"testing"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/autonomy"
	"github.com/hedgerow-dev/hedgerow/integrations"
	"github.com/hedgerow-dev/hedgerow/users"
)

// TestMethods has each new method of a transaction be thought about: is what it
// changes shown by a profile or a credential? If so, package cached has to record
// it, and either way TestRandom has to use it.
func TestMethods(t *testing.T) {
	names := func(shown, unseen any) (list []string) {
		for _, table := range []any{shown, unseen} {
			for _, name := range reflect.ValueOf(table).MapKeys() {
				list = append(list, name.String())
			}
		}
		return list
	}
	for _, domain := range []struct {
		tx     reflect.Type
		others []reflect.Type // whose methods are no changes, or are listed elsewhere
		listed []string
	}{
		{reflect.TypeFor[users.Tx](), []reflect.Type{reflect.TypeFor[users.Reader]()}, names(shownOfUsers(), unseenOfUsers())},
		{reflect.TypeFor[auth.Tx](), []reflect.Type{reflect.TypeFor[auth.Reader](), reflect.TypeFor[users.Tx]()}, names(shownOfAuth(), unseenOfAuth())},
		{reflect.TypeFor[autonomy.Tx](), []reflect.Type{reflect.TypeFor[autonomy.Reader](), reflect.TypeFor[users.Tx]()}, names(map[string]bool{}, unseenOfAutonomy())},
		{reflect.TypeFor[integrations.Tx](), []reflect.Type{reflect.TypeFor[integrations.Reader](), reflect.TypeFor[users.Tx]()},
			names(map[string]bool{}, unseenOfIntegrations())},
	} {
		changes := methods(domain.tx)
		for _, other := range domain.others {
			maps.DeleteFunc(changes, func(name string, _ bool) bool { return methods(other)[name] })
		}
		got, want := slices.Sorted(maps.Keys(changes)), slices.Sorted(slices.Values(domain.listed))
		if !slices.Equal(got, want) {
			t.Errorf("%v changes with\n %v, but the tests list\n %v", domain.tx, got, want)
		}
	}
}

func methods(of reflect.Type) map[string]bool {
	names := map[string]bool{}
	for i := range of.NumMethod() {
		names[of.Method(i).Name] = true
	}
	return names
}
