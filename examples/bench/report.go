package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// report prints the table of targets, and below what was measured for it.
func (b *bench) report(w io.Writer, targets []target) {
	b.reportTargets(w, targets)
	b.reportTrials(w, targets)
	fmt.Fprintf(w, "\nRequests that failed: %d\n", b.failed)
}

// reportTargets prints a row for each kind of target and a column for each store.
func (b *bench) reportTargets(w io.Writer, targets []target) {
	fmt.Fprint(w, "Bold figures miss their target, which is in brackets.\n\n|")
	for _, st := range stores {
		fmt.Fprintf(w, " | %s", st.name)
	}
	fmt.Fprintf(w, " |\n|---%s|\n", strings.Repeat("|---", len(stores)))
	for i, t := range targets {
		if i > 0 && targets[i-1].row == t.row {
			continue
		}
		fmt.Fprintf(w, "| %s", t.row)
		for _, st := range stores {
			fmt.Fprintf(w, " | %s", b.cell(targets, t.row, st))
		}
		fmt.Fprintln(w, " |")
	}
}

// cell lists the figures of a row and a store, those together that are about the
// same.
func (b *bench) cell(targets []target, row string, st store) string {
	var subjects []string
	figures := map[string][]string{}
	for _, t := range targets {
		if t.row != row || t.store != st {
			continue
		}
		s := b.subject(t)
		if !slices.Contains(subjects, s) {
			subjects = append(subjects, s)
		}
		figures[s] = append(figures[s], b.figure(t))
	}
	for i, s := range subjects {
		subjects[i] = strings.Join(figures[s], ", ") + " " + s
	}
	return strings.Join(subjects, "<br>")
}

// figure is what was measured for a target.
func (b *bench) figure(t target) string {
	got := b.measured(t)
	text := fmt.Sprintf("%.3g", got)
	if t.metric.atMost && got > t.figure || !t.metric.atMost && got < t.figure {
		text = "**" + text + "**"
	}
	if t.row == rowCrowded || t.row == rowLarge {
		text = t.ours.workload + " " + text
	}
	return text
}

func (b *bench) measured(t target) float64 {
	if t.theirs == nil {
		return median(values(b.samples[t.ours], t.metric))
	}
	return median(b.ratios(t))
}

// subject says what the figure of a target is about, and what is asked for.
func (b *bench) subject(t target) string {
	var s string
	switch {
	case t.theirs == nil:
		s = fmt.Sprintf("%s with %d users", t.metric.name, b.count(t.ours.large))
	case t.theirs.large != t.ours.large:
		s = fmt.Sprintf("× %s with %d users", t.metric.name, b.count(t.theirs.large))
	default:
		s = "× " + t.theirs.server
		if t.theirs.server == t.ours.server {
			s = "× our " + t.theirs.workload
		}
		if t.metric.name == cpuTime.name {
			s += ", " + t.metric.name
		}
		if t.ours.connections == alone {
			s += ", one connection"
		}
	}
	sign := "≥"
	if t.metric.atMost {
		sign = "≤"
	}
	return fmt.Sprintf("%s (%s %g)", s, sign, t.figure)
}

// ratios compares round by round: what disturbs a machine disturbs neighbours.
func (b *bench) ratios(t target) []float64 {
	theirs := values(b.samples[*t.theirs], t.metric)
	ratios := values(b.samples[t.ours], t.metric)
	for i := range ratios {
		ratios[i] /= theirs[i]
	}
	return ratios
}

func values(samples []sample, m metric) []float64 {
	all := make([]float64, 0, len(samples))
	for _, s := range samples {
		all = append(all, m.of(s))
	}
	return all
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}

// reportTrials prints medians.
func (b *bench) reportTrials(w io.Writer, targets []target) {
	fmt.Fprint(w, "\n| server | users | workload | connections | answers/s | CPU, µs | p50, ms | p99, ms | memory, MiB |\n|---|---:|---|---:|---:|---:|---:|---:|---:|\n")
	for _, r := range inRound(trialsOf(targets), 0, 1) {
		if r.workload == "" {
			continue
		}
		fmt.Fprintf(w, "| %s | %d | %s | %d", r.server, b.count(r.large), r.workload, r.connections)
		for _, of := range []func(sample) float64{
			throughput.of, cpuTime.of, func(s sample) float64 { return s.p50 }, latency.of, memorySize.of,
		} {
			v := median(values(b.samples[r], metric{of: of}))
			fmt.Fprintf(w, " | %.*f", decimals(v), v)
		}
		fmt.Fprintln(w, " |")
	}
}

// decimals are as many as give three digits.
func decimals(v float64) int {
	switch {
	case v >= 100:
		return 0
	case v >= 10:
		return 1
	}
	return 2
}
