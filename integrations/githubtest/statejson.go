package githubtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
)

// Invalid says what is wrong with a state or a fault.
type Invalid struct {
	// Path of the member as a JSON pointer (RFC 6901), such as
	// "/users/octocat/id"; "" is the whole.
	Path   string
	Reason string
}

// Error returns path and reason.
func (i *Invalid) Error() string {
	if i.Path == "" {
		return i.Reason
	}
	return i.Path + ": " + i.Reason
}

func invalid(path, format string, args ...any) error {
	return &Invalid{path, fmt.Sprintf(format, args...)}
}

// below is the path of a member of the object at a path.
func below(path, name string) string {
	return path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
}

// UnmarshalJSON merges the object into s: members that are present replace what
// was there, objects within objects are merged in turn, lists are replaced, and
// "app": null removes the App. An unknown member, one given twice or one of the
// wrong type is an *Invalid, and s keeps its value.
func (s *State) UnmarshalJSON(data []byte) error {
	merged := s.clone()
	err := readObject("", data, map[string]reader{
		"app": func(path string, raw []byte) error {
			if isNull(raw) {
				merged.App = nil
				return nil
			}
			if merged.App == nil {
				merged.App = &App{}
			}
			return merged.App.read(path, raw)
		},
		"users":                      mapOf(merged.Users, (*User).read),
		"installations":              mapOf(merged.Installations, (*Installation).read),
		"branches":                   mapOf(merged.Branches, (*Branches).read),
		"codes":                      mapOf(merged.Codes, (*Code).read),
		"visitor":                    merged.Visitor.read,
		"revoke_installation_tokens": value(&merged.RevokeInstallationTokens),
	})
	if err != nil {
		return err
	}
	if err := merged.check(); err != nil {
		return err
	}
	*s = merged
	return nil
}

func (a *App) read(path string, raw []byte) error {
	return readObject(path, raw, map[string]reader{
		"client_id": value(&a.ClientID), "client_secret": value(&a.ClientSecret), "slug": value(&a.Slug),
		"webhook_secret": value(&a.WebhookSecret), "callback_url": value(&a.CallbackURL),
		"non_expiring_user_tokens": value(&a.NonExpiringUserTokens),
	})
}

func (u *User) read(path string, raw []byte) error {
	return readObject(path, raw, map[string]reader{"id": value(&u.ID), "installations": value(&u.Installations)})
}

func (i *Installation) read(path string, raw []byte) error {
	return readObject(path, raw, map[string]reader{
		"account": func(path string, raw []byte) error {
			if isNull(raw) {
				i.Account = nil
				return nil
			}
			if i.Account == nil {
				i.Account = &Account{}
			}
			a := i.Account
			return readObject(path, raw, map[string]reader{"type": value(&a.Type), "login": value(&a.Login), "id": value(&a.ID)})
		},
		"repository_selection": value(&i.RepositorySelection), "repositories": value(&i.Repositories),
		"deleted": value(&i.Deleted), "suspended": value(&i.Suspended),
	})
}

func (b *Branches) read(path string, raw []byte) error {
	return readObject(path, raw, map[string]reader{"names": value(&b.Names), "default": value(&b.Default)})
}

func (c *Code) read(path string, raw []byte) error {
	return readObject(path, raw, map[string]reader{
		"user": value(&c.User), "redirect_uri": value(&c.RedirectURI), "code_challenge": value(&c.CodeChallenge),
	})
}

func (v *Visitor) read(path string, raw []byte) error {
	return readObject(path, raw, map[string]reader{
		"user": value(&v.User), "installation": value(&v.Installation), "setup_action": value(&v.SetupAction),
		"without_code": value(&v.WithoutCode), "error": value(&v.Error),
	})
}

// MarshalJSON writes a number or a list.
func (r Repositories) MarshalJSON() ([]byte, error) {
	if r.List != nil {
		return json.Marshal(r.List)
	}
	return json.Marshal(r.Count)
}

// UnmarshalJSON reads a number or a list of anything.
func (r *Repositories) UnmarshalJSON(data []byte) error {
	var read Repositories
	if err := json.Unmarshal(data, &read.Count); err != nil {
		if err := json.Unmarshal(data, &read.List); err != nil {
			return errors.New("want a number or a list")
		}
	}
	*r = read
	return nil
}

// reader takes the JSON value at a path.
type reader func(path string, raw []byte) error

// value reads into a field, whose type says what is accepted. Null empties it.
func value[T any](field *T) reader {
	return func(path string, raw []byte) error {
		var read T
		if err := json.Unmarshal(raw, &read); err != nil {
			var wrong *json.UnmarshalTypeError
			if errors.As(err, &wrong) {
				return invalid(path, "want %s, got %s", wrong.Type, wrong.Value)
			}
			return invalid(path, "%v", err)
		}
		*field = read
		return nil
	}
}

// mapOf merges each member of an object into the entry of that name.
func mapOf[V any](entries map[string]V, read func(*V, string, []byte) error) reader {
	return func(path string, raw []byte) error {
		return eachMember(path, raw, func(name, path string, raw []byte) error {
			entry := entries[name]
			if err := read(&entry, path, raw); err != nil {
				return err
			}
			entries[name] = entry
			return nil
		})
	}
}

// readObject gives each member to its reader and refuses unknown ones.
func readObject(path string, raw []byte, members map[string]reader) error {
	return eachMember(path, raw, func(name, path string, raw []byte) error {
		read, ok := members[name]
		if !ok {
			return invalid(path, "unknown member")
		}
		return read(path, raw)
	})
}

// eachMember calls f for each member of an object in order. encoding/json takes
// names in any letter case and twice, so it is not asked for objects.
func eachMember(path string, raw []byte, f func(name, path string, raw []byte) error) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	if open, err := d.Token(); err != nil || open != json.Delim('{') {
		return invalid(path, "want an object")
	}
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return invalid(path, "%v", err)
		}
		name, _ := token.(string) // the decoder lets nothing else stand here
		inner := below(path, name)
		if seen[name] {
			return invalid(inner, "given twice")
		}
		seen[name] = true
		var member json.RawMessage
		if err := d.Decode(&member); err != nil {
			return invalid(inner, "%v", err)
		}
		if err := f(name, inner, member); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return invalid(path, "%v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return invalid(path, "text after the object")
	}
	return nil
}

func isNull(raw []byte) bool { return bytes.Equal(bytes.TrimSpace(raw), []byte("null")) }
