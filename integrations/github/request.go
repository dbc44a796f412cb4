package github

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"path"
	"strings"

	"github.com/hedgerow-dev/hedgerow/integrations"
)

const (
	userAgent  = "hedgerow"
	acceptREST = "application/vnd.github+json"
	apiVersion = "2022-11-28"
	// maxRedirects within the API: GitHub sends one for a renamed repository.
	maxRedirects = 3
)

var (
	errTooLarge = fmt.Errorf("the body has more than %d MiB", maxBody>>20)
	errRedirect = errors.New("the redirect leaves the API")
)

// identify sets the headers that every request needs. GitHub refuses requests
// without User-Agent, and its token route answers in JSON only when asked to.
type identify struct{ base http.RoundTripper }

func (i identify) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context()) // a RoundTripper must not change what it is given
	r.Header.Set("User-Agent", userAgent)
	if r.Header.Get("Accept") == "" {
		r.Header.Set("Accept", "application/json")
	}
	return i.base.RoundTrip(r)
}

// checkRedirect follows a GET within the API. Anything else is handed back as
// the answer that it is, or is an error if it would leave the API.
func (c *Client) checkRedirect(r *http.Request, via []*http.Request) error {
	if !within(c.api, r.URL) {
		return errRedirect
	}
	if via[0].Method != http.MethodGet || len(via) > maxRedirects {
		return http.ErrUseLastResponse
	}
	return nil
}

// within says whether u lies below base: same scheme and host, no user, and a
// path that does not climb out.
func within(base, u *url.URL) bool {
	return u.Scheme == base.Scheme && u.Host == base.Host && u.User == nil &&
		strings.HasPrefix(path.Clean("/"+u.Path), base.Path+"/") && !strings.Contains(u.Path, `\`)
}

// request is one call of the REST API.
type request struct {
	call   string // what a Failure says was tried
	method string
	url    string
	token  string // bearer
	etag   string // for If-None-Match
}

type response struct {
	status int
	header http.Header
	body   []byte
}

// apiURL is the address of a route of the API.
func (c *Client) apiURL(route string) string { return c.api.String() + route }

// send makes the call and returns an answer of one of the statuses in want;
// everything else is a *integrations.Failure. A GET is repeated once after a
// network error, 502, 503 or 504 (contract section 12).
func (c *Client) send(ctx context.Context, r request, want ...int) (response, error) {
	a, err := c.try(ctx, r)
	if r.method == http.MethodGet && ctx.Err() == nil && passing(a, err) {
		a, err = c.try(ctx, r)
	}
	if err != nil {
		return response{}, lost(ctx, r.call, a.status, err)
	}
	for _, status := range want {
		if a.status == status {
			return a, nil
		}
	}
	return response{}, c.refusal(r.call, a)
}

// passing says whether a second try may help.
func passing(a response, err error) bool {
	if err != nil {
		return !errors.Is(err, errTooLarge) && !errors.Is(err, errRedirect)
	}
	return a.status == http.StatusBadGateway || a.status == http.StatusServiceUnavailable || a.status == http.StatusGatewayTimeout
}

// try sends the request once and reads the whole answer.
func (c *Client) try(ctx context.Context, r request) (response, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.url, nil)
	if err != nil {
		return response{}, errors.New("the address cannot be parsed") // the cause would show it
	}
	req.Header.Set("Accept", acceptREST)
	req.Header.Set("X-GitHub-Api-Version", apiVersion)
	req.Header.Set("Authorization", "Bearer "+r.token)
	if r.etag != "" {
		req.Header.Set("If-None-Match", r.etag)
	}
	res, err := c.http.Do(req)
	if err != nil {
		return response{}, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxBody+1))
	if err == nil && len(body) > maxBody {
		err = errTooLarge
	}
	return response{res.StatusCode, res.Header, body}, err
}

// lost is the failure of a call that had no usable answer. It drops the address
// that net/http puts in front of its errors.
func lost(ctx context.Context, call string, status int, err error) error {
	if cause := ctx.Err(); cause != nil {
		return &integrations.Failure{Kind: integrations.Unreachable, Call: call, Err: cause}
	}
	var network *url.Error
	if errors.As(err, &network) {
		err = network.Err
	}
	kind := integrations.Unreachable
	if errors.Is(err, errRedirect) {
		kind = integrations.Unexpected
	}
	return &integrations.Failure{Kind: kind, Call: call, Status: status, Err: err}
}

// incomplete is the failure of an answer whose JSON is not what it should be.
func incomplete(call string, a response, what string) error {
	return &integrations.Failure{Kind: integrations.Incomplete, Call: call, Status: a.status, Err: errors.New(what)}
}

func notConfigured(call, setting string) error {
	return &integrations.Failure{Kind: integrations.NotConfigured, Call: call, Err: errors.New(setting + " is not set")}
}
