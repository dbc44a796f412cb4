package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest"
)

// bench is one run of the whole.
type bench struct {
	options
	log      io.Writer
	folder   string               // for databases
	postgres *postgrestest.Server // nil until needed
	servers  map[site]*child
	samples  map[trial][]sample // by round
	failed   int                // requests, in all rounds
}

// site is a server on one of the two numbers of users.
type site struct {
	server string
	large  bool
}

func (r trial) site() site { return site{r.server, r.large} }

func (b *bench) count(large bool) int {
	if large {
		return b.large
	}
	return b.users
}

// measure starts what the targets need, and makes all trials in each round.
func (b *bench) measure(ctx context.Context, targets []target) (err error) {
	if b.folder, err = os.MkdirTemp("", "hedgerow-bench-"); err != nil {
		return err
	}
	b.servers, b.samples = map[site]*child{}, map[trial][]sample{}
	defer func() { err = errors.Join(err, b.close()) }()
	trials := trialsOf(targets)
	for _, r := range trials {
		if err := b.provide(ctx, r.site()); err != nil {
			return fmt.Errorf("start %s: %w", r.server, err)
		}
	}
	for round := range b.rounds {
		for _, r := range inRound(trials, round, b.rounds) {
			s, err := b.one(ctx, r)
			if err != nil {
				return fmt.Errorf("%s %s: %w", r.server, r.workload, err)
			}
			b.samples[r] = append(b.samples[r], s)
			fmt.Fprintf(b.log, "round %d of %d: %s, %d users: %s\n", round+1, b.rounds, r.server, b.count(r.large), s.of(r))
		}
	}
	return nil
}

// trialsOf lists the trials of targets, each once.
func trialsOf(targets []target) []trial {
	var trials []trial
	for _, t := range targets {
		for _, r := range []*trial{&t.ours, t.theirs} {
			if r != nil && !slices.Contains(trials, *r) {
				trials = append(trials, *r)
			}
		}
	}
	return trials
}

// inRound puts trials that are compared next to each other, beginning with another
// server each round. What is not of a workload comes last, after the servers
// have worked.
func inRound(trials []trial, round, rounds int) []trial {
	turn := round * len(trials) / rounds
	order := slices.Concat(trials[turn:], trials[:turn])
	last := func(r trial) int {
		if r.workload == "" {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(order, func(x, y trial) int {
		return cmp.Or(last(x)-last(y), x.connections-y.connections, strings.Compare(x.workload, y.workload))
	})
	return order
}

// provide starts a server with its users, and waits until it answers.
func (b *bench) provide(ctx context.Context, s site) error {
	if b.servers[s] != nil {
		return nil
	}
	begin := time.Now()
	db, err := b.database(ctx, s)
	if err != nil {
		return err
	}
	c, err := b.start(ctx, s, db)
	if err != nil {
		return err
	}
	b.servers[s] = c
	if err := c.answer(profiles(b.count(s.large))[0]); err != nil {
		return err
	}
	fmt.Fprintf(b.log, "%s has %d users after %.1f s\n", s.server, b.count(s.large), time.Since(begin).Seconds())
	return nil
}

func (b *bench) start(ctx context.Context, s site, db string) (*child, error) {
	database := 0
	if s.onPostgres() {
		var err error
		if database, err = b.postgres.PID(); err != nil {
			return nil, err
		}
	}
	return start(ctx, s.server, db, b.count(s.large), database)
}

// database makes the database of a server, which no other one uses.
func (b *bench) database(ctx context.Context, s site) (string, error) {
	n := b.count(s.large)
	switch s.server {
	case limitSQLite, limitBest:
		return b.file(ctx, s, "limit", seedSQLiteTable)
	case ourSQLite, ourUncached:
		return b.file(ctx, s, "ours", seedFile)
	case limitPostgres, ourPostgres:
		dsn, err := b.postgresDatabase(ctx, fmt.Sprintf("%s-%d", s.server, n))
		if err != nil {
			return "", err
		}
		if s.server == limitPostgres {
			return dsn, seedPostgresTable(ctx, dsn, n)
		}
		return dsn, seedPostgres(ctx, dsn, n)
	}
	return "", nil
}

// file copies a SQLite file that is filled once for all servers of its kind.
func (b *bench) file(ctx context.Context, s site, kind string, fill func(context.Context, string, int) error) (string, error) {
	n := b.count(s.large)
	original := filepath.Join(b.folder, fmt.Sprintf("%s-%d.db", kind, n))
	if _, err := os.Stat(original); errors.Is(err, os.ErrNotExist) {
		if err := fill(ctx, original, n); err != nil {
			return "", err
		}
	}
	path := filepath.Join(b.folder, fmt.Sprintf("%s-%d.db", s.server, n))
	return path, copyFile(path, original)
}

func copyFile(to, from string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}

// one makes one trial.
func (b *bench) one(ctx context.Context, r trial) (sample, error) {
	server := b.servers[r.site()]
	if r.workload == "" {
		return b.measureServer(ctx, r.site())
	}
	requests := b.requests(r)
	exact := r.server != constant
	const warmUp = 5 // part of the duration
	if _, err := b.drive(server, requests, r.connections, b.duration/warmUp, exact); err != nil {
		return sample{}, err
	}
	profiled := make(chan error, 1)
	go func() { profiled <- b.profile(ctx, server, r) }()
	before, err := server.cpu()
	if err != nil {
		return sample{}, err
	}
	l, err := b.drive(server, requests, r.connections, b.duration, exact)
	if err != nil {
		return sample{}, err
	}
	after, err := server.cpu()
	if err != nil {
		return sample{}, err
	}
	if err := <-profiled; err != nil {
		return sample{}, err
	}
	mib, err := server.memory()
	ms := func(d time.Duration) float64 { return d.Seconds() * 1e3 }
	return sample{
		rate: l.rate(), cpu: (after - before).Seconds() * 1e6 / float64(len(l.delays)+l.failed),
		p50: ms(l.delay(0.5)), p99: ms(l.delay(0.99)), memory: mib,
	}, err
}

func (b *bench) requests(r trial) []request {
	i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == r.workload })
	return workloads[i].requests(b.count(r.large))
}

