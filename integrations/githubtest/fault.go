package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The kinds of fault. Those that answer do so before anything is checked, and
// change nothing: a code is not spent and no token is issued.
const (
	// ConnectionRefused breaks the connection instead of answering. (A handler
	// cannot undo that the connection was taken.)
	ConnectionRefused = "connection_refused"
	// ConnectionReset breaks it after the headers and a part of the body.
	ConnectionReset = "connection_reset"
	// NoAnswer waits until the client gives up.
	NoAnswer = "no_answer"
	// SlowBody sends headers and a part of the body, then waits until the client
	// gives up.
	SlowBody = "slow_body"
	// Status answers with Fault.Status, and Fault.Body or a message.
	Status = "status"
	// JSON answers with Fault.Body, and Fault.Status or the one of success.
	JSON = "json"
	// HTML200 answers 200 with a page.
	HTML200 = "html_200"
	// WrongShape200 answers 200 with a JSON array where the route has an object, and
	// the other way round.
	WrongShape200 = "wrong_shape_200"
	// TruncatedJSON200 answers 200 with the first half of a JSON object.
	TruncatedJSON200 = "truncated_json_200"
	// Plain403 is a refusal that is no rate limit.
	Plain403 = "plain_403"
	// RateLimitPrimary403 has nothing remaining until Fault.ResetIn seconds from now.
	RateLimitPrimary403 = "rate_limit_primary_403"
	// RateLimitSecondary403 has Retry-After: Fault.RetryAfter, or 60.
	RateLimitSecondary403 = "rate_limit_secondary_403"
	// RateLimitMessage403 can be told by its message only.
	RateLimitMessage403 = "rate_limit_message_403"
	// RateLimit429 has Retry-After if Fault.RetryAfter is set.
	RateLimit429 = "rate_limit_429"
	// HugeBody answers 200 with a repository list of 8 MiB.
	HugeBody = "huge_body"
	// GzipBomb answers 200 with 64 MiB of JSON packed into 64 KiB.
	GzipBomb = "gzip_bomb"
	// Redirect answers 302 to another host.
	Redirect = "redirect"

	// The next ones answer as usual, but for one thing.

	// TokenMissing leaves out token and access_token.
	TokenMissing = "token_missing"
	// ExpiresAtMissing leaves out expires_at.
	ExpiresAtMissing = "expires_at_missing"
	// ExpiresAtOdd has an expires_at that is no date.
	ExpiresAtOdd = "expires_at_odd"
	// LinkOtherHost names another host in Link.
	LinkOtherHost = "link_other_host"
	// AddBetweenPages puts a new repository in front of the list after each page
	// of GET /installation/repositories, so that the next page repeats one.
	AddBetweenPages = "add_between_pages"
)

// OtherHost is where LinkOtherHost and Redirect point. The name never resolves
// (RFC 6761 §6.4).
const OtherHost = "https://elsewhere.invalid"

// answering faults stand in for the answer, altering ones change it.
var (
	answering = []string{
		ConnectionRefused, ConnectionReset, NoAnswer, SlowBody, Status, JSON, HTML200, WrongShape200, TruncatedJSON200, Plain403,
		RateLimitPrimary403, RateLimitSecondary403, RateLimitMessage403, RateLimit429, HugeBody, GzipBomb, Redirect,
	}
	altering = []string{TokenMissing, ExpiresAtMissing, ExpiresAtOdd, LinkOtherHost, AddBetweenPages}
)

// refusals are what the kinds that answer 403 say.
var refusals = map[string]string{
	Plain403:              "Resource not accessible by integration",
	RateLimitPrimary403:   "API rate limit exceeded for installation.",
	RateLimitSecondary403: "You have exceeded a secondary rate limit. Please wait a few minutes before you try again.",
	RateLimitMessage403:   "You have triggered an abuse detection mechanism.",
}

