// Command bench measures the speed of the API on each store beside limit
// programs, which do for the same answers only what cannot be left out, and
// prints how the two compare. Servers are processes of their own; one process
// drives them, one after another, in rounds. It needs Linux, and for PostgreSQL
// the binaries of a server. Databases are kept where TMPDIR says, which must be a
// real disk: changes are measured until they are on it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "bench:", err)
		}
		os.Exit(1)
	}
}

// options are the flags.
type options struct {
	users, large, rounds int
	duration             time.Duration
	profiles             string
	stores, workloads    string
}

func parse(args []string, stderr io.Writer) (options, error) {
	var o options
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.IntVar(&o.users, "users", 10_000, "how many users there are")
	fs.IntVar(&o.large, "large", 0, "how many there are to compare with, such as 1000000; 0 leaves that out")
	fs.IntVar(&o.rounds, "rounds", 5, "how often everything is measured; the medians count")
	fs.DurationVar(&o.duration, "duration", 3*time.Second, "of one measurement")
	fs.StringVar(&o.profiles, "profiles", "", "folder for CPU profiles of our servers, one for each measurement; taking them costs a little speed")
	fs.StringVar(&o.stores, "stores", "sqlite,uncached,postgres,memory", "columns of the table")
	fs.StringVar(&o.workloads, "workloads", "W1,W2,W3a,W3b,W4", "profile, first page, last page, search by address, change")
	if err := fs.Parse(args); err != nil {
		return options{}, err
	}
	if fs.NArg() > 0 {
		return options{}, fmt.Errorf("unknown command %q; see -help", strings.Join(fs.Args(), " "))
	}
	if o.users < crowded || o.large != 0 && o.large < crowded || o.rounds < 1 || o.duration <= 0 {
		return options{}, fmt.Errorf("there must be %d users, one round and some time at least", crowded)
	}
	return o, nil
}

// run measures and prints the table. Failed requests are an error, missed targets
// are not.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	if len(args) > 0 && args[0] == "serve" {
		return serve(ctx, args[1:])
	}
	o, err := parse(args, stderr)
	if err != nil {
		return err
	}
	b := bench{options: o, log: stderr}
	chosen := o.choose(targets())
	if len(chosen) == 0 {
		return errors.New("-stores and -workloads leave nothing to measure")
	}
	if err := b.measure(ctx, chosen); err != nil {
		return err
	}
	b.report(stdout, chosen)
	if b.failed > 0 {
		return fmt.Errorf("%d requests failed", b.failed)
	}
	return nil
}

// choose leaves out what the flags do not ask for.
func (o options) choose(all []target) []target {
	names, kinds := strings.Split(o.stores, ","), strings.Split(o.workloads, ",")
	return slices.DeleteFunc(all, func(t target) bool {
		return !slices.Contains(names, t.store.flag) || t.ours.workload != "" && !slices.Contains(kinds, t.ours.workload) || t.ours.large && o.large == 0
	})
}
