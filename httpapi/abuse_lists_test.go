package httpapi_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/integrations"
)

// TestR46Walk: whoever was there when a walk began is met once, however many come
// meanwhile; and odd positions are no way to more or to elsewhere.
func TestR46Walk(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		boss, _ := crowd(e)
		for _, slash := range []string{"", "/"} {
			present, _, _, _ := e.list("", boss)
			var met []string
			at := "/api/users" + slash + "?limit=2"
			for n := 0; at != "" && n < 100; n++ {
				if n < 5 {
					e.user(fmt.Sprintf("late%d%d", len(slash), n))
				}
				page := e.do("GET", at, "", boss).ok(200).json()
				for _, u := range page["results"].([]any) {
					met = append(met, strings.TrimSuffix(u.(map[string]any)["email"].(string), "@example.com"))
				}
				next, _ := page["next"].(string)
				if at = strings.TrimPrefix(next, origin); next != "" && !strings.HasPrefix(at, "/api/users"+slash+"?") {
					t.Fatalf("next is %q", next)
				}
			}
			if len(met) < len(present) || !slices.Equal(met[:len(present)], present) || len(slices.Compact(slices.Sorted(slices.Values(met)))) != len(met) {
				t.Errorf("met %q, want first %q, and nobody twice", met, present)
			}
		}
		evil := func(r *http.Request) { r.Host = "evil.example"; r.Header.Set("X-Forwarded-Host", "evil.example") }
		for _, query := range []string{"limit=%2B5", "limit=007", "limit=1&limit=999", "limit=999&limit=1", "limit=%D9%A5", "limit=1e3", "limit=-1", "limit=2147483648", "limit=9223372036854775808",
			"limit=%205", "limit=5%00", "limit[]=5", "limit=", "offset=%2B1", "offset=-9223372036854775808", "offset=1&offset=0", "offset=9223372036854775807&limit=500", "cursor=eyJpZCI6MX0", "page=2", "next=https://evil.example"} {
			for _, slash := range []string{"", "/"} {
				r := e.do("GET", "/api/users"+slash+"?"+query, "", boss, evil).ok(200)
				page := r.json()
				if n := len(page["results"].([]any)); n > 500 || float64(n) > page["count"].(float64) || strings.Contains(r.raw, "evil") {
					t.Errorf("%s: %d results of %v: %.200s", r.call, n, page["count"], r.raw)
				}
				for _, link := range []any{page["next"], page["previous"]} {
					u, err := url.Parse(fmt.Sprint(link))
					if link != nil && (err != nil || u.Scheme+"://"+u.Host != origin || u.Path != "/api/users"+slash) {
						t.Errorf("%s: link %v", r.call, link)
					}
				}
			}
		}
	})
}

// TestR47SearchText: a search is for the text as it is, in any case of letters, on
// every store.
func TestR47SearchText(t *testing.T) {
	names := []string{"acme/web", "acme/100%", "acme/a_b", `acme/back\slash`, "acme/o'hara", `acme/"quoted"`, "acme/$1", "acme/what?", "acme/--", "acme/(a|b)*", "acme/[x]", "acme/Ünïcode", "acme/ЛЕС"}
	withGitHub(t, acme, nil, func(t *testing.T, e *env) {
		alice := e.user("alice")
		link := e.seedLink(alice)
		var list []integrations.Repository
		for n, name := range names {
			list = append(list, integrations.Repository{ID: int64(n + 1), Name: strings.TrimPrefix(name, "acme/"), FullName: name})
		}
		err := e.store.UpdateIntegrations(t.Context(), func(tx integrations.Tx) error { return tx.SaveRepositories(t.Context(), link.ID, list) })
		if err != nil {
			t.Fatal(err)
		}
		key := e.key(alice, "user:read")
		for search, want := range map[string][]string{
			"%": {"acme/100%"}, "_": {"acme/a_b"}, `\`: {`acme/back\slash`}, "'": {"acme/o'hara"}, `"`: {`acme/"quoted"`}, "$1": {"acme/$1"}, "?": {"acme/what?"}, "--": {"acme/--"},
			"(a|b)": {"acme/(a|b)*"}, ".*": {}, "[x]": {"acme/[x]"}, "^acme": {}, "WEB": {"acme/web"}, "ünïCODE": {"acme/Ünïcode"}, "лес": {"acme/ЛЕС"}, "acme/%": {},
			"' or 1=1 --": {}, "\x00": {}, "\xff": {}, strings.Repeat("x", 256): {},
		} {
			for _, path := range spellings(reposPath+"?search="+url.QueryEscape(search), alice) {
				if got := e.do("GET", path, "", key).ok(200).names(); !slices.Equal(got, want) {
					t.Errorf("search %q: got %q, want %q", search, got, want)
				}
			}
		}
		for _, path := range spellings(reposPath+"?search="+strings.Repeat("x", 10<<10), alice) {
			e.do("GET", path, "", key).invalid("max_length", "search")
		}
		e.do("GET", onePath+"branches?repo=acme/web&search="+strings.Repeat("x", 257), "", key).invalid("max_length", "search")
	})
}

// TestR48FiltersAgainstOwnership: no filter, however often given, shows anybody but
// the caller.
func TestR48FiltersAgainstOwnership(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		alice, bob := e.user("alice"), e.user("bob")
		e.user("boss", staff)
		credentials := []option{e.session(alice, 0), e.key(alice, "*"), e.token(alice, "user:read")}
		for _, query := range []string{"email=bob@example.com", "email=alice@example.com&email=bob@example.com", "email=bob@example.com&email=alice@example.com", "is_staff=true", "is_staff=true&email=boss@example.com",
			"is_staff=false&is_staff=true", "is_staff=true&is_staff=false", "is_staff=maybe", "email=", "email=%25", "email=' or 1=1 --", "id=2", "id=1&id=2", "uuid=" + bob.UUID.String(), "user=2", "user_id=2",
			"is_active=false", "limit=500&offset=0", "email__contains=b", "email[]=bob@example.com", "email=bob%40example.com%00", "q=bob", "search=bob", "or=email.eq.bob@example.com"} {
			for _, slash := range []string{"", "/"} {
				for _, credential := range credentials {
					r := e.do("GET", "/api/users"+slash+"?"+strings.ReplaceAll(query, " ", "+"), "", credential).ok(200)
					page := r.json()
					if n := page["count"].(float64); n > 1 || int(n) != len(page["results"].([]any)) || strings.Contains(r.raw, bob.UUID.String()) || strings.Contains(r.raw, "boss@") {
						t.Errorf("%s: got %s", r.call, r.raw)
					}
				}
			}
		}
	})
}