// Fault makes a route fail. Its JSON form has the same members in snake_case and
// the kind as "fault".
type Fault struct {
	// Route is a method and a path: concrete ("POST
	// /app/installations/12345/access_tokens") or with segments in braces, whatever
	// their names ("POST /app/installations/{id}/access_tokens"). Where several
	// faults match, the one with the fewest braces counts.
	Route string `json:"route"`
	Kind  string `json:"fault"`
	// Times is how many requests fail; 0 means all until the fault is removed.
	Times  int `json:"times,omitempty"`
	Status int `json:"status,omitempty"`
	// Body of Status, JSON and the kinds that answer 403 and 429. A JSON string is
	// sent as the text it holds. Null means none, but for JSON.
	Body json.RawMessage `json:"body,omitempty"`
	// RetryAfter in seconds, of the kinds that answer 403 and 429 and of Status.
	RetryAfter *int `json:"retry_after,omitempty"`
	// ResetIn in seconds, of RateLimitPrimary403; nil means 60. The other rate limits
	// tell when they end only if it is set.
	ResetIn *int `json:"reset_in,omitempty"`
}

// UnmarshalJSON refuses unknown members and faults that do not make sense, by an
// *Invalid.
func (f *Fault) UnmarshalJSON(data []byte) error {
	var read Fault
	err := readObject("", data, map[string]reader{
		"route": value(&read.Route), "fault": value(&read.Kind), "times": value(&read.Times), "status": value(&read.Status),
		"body": value(&read.Body), "retry_after": value(&read.RetryAfter), "reset_in": value(&read.ResetIn),
	})
	if err != nil {
		return err
	}
	if err := read.check(); err != nil {
		return err
	}
	*f = read
	return nil
}

func (f Fault) check() error {
	if !slices.Contains(answering, f.Kind) && !slices.Contains(altering, f.Kind) {
		return invalid("/fault", "%q is none of %s", f.Kind, strings.Join(slices.Concat(answering, altering), ", "))
	}
	if f.Times < 0 {
		return invalid("/times", "negative")
	}
	if f.Status != 0 && (f.Status < 200 || f.Status > 599) || f.Status == 0 && f.Kind == Status {
		return invalid("/status", "want 200 to 599, got %d", f.Status)
	}
	if f.Kind == JSON && f.Body == nil {
		return invalid("/body", "needed for fault %q", JSON)
	}
	if f.Body != nil && !json.Valid(f.Body) {
		return invalid("/body", "not JSON")
	}
	return nil
}

// armed is a fault in place.
type armed struct {
	Fault
	pattern pattern
	left    int // calls, if Times is not 0
}

// AddFault puts a fault in place. It replaces one on the same route. The error is
// an *Invalid.
func (s *Server) AddFault(f Fault) error {
	if err := f.check(); err != nil {
		return err
	}
	p, err := s.known(f.Route)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeFault(p)
	s.faults = append(s.faults, &armed{Fault: f, pattern: p, left: f.Times})
	slices.SortStableFunc(s.faults, func(a, b *armed) int { return a.pattern.wildcards() - b.pattern.wildcards() })
	return nil
}

// RemoveFault removes the fault on a route, if there is one, as it was added: a
// pattern does not remove faults on concrete paths. The error is an *Invalid.
func (s *Server) RemoveFault(route string) error {
	p, err := s.known(route)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removeFault(p)
	return nil
}

func (s *Server) removeFault(p pattern) {
	s.faults = slices.DeleteFunc(s.faults, func(a *armed) bool { return a.pattern.key() == p.key() })
}

// ClearFaults removes all faults. Requests that wait on NoAnswer go on waiting.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// takeFault returns the fault for a request, and counts it down.
func (s *Server) takeFault(c *call) (Fault, bool) {
	for n, a := range s.faults {
		if !a.pattern.overlaps(c.route) {
			continue
		}
		if a.left--; a.left == 0 {
			s.faults = slices.Delete(s.faults, n, n+1)
		}
		return a.Fault, true
	}
	return Fault{}, false
}

