package main

import (
	"bytes"
	"fmt"
)

// mostCallers bounds how many users have an API key.
const mostCallers = 256

// callers is how many of n users have an API key: the first ones.
func callers(n int) int { return min(n, mostCallers) }

func email(i int) string { return fmt.Sprintf("user%d@example.test", i) }
func key(i int) string   { return fmt.Sprintf("phx_bench_%032d", i) }

// request is one request as the bytes that are sent.
type request struct {
	caller int // the number of the user
	bytes  []byte
	// want is a part of the right answer's body.
	want []byte
}

const pageSize = 100

// workload is one kind of request, made by many callers.
type workload struct {
	name     string
	requests func(n int) []request // n is how many users there are
}

var (
	profile   = workload{"W1", profiles}
	first     = workload{"W2", firstPage}
	last      = workload{"W3a", lastPage}
	search    = workload{"W3b", searches}
	change    = workload{"W4", changes}
	workloads = []workload{profile, first, last, search, change}
)

func newRequest(method, path string, caller int, body string, want string) request {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\nAccept: application/json\r\n", method, path, key(caller))
	if body != "" {
		fmt.Fprintf(&b, "Content-Type: application/json\r\nContent-Length: %d\r\n", len(body))
	}
	b.WriteString("\r\n" + body)
	return request{caller: caller, bytes: b.Bytes(), want: []byte(want)}
}

func hasEmail(i int) string { return `"email":"` + email(i) + `"` }

func profiles(n int) []request {
	var rs []request
	for i := range callers(n) {
		rs = append(rs, newRequest("GET", "/api/users/@me", i+1, "", hasEmail(i+1)))
	}
	return rs
}

func firstPage(n int) []request { return page(n, 0, 1) }
func lastPage(n int) []request  { return page(n, max(0, n-pageSize), n) }

// page asks for a page that has user i.
func page(n, offset, i int) []request {
	var rs []request
	for caller := range callers(n) {
		rs = append(rs, newRequest("GET", fmt.Sprintf("/api/users?limit=%d&offset=%d", pageSize, offset), caller+1, "", hasEmail(i)))
	}
	return rs
}

// searches look for users all over the table.
func searches(n int) []request {
	const stride = 7919 // a prime, so that neighbours in the list are none in the table
	var rs []request
	for caller := range callers(n) {
		i := 1 + caller*stride%n
		rs = append(rs, newRequest("GET", "/api/users?email="+email(i), caller+1, "", hasEmail(i)))
	}
	return rs
}

// changes alternate between two values for each user, so that each of them is one.
func changes(n int) []request {
	var rs []request
	for i := range callers(n) {
		for _, theme := range []string{"dark", "light"} {
			rs = append(rs, newRequest("PATCH", "/api/users/@me", i+1, `{"theme_mode":"`+theme+`"}`, `"theme_mode":"`+theme+`"`))
		}
	}
	return rs
}
