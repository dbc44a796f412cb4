package github

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/hedgerow-dev/hedgerow/integrations"
)

// perPage is the most that GitHub puts on a page.
const perPage = 100

// pageURL is the address of a page, from 1, of a list.
func (c *Client) pageURL(route string, number int) string {
	address := c.apiURL(route) + "?per_page=" + strconv.Itoa(perPage)
	if number > 1 {
		address += "&page=" + strconv.Itoa(number)
	}
	return address
}

// walk reads all pages of a list. read takes one and returns how many entries it
// had, malformed ones included. first is the answer of the first page if there is
// one already.
func (c *Client) walk(ctx context.Context, r request, route string, first *response, read func(response) (entries int, err error)) error {
	r.method, r.url = http.MethodGet, c.pageURL(route, 1)
	for number := 1; number <= maxPages; number++ {
		var a response
		var err error
		if first != nil {
			a, first = *first, nil
		} else if a, err = c.send(ctx, r, http.StatusOK); err != nil {
			return err
		}
		entries, err := read(a)
		if err != nil {
			return err
		}
		if entries > perPage {
			return incomplete(r.call, a, "a page has more entries than asked for")
		}
		next := c.next(r.url, a.header)
		if next == "" && entries < perPage {
			return nil
		}
		if r.url = next; next == "" {
			r.url = c.pageURL(route, number+1)
		}
	}
	return &integrations.Failure{Kind: integrations.Unreachable, Call: r.call, Err: errors.New("the list has more than " + strconv.Itoa(maxPages) + " pages")}
}

// next is the address of the next page by the Link header (RFC 8288), or "". An
// address outside the API counts as none: it would get our credential.
func (c *Client) next(from string, header http.Header) string {
	current, err := url.Parse(from)
	if err != nil {
		return ""
	}
	for _, link := range links(header.Get("Link")) {
		if !link.is("next") {
			continue
		}
		target, err := current.Parse(link.target)
		if err != nil || !within(c.api, target) {
			return ""
		}
		return target.String()
	}
	return ""
}

type link struct{ target, parameters string }

// is looks for a relation type among the parameters.
func (l link) is(relation string) bool {
	for parameter := range strings.SplitSeq(l.parameters, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(parameter), "=")
		if strings.EqualFold(strings.TrimSpace(name), "rel") && strings.Trim(strings.TrimSpace(value), `"`) == relation {
			return true
		}
	}
	return false
}

// links reads <target>; parameters, … A target may hold commas, so they do not
// separate; GitHub's parameters hold none.
func links(header string) (all []link) {
	for {
		_, rest, ok := strings.Cut(header, "<")
		if !ok {
			return all
		}
		target, rest, ok := strings.Cut(rest, ">")
		if !ok {
			return all
		}
		parameters, rest, _ := strings.Cut(rest, ",")
		all = append(all, link{target, parameters})
		header = rest
	}
}