// drive counts and reports the requests that fail.
func (b *bench) drive(server *child, requests []request, connections int, duration time.Duration, exact bool) (*load, error) {
	l, err := drive(server.addr, requests, connections, duration, exact)
	if err != nil {
		return nil, err
	}
	if l.failed > 0 {
		fmt.Fprintf(b.log, "%d requests failed: %s\n", l.failed, l.failure)
		b.failed += l.failed
	}
	return l, nil
}

// profile writes a CPU profile of a server of ours, once for each run.
func (b *bench) profile(ctx context.Context, server *child, r trial) error {
	if b.profiles == "" || len(b.samples[r]) > 0 || !strings.HasPrefix(r.server, "our-") {
		return nil
	}
	path := filepath.Join(b.profiles, fmt.Sprintf("%s-%d-%s-%d.pprof", r.server, b.count(r.large), r.workload, r.connections))
	return server.profile(ctx, max(1, int(b.duration.Seconds())), path)
}

// measureServer measures the memory of a server, and how long another one like it
// takes to answer.
func (b *bench) measureServer(ctx context.Context, s site) (sample, error) {
	mib, err := b.servers[s].memory()
	if err != nil {
		return sample{}, err
	}
	begin := time.Now()
	c, err := b.start(ctx, s, b.servers[s].db)
	if err != nil {
		return sample{}, err
	}
	err = c.answer(profiles(b.count(s.large))[0])
	took := time.Since(begin)
	return sample{memory: mib, start: took.Seconds() * 1e3}, errors.Join(err, c.stop())
}

func (s site) onPostgres() bool { return s.server == limitPostgres || s.server == ourPostgres }

// postgresDatabase makes a database on the server of this run.
func (b *bench) postgresDatabase(ctx context.Context, name string) (string, error) {
	if b.postgres == nil {
		var err error
		// A cache that holds the larger number of users, and checkpoints that are rare.
		if b.postgres, err = postgrestest.Launch("-c shared_buffers=1GB -c max_wal_size=4GB"); err != nil {
			return "", err
		}
	}
	conn, err := pgx.Connect(ctx, b.postgres.DSN())
	if err != nil {
		return "", err
	}
	_, err = conn.Exec(ctx, "create database "+pgx.Identifier{name}.Sanitize())
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return "", err
	}
	u, err := url.Parse(b.postgres.DSN())
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}

// close ends the servers and removes the databases.
func (b *bench) close() error {
	var errs []error
	for _, c := range b.servers {
		errs = append(errs, c.stop())
	}
	if b.postgres != nil {
		errs = append(errs, b.postgres.Stop())
	}
	return errors.Join(append(errs, os.RemoveAll(b.folder))...)
}
