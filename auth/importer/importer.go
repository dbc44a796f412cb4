package importer

import (
	"bufio"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/google/uuid"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/users"
)

// Options of Run. The zero value imports in silence.
type Options struct {
	// DryRun writes nothing. It judges every line as an import would, by the
	// database and by the lines before; what only the database can tell, such as a
	// distinct id that somebody else has there, it does not know. It takes some 100
	// bytes of memory for each line.
	DryRun bool
	// Progress, unless nil, is called after each transaction.
	Progress func(Report)
	// Refused, unless nil, is called for each line that is refused, in the order of
	// the file, before Progress is for its transaction.
	Refused func(Refusal)
}

// Counts are numbers of lines, by what they hold.
type Counts struct{ Organizations, Domains, Teams, Users, Memberships, APIKeys int }

// Total is their sum.
func (c Counts) Total() int {
	return c.Organizations + c.Domains + c.Teams + c.Users + c.Memberships + c.APIKeys
}

// Report says what became of the lines so far.
type Report struct {
	Lines    int
	Bytes    int64
	Imported Counts // or would be, in a dry run
	Present  Counts // were there already and stay as they are
	Others   int    // are of models that are not imported
	Refused  int
}

// Refusal says why a line was refused. It has nothing of what is in the line.
type Refusal struct {
	Line   int    // the first is 1
	Model  string // "posthog.user"; "" if that could not be read
	Field  string // the member at fault; "" when it is none
	Code   string // of users.Error
	Reason string // for people
}

const (
	// maxBatch lines, or maxBatchBytes of them, make one transaction: enough to make
	// its commit cheap, and little enough for others who wait for their turn.
	maxBatch      = 500
	maxBatchBytes = 4 << 20
	// readAhead is how many batches wait, decoded, for the one before to be stored.
	readAhead = 2
)

// Run imports what r holds into store. accounts and credentials are the services on
// that store, whose rules apply. The error is about r or the store, or matches
// ctx.Err(), and leaves everything up to Report.Lines imported; lines that are
// refused are no error. Run returns only when r does. Several runs may go on at once.
func Run(ctx context.Context, store auth.Store, accounts *users.Service, credentials *auth.Service, r io.Reader, o Options) (Report, error) {
	im := &run{store: store, accounts: accounts, credentials: credentials, options: o}
	if o.DryRun {
		im.seen = newSeen()
	}
	ctx, cancel := context.WithCancel(ctx)
	batches := make(chan batch, readAhead)
	var reader sync.WaitGroup
	reader.Go(func() { im.readAll(ctx, r, batches) })
	defer reader.Wait()
	defer cancel()
	for b := range batches {
		if b.err != nil && b.err != io.EOF {
			return im.report, fmt.Errorf("import: %w", b.err)
		}
		if err := im.take(ctx, b.items); err != nil {
			return im.report, fmt.Errorf("import, after line %d: %w", im.report.Lines, err)
		}
		im.account(b.items)
		if b.err == io.EOF {
			return im.report, nil
		}
	}
	return im.report, fmt.Errorf("import: %w", ctx.Err())
}

// batch are lines that are stored together. err is what came after them.
type batch struct {
	items []item
	err   error
}

// readAll reads and decodes batches while the one before is being stored.
func (im *run) readAll(ctx context.Context, r io.Reader, to chan<- batch) {
	defer close(to)
	in := &lines{r: bufio.NewReaderSize(r, bufferSize)}
	for {
		items, err := im.read(ctx, in)
		select {
		case to <- batch{items, err}:
		case <-ctx.Done():
			return
		}
		if err != nil {
			return
		}
	}
}

// run is one call of Run.
type run struct {
	store       auth.Store
	accounts    *users.Service
	credentials *auth.Service
	options     Options
	report      Report

	users, teams numbers
	seen         *seen // nil but in a dry run
	// careful says that users are looked up before they are written. Otherwise they
	// are written at once, which is faster, and if one is refused, its batch is done
	// again with care.
	careful bool
}

