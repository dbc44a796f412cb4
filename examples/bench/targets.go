package main

import "fmt"

// Servers, by what -program of serve calls them: the limit programs, and ours on
// each store.
const (
	constant      = "const"
	limitSQLite   = "sqlite"
	limitBest     = "sqlite-best"
	limitPostgres = "pg"
	ourMemory     = "our-memory"
	ourSQLite     = "our-sqlite"
	ourUncached   = "our-sqlite-uncached"
	ourPostgres   = "our-pg"
)

// Numbers of connections.
const (
	alone   = 1
	usual   = 32
	crowded = 64
)

// trial is one measurement that each round makes: a workload on a server. Without a
// workload it is of the server as such.
type trial struct {
	server      string
	large       bool // on the larger number of users
	workload    string
	connections int
}

// sample is what a trial measured in one round.
type sample struct {
	rate     float64 // answers a second
	cpu      float64 // µs on processors, of server and database, for an answer
	p50, p99 float64 // ms
	memory   float64 // MiB of the server
	start    float64 // ms from the start of the server to its first answer
}

// of says what a trial measured.
func (s sample) of(t trial) string {
	if t.workload == "" {
		return fmt.Sprintf("%.0f MiB, first answer after %.0f ms", s.memory, s.start)
	}
	return fmt.Sprintf("%s by %d: %.0f/s, p99 %.2f ms, CPU %.0f µs", t.workload, t.connections, s.rate, s.p99, s.cpu)
}

// metric is what a target is about.
type metric struct {
	name   string
	of     func(sample) float64
	atMost bool // less is better
}

var (
	throughput  = metric{"throughput", func(s sample) float64 { return s.rate }, false}
	cpuTime     = metric{"CPU", func(s sample) float64 { return s.cpu }, true}
	latency     = metric{"p99", func(s sample) float64 { return s.p99 }, true}
	memorySize  = metric{"MiB", func(s sample) float64 { return s.memory }, true}
	startupTime = metric{"ms", func(s sample) float64 { return s.start }, true}
)

// target is a figure to reach.
type target struct {
	row    string
	store  store
	metric metric
	ours   trial
	theirs *trial // what ours is a multiple of; nil if the figure stands for itself
	figure float64
}

// store is a column of the table: a server of ours beside the limit program that
// it is compared with.
type store struct{ flag, name, ours, limit string }

var stores = []store{
	{"sqlite", "SQLite, warm", ourSQLite, limitBest},
	{"uncached", "SQLite, nothing cached", ourUncached, limitSQLite},
	{"postgres", "PostgreSQL", ourPostgres, limitPostgres},
	{"memory", "memory", ourMemory, constant},
}

// The rows of the table that are not workloads.
const (
	rowCrowded = "p99 at 64 connections"
	rowLarge   = "many more users"
	rowMemory  = "memory"
	rowStart   = "start to first answer"
)

// figures are those of a workload at 32 connections, by store; 0 is none.
var figures = map[string][]float64{
	profile.name: {0.75, 0.85, 0.85, 0.8},
	first.name:   {0.65, 0.75, 1.5, 0.8},
	last.name:    {0.8, 1.3, 0.8, 0.8},
	search.name:  {0.65, 0.85, 0.85, 0.8},
	change.name:  {0.7, 0, 0.8, 0.6},
}

// targets lists all of them, row by row.
func targets() []target {
	var all []target
	for _, w := range workloads {
		all = append(all, workloadTargets(w.name)...)
	}
	return append(append(all, crowdedTargets()...), serverTargets()...)
}

// opponent is what a workload on a store is compared with: the limit program, or
// for the last page our own first one.
func opponent(st store, workload string, connections int) *trial {
	if workload == last.name {
		return &trial{st.ours, false, first.name, connections}
	}
	return &trial{st.limit, false, workload, connections}
}

func workloadTargets(workload string) []target {
	var all []target
	for i, figure := range figures[workload] {
		st, m := stores[i], throughput
		if st.ours == ourUncached && (workload == first.name || workload == last.name) {
			m = cpuTime
		}
		if figure > 0 {
			all = append(all, target{workload, st, m, trial{st.ours, false, workload, usual}, opponent(st, workload, usual), figure})
		}
	}
	if workload == change.name {
		all = append(all,
			target{workload, stores[0], throughput, trial{ourSQLite, false, workload, usual}, &trial{limitSQLite, false, workload, usual}, 3.5},
			target{workload, stores[0], throughput, trial{ourSQLite, false, workload, alone}, &trial{limitSQLite, false, workload, alone}, 1})
	}
	return all
}

func crowdedTargets() []target {
	var all []target
	for i, st := range stores {
		for _, w := range workloads {
			if st.ours != ourMemory && figures[w.name][i] > 0 {
				all = append(all, target{rowCrowded, st, latency, trial{st.ours, false, w.name, crowded}, opponent(st, w.name, crowded), 1.5})
			}
		}
	}
	return all
}

// serverTargets are those that are not about one workload.
func serverTargets() []target {
	var all []target
	for i, st := range stores {
		for _, w := range workloads {
			if figures[w.name][i] > 0 {
				few, many := trial{st.ours, false, w.name, usual}, trial{st.ours, true, w.name, usual}
				all = append(all, target{rowLarge, st, throughput, many, &few, 0.75}, target{rowLarge, st, cpuTime, many, &few, 1.3})
			}
		}
	}
	sqlite, postgres := stores[0], stores[2]
	return append(all,
		target{rowMemory, sqlite, memorySize, trial{server: ourSQLite}, nil, 64},
		target{rowMemory, sqlite, memorySize, trial{server: ourSQLite, large: true}, nil, 256},
		target{rowMemory, postgres, memorySize, trial{server: ourPostgres}, nil, 64},
		target{rowMemory, postgres, memorySize, trial{server: ourPostgres, large: true}, nil, 128},
		target{rowStart, sqlite, startupTime, trial{server: ourSQLite, large: true}, nil, 300},
		target{rowStart, postgres, startupTime, trial{server: ourPostgres, large: true}, nil, 300},
	)
}
