package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// child is a server as a process of its own.
type child struct {
	addr, db string
	database int // the process of a PostgreSQL server, 0 without one
	cmd      *exec.Cmd
	input    io.Closer
}

// start starts a server. database is the process of its PostgreSQL server, if it
// has one.
func start(ctx context.Context, program, db string, n, database int) (*child, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return nil, err
	}
	defer l.Close() // the child has its own copy
	f, err := l.File()
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd := exec.CommandContext(ctx, self, "serve", "-program", program, "-db", db, "-users", strconv.Itoa(n))
	cmd.ExtraFiles, cmd.Stderr = []*os.File{f}, os.Stderr
	input, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return &child{l.Addr().String(), db, database, cmd, input}, nil
}

func (c *child) stop() error { return errors.Join(c.input.Close(), c.cmd.Wait()) }

// answer waits for the first answer, for as long as it takes to fill a store.
func (c *child) answer(r request) error {
	const most = 30 * time.Minute
	client, err := dial(c.addr)
	if err != nil {
		return err
	}
	defer client.conn.Close()
	if err := client.conn.SetDeadline(time.Now().Add(most)); err != nil {
		return err
	}
	problem, err := client.do(&r, false)
	if problem != "" {
		err = errors.New(problem)
	}
	return err
}

// cpu is the time that the processes of the server, and of its database, have
// spent on a processor.
func (c *child) cpu() (time.Duration, error) {
	spent, err := cpu(c.cmd.Process.Pid)
	if err != nil || c.database == 0 {
		return spent, err
	}
	processes, err := family(c.database)
	for _, pid := range processes {
		if one, failed := cpu(pid); failed == nil { // it may have ended
			spent += one
		}
	}
	return spent, err
}

// Fields of /proc/PID/stat after the name, which begin at number 3; proc(5).
const (
	parentField = 4 - 3
	userField   = 14 - 3
	systemField = 15 - 3
)

// tick is the unit of times in /proc, which is the same on all architectures
// that Go runs on.
const tick = time.Second / 100

func stat(pid int) ([]string, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return nil, err
	}
	_, rest, _ := bytes.Cut(text, []byte(") "))
	fields := strings.Fields(string(rest))
	if len(fields) <= systemField {
		return nil, fmt.Errorf("/proc/%d/stat: %q", pid, text)
	}
	return fields, nil
}

func cpu(pid int) (time.Duration, error) {
	fields, err := stat(pid)
	if err != nil {
		return 0, err
	}
	user, userErr := strconv.Atoi(fields[userField])
	system, systemErr := strconv.Atoi(fields[systemField])
	return time.Duration(user+system) * tick, errors.Join(userErr, systemErr)
}

// family is a process with its children.
func family(pid int) ([]int, error) {
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil, err
	}
	all := []int{pid}
	for _, path := range paths {
		one, err := strconv.Atoi(filepath.Base(path))
		if err != nil {
			return nil, err
		}
		if fields, err := stat(one); err == nil && fields[parentField] == strconv.Itoa(pid) { // it may have ended
			all = append(all, one)
		}
	}
	return all, nil
}

// memory is what the server has in memory, in MiB.
func (c *child) memory() (float64, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", c.cmd.Process.Pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(text), "VmRSS:")
	var kib float64
	if _, err := fmt.Sscanf(rest, "%f kB", &kib); err != nil {
		return 0, fmt.Errorf("VmRSS: %w", err)
	}
	return kib / 1024, nil
}

// profile writes a CPU profile of the next seconds to a file.
func (c *child) profile(ctx context.Context, seconds int, path string) (err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", c.addr, seconds), nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("profile: %s", res.Status)
	}
	_, err = io.Copy(f, res.Body)
	return err
}