// item is a line, and what becomes of it.
type item struct {
	line    int
	bytes   int64
	model   string
	record  record       // nil if there is none
	refused *users.Error // whatever the database holds
	outcome outcome      // of the last attempt
}

type outcome struct {
	present bool
	refused *users.Error
	id      int64 // of the user or team
}

// read reads and decodes the lines of one batch. The error may be io.EOF, with the
// last lines.
func (im *run) read(ctx context.Context, in *lines) (b []item, err error) {
	for size := int64(0); len(b) < maxBatch && size < maxBatchBytes; {
		text, n, readErr := in.next()
		if readErr != nil {
			return b, readErr
		}
		it := item{line: in.count, bytes: n}
		if err := im.decode(ctx, text, &it); err != nil {
			return b, fmt.Errorf("line %d: %w", it.line, err)
		}
		b, size = append(b, it), size+n
	}
	return b, ctx.Err()
}

// take stores a batch, or only judges it in a dry run.
func (im *run) take(ctx context.Context, b []item) error {
	if im.options.DryRun {
		return im.attempt(ctx, im.store, nil, b, new(int))
	}
	if !slices.ContainsFunc(b, func(it item) bool { return it.record != nil }) {
		return ctx.Err()
	}
	for {
		var at int
		err := im.store.UpdateAuth(ctx, func(tx auth.Tx) error { return im.attempt(ctx, tx, tx, b, &at) })
		refusal := refusalOf(err)
		switch {
		case refusal == nil:
			return err
		case im.careful:
			b[at].refused = refusal
		default:
			im.careful = true
		}
	}
}

// attempt takes the lines of a batch one by one; at is the index of the one. What is
// refused without a write that failed does not stop it.
func (im *run) attempt(ctx context.Context, r auth.Reader, tx auth.Tx, b []item, at *int) error {
	a := &attempt{run: im, Reader: r, tx: tx, newUsers: map[int64]int64{}, newTeams: map[int64]int64{}, organizations: map[uuid.UUID]bool{}}
	for i := range b {
		it := &b[i]
		it.outcome = outcome{}
		if it.record == nil || it.refused != nil {
			continue
		}
		*at = i
		present, err := it.record.check(ctx, a)
		if it.outcome.refused = refusalOf(err); it.outcome.refused != nil {
			continue
		}
		if err == nil && !present && tx != nil {
			err = it.record.save(ctx, a)
		}
		if err != nil {
			return err
		}
		if tx == nil {
			it.record.claim(a.seen)
		}
		it.outcome.present, it.outcome.id = present, it.record.number(a)
	}
	return nil
}

// refusalOf returns what is wrong with a line, nil if the error is not about that.
func refusalOf(err error) *users.Error {
	var e *users.Error
	if errors.As(err, &e) && (e.Kind == users.Invalid || e.Kind == users.NotFound || e.Kind == users.Conflict) {
		return e
	}
	return nil
}

// account notes what became of a batch.
func (im *run) account(b []item) {
	eventful := false
	for _, it := range b {
		im.report.Lines, im.report.Bytes = it.line, im.report.Bytes+it.bytes
		refused := cmp.Or(it.refused, it.outcome.refused)
		switch {
		case refused != nil:
			im.report.Refused++
			if im.options.Refused != nil {
				im.options.Refused(Refusal{it.line, it.model, refused.Field, refused.Code, refused.Message})
			}
		case it.record == nil:
			im.report.Others++
			continue
		default:
			counts := &im.report.Imported
			if it.outcome.present {
				counts = &im.report.Present
			}
			it.record.count(im, counts, it.outcome.id)
		}
		eventful = eventful || refused != nil || it.outcome.present
	}
	im.careful = im.careful && eventful
	if im.options.Progress != nil {
		im.options.Progress(im.report)
	}
}
