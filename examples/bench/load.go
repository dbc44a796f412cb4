package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"time"
)

// load is what one measurement saw from outside of the server.
type load struct {
	took    time.Duration
	delays  []time.Duration // of the right answers, ascending once all have arrived
	failed  int
	failure string // the first one
}

func (l *load) rate() float64 { return float64(len(l.delays)) / l.took.Seconds() }

// delay returns the time that a part of the right answers did not exceed: without
// any, all that there was.
func (l *load) delay(part float64) time.Duration {
	if len(l.delays) == 0 {
		return l.took
	}
	return l.delays[int(part*float64(len(l.delays)-1))]
}

// drive sends requests over a number of connections, each of which waits for
// its answer before it goes on, for at least a time. A caller belongs to one
// connection. With exact, samples of the bodies are checked and not only status
// and length.
func drive(addr string, requests []request, connections int, duration time.Duration, exact bool) (*load, error) {
	// The servers need the processors more.
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(max(1, runtime.NumCPU()/2)))
	lanes := make([][]request, connections)
	for _, r := range requests {
		lane := r.caller % connections
		lanes[lane] = append(lanes[lane], r)
	}
	if slices.ContainsFunc(lanes, func(lane []request) bool { return len(lane) == 0 }) {
		return nil, fmt.Errorf("%d connections are more than there are callers", connections)
	}
	clients := make([]*client, connections)
	for i := range clients {
		c, err := dial(addr)
		if err != nil {
			return nil, err
		}
		defer c.conn.Close()
		c.exact = exact
		clients[i] = c
	}
	begin := time.Now()
	errs := make([]error, connections)
	var wait sync.WaitGroup
	for i, c := range clients {
		wait.Go(func() { errs[i] = c.run(lanes[i], begin.Add(duration)) })
	}
	wait.Wait()
	total := load{took: time.Since(begin)}
	for _, c := range clients {
		total.add(&c.load)
	}
	slices.Sort(total.delays)
	return &total, errors.Join(errs...)
}

func (l *load) add(other *load) {
	l.delays = append(l.delays, other.delays...)
	l.failed += other.failed
	if l.failure == "" {
		l.failure = other.failure
	}
}

// client is one connection. It reads as much of HTTP as our servers write, since
// a real client would take more of the processors than some of them.
type client struct {
	load
	conn  net.Conn
	in    *bufio.Reader
	body  []byte
	exact bool
}

const (
	answerTimeout = 20 * time.Second
	sampleEvery   = 64
)

func dial(addr string) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	return &client{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)}, nil
}

// run sends the requests in turn until the end, and one at least.
func (c *client) run(requests []request, end time.Time) error {
	now := time.Now()
	if err := c.conn.SetDeadline(end.Add(answerTimeout)); err != nil {
		return err
	}
	for n := 0; n == 0 || now.Before(end); n++ {
		r := &requests[n%len(requests)]
		problem, err := c.do(r, c.exact && n%sampleEvery == 0)
		if err != nil {
			return fmt.Errorf("%.40q: %w", r.bytes, err)
		}
		before := now
		now = time.Now()
		if problem == "" {
			c.delays = append(c.delays, now.Sub(before))
			continue
		}
		c.failed++
		if c.failure == "" {
			c.failure = fmt.Sprintf("%.40q: %s", r.bytes, problem)
		}
	}
	return nil
}

// do sends a request and reads the answer. It reports what is wrong with one
// that arrived, and an error if the connection is lost.
func (c *client) do(r *request, sample bool) (problem string, err error) {
	if _, err := c.conn.Write(r.bytes); err != nil {
		return "", err
	}
	status, length, err := c.head()
	if err != nil {
		return "", err
	}
	if status == okStatus && !sample {
		_, err := c.in.Discard(length)
		return "", err
	}
	c.body = slices.Grow(c.body[:0], length)[:length]
	for read := 0; read < length; {
		n, err := c.in.Read(c.body[read:])
		if err != nil {
			return "", err
		}
		read += n
	}
	if status != okStatus || !bytes.Contains(c.body, r.want) {
		return fmt.Sprintf("status %d, want %s in %.200q", status, r.want, c.body), nil
	}
	return "", nil
}

const okStatus = 200

// head reads status line and headers.
func (c *client) head() (status, length int, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, 0, err
	}
	const statusAt, statusEnd = len("HTTP/1.1 "), len("HTTP/1.1 200")
	if len(line) < statusEnd {
		return 0, 0, fmt.Errorf("status line %q", line)
	}
	if status, err = strconv.Atoi(string(line[statusAt:statusEnd])); err != nil {
		return 0, 0, fmt.Errorf("status line %q: %w", line, err)
	}
	length = -1
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, 0, err
		}
		line = bytes.TrimSpace(line)
		if len(line) == 0 {
			break
		}
		if text, ok := bytes.CutPrefix(line, []byte("Content-Length: ")); ok {
			if length, err = strconv.Atoi(string(text)); err != nil {
				return 0, 0, err
			}
		}
	}
	if length < 0 {
		return 0, 0, errors.New("the answer has no length")
	}
	return status, length, nil
}