// answer is what an answering fault says. ok is false for an altering one.
func (f Fault) answer(c *call) (a answer, ok bool) {
	a = answer{status: http.StatusForbidden, header: http.Header{}}
	f.hints(&a, c.now)
	switch f.Kind {
	case ConnectionRefused, ConnectionReset, NoAnswer, SlowBody:
		a.status, a.body, a.cut = http.StatusOK, half, f.Kind
	case Status:
		a.status = f.Status
		a.body = f.bodyOr(message(http.StatusText(f.Status)))
	case JSON:
		a.status = f.Status
		if a.status == 0 {
			a.status = success(c.route)
		}
		a.body = f.bodyOr(nil)
	case HTML200:
		a.status, a.body = http.StatusOK, page("<!DOCTYPE html><html><body><h1>Unicorn!</h1></body></html>")
	case WrongShape200:
		a.status, a.body = http.StatusOK, wrongShape(c.route)
	case TruncatedJSON200:
		a.status, a.body = http.StatusOK, half
	case Plain403, RateLimitPrimary403, RateLimitSecondary403, RateLimitMessage403:
		a.body = f.bodyOr(message(refusals[f.Kind]))
	case RateLimit429:
		a.status, a.body = http.StatusTooManyRequests, f.bodyOr(message("Too many requests."))
	case HugeBody:
		a.status, a.body = http.StatusOK, hugeBody()
	case GzipBomb:
		a.status, a.body = http.StatusOK, gzipBomb()
		a.header.Set("Content-Encoding", "gzip")
	case Redirect:
		a.status = http.StatusFound
		a.header.Set("Location", OtherHost+"/")
	default:
		return answer{}, false
	}
	return a, true
}

// success is the status of an answer with a body when all is well.
func success(route pattern) int {
	if must("POST /app/installations/{id}/access_tokens").overlaps(route) {
		return http.StatusCreated
	}
	return http.StatusOK
}

// wrongShape is an array, or an object where an array is due.
func wrongShape(route pattern) any {
	if must("GET /repos/{owner}/{name}/branches").overlaps(route) {
		return map[string]any{"unexpected": true}
	}
	return []string{"unexpected"}
}

// hints sets the headers that tell when to come back.
func (f Fault) hints(a *answer, now time.Time) {
	retry, reset := f.RetryAfter, f.ResetIn
	minute := 60
	if f.Kind == RateLimitSecondary403 && retry == nil {
		retry = &minute
	}
	if f.Kind == RateLimitPrimary403 {
		a.header.Set("X-RateLimit-Remaining", "0")
		if reset == nil {
			reset = &minute
		}
	}
	if retry != nil {
		a.header.Set("Retry-After", strconv.Itoa(*retry))
	}
	switch {
	case reset != nil:
		a.header.Set("X-RateLimit-Reset", strconv.FormatInt(now.Unix()+int64(*reset), 10))
	case f.Kind == RateLimitSecondary403, f.Kind == RateLimitMessage403, f.Kind == RateLimit429:
		a.header["X-Ratelimit-Reset"] = nil // sent without
	}
}

// bodyOr returns the body of the fault; a string as the text in it.
func (f Fault) bodyOr(body any) any {
	var text string
	switch {
	case f.Body == nil || f.Kind != JSON && isNull(f.Body):
		return body
	case json.Unmarshal(f.Body, &text) == nil && !isNull(f.Body):
		return page(text)
	}
	return f.Body
}

// alter changes an answer by an altering fault.
func (f Fault) alter(a *answer) {
	members, _ := a.body.(map[string]any)
	switch f.Kind {
	case TokenMissing:
		delete(members, "token")
		delete(members, "access_token")
	case ExpiresAtMissing:
		delete(members, "expires_at")
	case ExpiresAtOdd:
		if members["expires_at"] != nil {
			members["expires_at"] = "in a while"
		}
	case LinkOtherHost:
		a.header.Set("Link", fmt.Sprintf(`<%s/installation/repositories?page=2>; rel="next"`, OtherHost))
	}
}
