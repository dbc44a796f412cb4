package httpapi_test

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/hedgerow-dev/hedgerow/httpapi"
)

const origin = "https://app.example.com"

// list gets a page and returns the addresses on it, and the links as paths.
func (e *env) list(query string, caller option) (emails []string, count int, next, previous string) {
	e.t.Helper()
	m := e.do("GET", "/api/users/"+query, "", caller).ok(200).json()
	if len(m) != 4 {
		e.t.Errorf("list %s: got %d members, want 4", query, len(m))
	}
	for _, r := range m["results"].([]any) {
		emails = append(emails, strings.TrimSuffix(r.(map[string]any)["email"].(string), "@example.com"))
	}
	link := func(name string) string {
		s, ok := m[name].(string)
		if !ok && m[name] != nil || ok && !strings.HasPrefix(s, origin+"/api/users/?") {
			e.t.Errorf("list %s: %s is %v", query, name, m[name])
		}
		return strings.TrimPrefix(s, origin+"/api/users/")
	}
	return emails, int(m["count"].(float64)), link("next"), link("previous")
}

// query reads a link.
func query(t *testing.T, link string) url.Values {
	t.Helper()
	q, err := url.ParseQuery(strings.TrimPrefix(link, "?"))
	if err != nil {
		t.Fatalf("link %q: %v", link, err)
	}
	return q
}

// crowd makes Boss, who is staff, six others, and one who is inactive.
func crowd(e *env) (boss, alice option) {
	boss = e.session(e.user("boss", staff), 0)
	alice = e.session(e.user("alice"), 0)
	e.user("gone", inactive)
	for _, name := range []string{"zoe", "bob", "carol", "dave"} {
		e.user(name)
	}
	e.user("chief", staff)
	return boss, alice
}

const everybody = "boss alice zoe bob carol dave chief"

func TestListPages(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		boss, _ := crowd(e)
		for limit := 1; limit <= 8; limit++ {
			var forward, backward []string
			at, last := fmt.Sprintf("?limit=%d", limit), ""
			for at != "" {
				emails, count, next, previous := e.list(at, boss)
				if count != 7 || len(emails) > limit || len(emails) == 0 {
					t.Fatalf("list %s: got %d of %d", at, len(emails), count)
				}
				if (previous == "") != (len(forward) == 0) {
					t.Errorf("list %s: previous is %q", at, previous)
				}
				forward = append(forward, emails...)
				if len(forward) > 7 {
					t.Fatalf("list %s: the links go on and on: %v", at, forward)
				}
				at, last = next, at
			}
			if got := strings.Join(forward, " "); got != everybody {
				t.Errorf("limit %d: got %s, want %s", limit, got, everybody)
			}
			for at = last; at != "" && len(backward) < 8; {
				emails, _, _, previous := e.list(at, boss)
				backward = append(emails, backward...)
				at = previous
			}
			if got := strings.Join(backward, " "); got != everybody {
				t.Errorf("limit %d backward: got %s, want %s", limit, got, everybody)
			}
		}
	})
}

func TestListLimitAndOffset(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		boss, alice := crowd(e)
		for given, want := range map[string]string{
			"": "100", "0": "100", "-1": "100", "-5": "100", "abc": "100", "1.5": "100", "1e2": "100", "0x10": "100", "null": "100", "١٢": "100", "5,5": "100", "5'": "100",
			"2": "2", "100": "100", "101": "101", "500": "500", "501": "500", "2147483648": "500", "9223372036854775808": "500", "99999999999999999999999": "500",
		} {
			_, _, _, previous := e.list("?offset=1&limit="+url.QueryEscape(given), boss)
			if q := query(t, previous); q.Get("limit") != want || q.Has("offset") {
				t.Errorf("limit %q: previous is %q, want limit %s and no offset", given, previous, want)
			}
		}
		if _, _, _, previous := e.list("?offset=1", boss); query(t, previous).Get("limit") != "100" {
			t.Errorf("no limit: previous is %q, want limit 100", previous)
		}
		for _, offset := range []string{"", "0", "-1", "x", "1.5", "1e1", "null", "0x1", "-9223372036854775809"} {
			emails, count, next, previous := e.list("?limit=3&offset="+url.QueryEscape(offset), boss)
			if got := strings.Join(emails, " "); got != "boss alice zoe" || count != 7 || previous != "" || query(t, next).Get("offset") != "3" {
				t.Errorf("offset %q: got %s of %d, next %q, previous %q", offset, got, count, next, previous)
			}
		}
		for offset, want := range map[string]struct {
			emails, next, previous string
		}{
			"1": {"alice zoe bob", "4", ""}, "3": {"bob carol dave", "6", ""}, "4": {"carol dave chief", "", "1"}, "6": {"chief", "", "3"},
			"7": {"", "", "4"}, "10": {"", "", "7"}, "2147483647": {"", "", "2147483644"},
		} {
			emails, count, next, previous := e.list("?limit=3&offset="+offset, boss)
			if got := strings.Join(emails, " "); got != want.emails || count != 7 || query(t, next).Get("offset") != want.next ||
				query(t, previous).Get("offset") != want.previous || (next == "") != (want.next == "") || previous == "" {
				t.Errorf("offset %s: got %q of %d, next %q, previous %q, want %+v", offset, got, count, next, previous, want)
			}
		}
		for _, offset := range []string{"9223372036854775807", "9223372036854775808", "99999999999999999999999"} {
			if emails, count, next, _ := e.list("?offset="+offset, boss); len(emails) != 0 || count != 7 || next != "" {
				t.Errorf("offset %s: got %v of %d, next %q", offset, emails, count, next)
			}
		}
		if emails, count, next, previous := e.list("?limit=1&offset=1", alice); len(emails) != 0 || count != 1 || next != "" || previous != "?limit=1" {
			t.Errorf("beyond the only one: got %v of %d, next %q, previous %q", emails, count, next, previous)
		}
	})
}

