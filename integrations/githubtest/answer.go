package githubtest

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// answer is what to send.
type answer struct {
	status int
	header http.Header
	// body is JSON if it is neither nil nor one of the types below.
	body any
	cut  string // the fault that breaks the connection or waits
}

// page is a body that is no JSON; half is the beginning of some; packed is sent
// as it is.
type (
	page   string
	packed []byte
)

const half = page(`{"total_count":1,"repositories":[{"id":1,"na`)

func ok(status int, body any) answer {
	return answer{status: status, header: http.Header{}, body: body}
}

func message(text string) map[string]any {
	return map[string]any{"message": text, "documentation_url": "https://docs.github.com/rest"}
}

func refuse(status int, text string) answer { return ok(status, message(text)) }

// usage counts the requests of one token in the current hour.
type usage struct {
	count int
	reset time.Time
}

// hourly is the least that a token may do in an hour.
const hourly = 5000

// finish encodes the body, answers a conditional request, and sets the headers
// that every answer has.
func (s *Server) finish(c *call, a *answer) {
	s.serial++
	a.encode()
	body, _ := a.body.(packed)
	conditional := c.r.Method == http.MethodGet && a.status == http.StatusOK && c.fault.Kind == "" && a.cut == "" && a.isJSON()
	unchanged := false
	if conditional {
		sum := sha256.Sum256(append([]byte(a.header.Get("Link")), body...))
		tag := `W/"` + hex.EncodeToString(sum[:]) + `"`
		a.header.Set("ETag", tag)
		unchanged = slices.Contains(strings.Split(c.r.Header.Get("If-None-Match"), ", "), tag)
	}
	if unchanged {
		a.status, a.body = http.StatusNotModified, nil
		a.header.Del("Link")
		a.header.Del("Content-Type")
	}
	u := s.used[c.bearer()]
	if u == nil || !c.now.Before(u.reset) {
		u = &usage{reset: c.now.Add(time.Hour)}
		s.used[c.bearer()] = u
	}
	if !unchanged {
		u.count++
	}
	for name, text := range map[string]string{
		"X-GitHub-Request-Id":   fmt.Sprintf("CAFE:%06X", s.serial),
		"X-RateLimit-Limit":     strconv.Itoa(hourly),
		"X-RateLimit-Remaining": strconv.Itoa(max(0, hourly-u.count)),
		"X-RateLimit-Used":      strconv.Itoa(u.count),
		"X-RateLimit-Reset":     strconv.FormatInt(u.reset.Unix(), 10),
		"X-RateLimit-Resource":  "core",
	} {
		if _, decided := a.header[http.CanonicalHeaderKey(name)]; !decided {
			a.header.Set(name, text)
		}
	}
}

func (a *answer) isJSON() bool {
	return strings.HasPrefix(a.header.Get("Content-Type"), "application/json")
}

// encode turns the body into bytes.
func (a *answer) encode() {
	kind := "application/json; charset=utf-8"
	switch body := a.body.(type) {
	case nil:
		return
	case packed:
	case page:
		if strings.HasPrefix(string(body), "<") {
			kind = "text/html; charset=utf-8"
		}
		a.body = packed(body)
	default:
		raw, err := json.Marshal(body)
		if err != nil {
			panic(err) // only objects of this package and checked JSON come here
		}
		a.body = packed(raw)
	}
	if a.header.Get("Content-Type") == "" {
		a.header.Set("Content-Type", kind)
	}
}

// write sends the answer, breaks the connection or waits for the client to.
func (a answer) write(w http.ResponseWriter, r *http.Request) {
	body, _ := a.body.(packed)
	switch a.cut {
	case ConnectionRefused:
		hangUp(w)
	case NoAnswer:
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	}
	for name, values := range a.header {
		w.Header()[http.CanonicalHeaderKey(name)] = values
	}
	if a.cut != "" {
		w.Header().Set("Content-Length", strconv.Itoa(2*len(body)))
	}
	w.WriteHeader(a.status)
	if _, err := w.Write(body); err != nil {
		return // the client is gone
	}
	if a.cut == "" {
		return
	}
	if err := http.NewResponseController(w).Flush(); err != nil || a.cut == ConnectionReset {
		panic(http.ErrAbortHandler)
	}
	<-r.Context().Done()
	panic(http.ErrAbortHandler)
}

// hangUp breaks the connection. One byte goes out before, so that a client that
// kept the connection open does not take it for an idle one that had been closed
// and silently sends a GET again: a fault is one failure.
func hangUp(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_, _ = conn.Write([]byte("H")) // a client that is gone has failed as well
		_ = conn.Close()
	}
	panic(http.ErrAbortHandler)
}

// hugeBody is a well-formed repository list of 8 MiB.
func hugeBody() packed {
	blanks := bytes.Repeat([]byte(" "), 8<<20)
	return slices.Concat([]byte(`{"total_count":0,"repositories":[`), blanks, []byte(`]}`))
}

// gzipBomb is a well-formed repository list of 64 MiB, packed: as gzip allows
// (RFC 1952 §2.2), a chain of members, so that the blanks are packed once.
func gzipBomb() packed {
	blanks := pack(bytes.Repeat([]byte(" "), 1<<20))
	bomb := pack([]byte(`{"total_count":0,"repositories":[`))
	for range 64 {
		bomb = append(bomb, blanks...)
	}
	return append(bomb, pack([]byte(`]}`))...)
}

func pack(plain []byte) packed {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write(plain)
	if err = errors.Join(err, z.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	return out.Bytes()
}
