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
}

// reportTargets prints a row for each kind of target and a column for each store.
func (b *bench) reportTargets(w io.Writer, targets []target) {
	fmt.Fprint(w, "|")
	for _, st := range stores {
		fmt.Fprintf(w, " | %s", st.name)
	}
	fmt.Fprintf(w, " |\n|---%s|\n", strings.Repeat("|---", len(stores)))
	var rows []string
	for _, t := range targets {
		if !slices.Contains(rows, t.row) {
			rows = append(rows, t.row)
		}
	}
	for _, row := range rows {
		fmt.Fprintf(w, "| %s", row)
		for _, st := range stores {
			var cell []string
			for _, t := range targets {
				if t.row == row && t.store == st {
					cell = append(cell, b.outcome(t))
				}
			}
			fmt.Fprintf(w, " | %s", strings.Join(cell, "<br>"))
		}
		fmt.Fprintln(w, " |")
	}
}

// outcome is what a target asks for and what was measured.
func (b *bench) outcome(t target) string {
	var got float64
	var subject string
	switch {
	case t.theirs == nil:
		got = median(values(b.samples[t.ours], t.metric))
		subject = t.metric.name
		if t.ours.large || t.row == rowMemory {
			subject += fmt.Sprintf(", %d users", b.count(t.ours.large))
		}
	default:
		got = median(b.ratios(t))
		subject = "× " + t.subject()
	}
	sign, met := "≥", got >= t.figure
	if t.metric.atMost {
		sign, met = "≤", got <= t.figure
	}
	verdict := "met"
	if !met {
		verdict = "**missed**"
	}
	return fmt.Sprintf("%.3g %s (%s %g: %s)", got, subject, sign, t.figure, verdict)
}

// subject says what ours is a multiple of, as far as the row does not.
func (t target) subject() string {
	switch {
	case t.row == rowLarge:
		return t.ours.workload + " " + t.metric.name
	case t.row == rowCrowded:
		return t.theirs.server + " " + t.ours.workload
	case t.theirs.server == t.ours.server:
		return "our " + t.theirs.workload + in(t)
	}
	return t.theirs.server + in(t)
}

// in says by what a workload was measured, if that is not the usual.
func in(t target) string {
	switch {
	case t.metric.name != throughput.name:
		return ", " + t.metric.name
	case t.ours.connections != usual:
		return fmt.Sprintf(", connections: %d", t.ours.connections)
	}
	return ""
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
	fmt.Fprintf(w, "\nRequests that failed: %d\n", b.failed)
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