func TestListPageCap(t *testing.T) {
	each(t, func(c *httpapi.Config) { c.MaxPage = 2 }, func(t *testing.T, e *env) {
		boss, _ := crowd(e)
		for _, limit := range []string{"3", "100", "500", "99999999999999999999"} {
			emails, count, next, _ := e.list("?limit="+limit, boss)
			if len(emails) != 2 || count != 7 || query(t, next).Get("limit") != "2" || query(t, next).Get("offset") != "2" {
				t.Errorf("limit %s: got %v of %d, next %q", limit, emails, count, next)
			}
		}
	})
}

func TestListFilters(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		boss, alice := crowd(e)
		for query, want := range map[string][2]string{
			"":                                    {everybody, "alice"},
			"?email=":                             {everybody, "alice"},
			"?email=+":                            {everybody, "alice"},
			"?email=alice@example.com":            {"alice", "alice"},
			"?email=+alice%40example.com%09":      {"alice", "alice"},
			"?email=ALICE@example.com":            {"", ""},
			"?email=alice@example.co":             {"", ""},
			"?email=alice":                        {"", ""},
			"?email=%25":                          {"", ""},
			"?email=alice_example.com":            {"", ""},
			"?email=a%25@example.com":             {"", ""},
			"?email=%27+or+1%3D1+--":              {"", ""},
			"?email=%00":                          {"", ""},
			"?email=gone@example.com":             {"", ""},
			"?email=bob@example.com":              {"bob", ""},
			"?is_staff=true":                      {"boss chief", ""},
			"?is_staff=TRUE":                      {"boss chief", ""},
			"?is_staff=1":                         {"boss chief", ""},
			"?is_staff=false":                     {"alice zoe bob carol dave", "alice"},
			"?is_staff=False":                     {"alice zoe bob carol dave", "alice"},
			"?is_staff=0":                         {"alice zoe bob carol dave", "alice"},
			"?is_staff=":                          {everybody, "alice"},
			"?is_staff=maybe":                     {everybody, "alice"},
			"?is_staff=yes":                       {everybody, "alice"},
			"?is_staff=2":                         {everybody, "alice"},
			"?is_staff=null":                      {everybody, "alice"},
			"?email=boss@example.com&is_staff=1":  {"boss", ""},
			"?email=boss@example.com&is_staff=0":  {"", ""},
			"?email=alice@example.com&is_staff=0": {"alice", "alice"},
			"?is_active=false":                    {everybody, "alice"},
			"?id=1&search=bob&EMAIL=x&Is_Staff=1": {everybody, "alice"},
		} {
			for i, caller := range []option{boss, alice} {
				emails, count, next, previous := e.list(query, caller)
				if got := strings.Join(emails, " "); got != want[i] || count != len(emails) || next != "" || previous != "" {
					t.Errorf("list %s by %d: got %q of %d, next %q, previous %q, want %q", query, i, got, count, next, previous, want[i])
				}
			}
		}
	})
}

func TestListLinksKeepFilters(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		boss, _ := crowd(e)
		emails, count, next, _ := e.list("?is_staff=0&limit=2&offset=1", boss)
		if strings.Join(emails, " ") != "zoe bob" || count != 5 {
			t.Errorf("got %v of %d", emails, count)
		}
		if q := query(t, next); q.Get("is_staff") != "0" || q.Get("limit") != "2" || q.Get("offset") != "3" {
			t.Errorf("next is %q", next)
		}
		emails, _, next, previous := e.list(next, boss)
		if strings.Join(emails, " ") != "carol dave" || next != "" || query(t, previous).Get("is_staff") != "0" || query(t, previous).Get("offset") != "1" {
			t.Errorf("second page: got %v, next %q, previous %q", emails, next, previous)
		}
		_, _, _, previous = e.list("?email=bob%40example.com&offset=3&limit=1", boss)
		if q := query(t, previous); q.Get("email") != "bob@example.com" || q.Get("offset") != "2" {
			t.Errorf("previous is %q", previous)
		}
		// The request decides nothing about where links point.
		for _, path := range []string{"/api/users", "/api/users/"} {
			r := e.do("GET", path+"?limit=1", "", boss, header("X-Forwarded-Host", "evil.example"), header("Forwarded", "host=evil.example"), header("X-Forwarded-Proto", "http")).ok(200)
			if next, _ := r.json()["next"].(string); !strings.HasPrefix(next, origin+path+"?") {
				t.Errorf("GET %s: next is %q", path, next)
			}
		}
	})
}

func TestListRowIsTheUserObject(t *testing.T) {
	each(t, nil, func(t *testing.T, e *env) {
		boss, alice := e.user("boss", staff), e.user("alice")
		e.organization("Acme", alice)
		for _, caller := range []option{e.session(boss, 0), e.key(boss, "user:read")} {
			page := e.do("GET", "/api/users", "", caller).ok(200).raw
			for _, path := range []string{"@me", alice.UUID.String()} {
				if one := e.do("GET", "/api/users/"+path, "", caller).ok(200).raw; !strings.Contains(page, one) {
					t.Errorf("the list lacks %s: %s", one, page)
				}
			}
		}
		if got := e.do("GET", "/api/users", "", e.key(alice, "user:read")).ok(200).has("count", "1").raw; strings.Contains(got, "boss") {
			t.Errorf("Alice sees Boss: %s", got)
		}
	})
}
