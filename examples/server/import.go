package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/hedgerow-dev/hedgerow/auth/importer"
)

// importFile imports accounts from a file, or from standard input if it is "-",
// and says what became of its lines. It fails if lines were refused.
func (a *app) importFile(ctx context.Context, args []string) (err error) {
	fs := flag.NewFlagSet("import", flag.ContinueOnError)
	fs.SetOutput(a.errOut)
	dry := fs.Bool("dry-run", false, "judge every line and write nothing")
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() != 1 {
		return errors.New("import: name one file, or - for standard input")
	}
	in, size, err := openImport(fs.Arg(0))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	bar := a.progress(size)
	report, err := importer.Run(ctx, a.store, a.api.Users(), a.api.Auth(), in, importer.Options{
		DryRun: *dry,
		// A bar that cannot be drawn is no reason to stop.
		Progress: func(r importer.Report) { _ = bar.Set64(r.Bytes) },
		Refused: func(r importer.Refusal) {
			_ = bar.Clear()
			fmt.Fprintf(a.errOut, "line %d: %s %s: %s (%s)\n", r.Line, r.Model, r.Field, r.Reason, r.Code)
		},
	})
	_ = bar.Clear()
	a.printReport(report, *dry)
	if err != nil {
		return fmt.Errorf("%w; run it again to go on", err)
	}
	if report.Refused > 0 {
		return fmt.Errorf("import: %d lines were refused; correct them and run it again", report.Refused)
	}
	return nil
}

// openImport returns the file and its size, -1 if that is not known.
func openImport(path string) (io.ReadCloser, int64, error) {
	if path == "-" {
		return io.NopCloser(os.Stdin), -1, nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, errors.Join(err, f.Close())
	}
	return f, info.Size(), nil
}

// progress is a bar that shows on a terminal only.
func (a *app) progress(size int64) *progressbar.ProgressBar {
	f, ok := a.errOut.(*os.File)
	return progressbar.NewOptions64(size, progressbar.OptionSetWriter(a.errOut), progressbar.OptionShowBytes(true),
		progressbar.OptionSetDescription("importing"), progressbar.OptionSetVisibility(ok && term.IsTerminal(int(f.Fd()))))
}

func (a *app) printReport(r importer.Report, dry bool) {
	verb := "imported"
	if dry {
		verb = "would be imported"
	}
	for _, part := range []struct {
		what  string
		count importer.Counts
	}{{verb, r.Imported}, {"there already", r.Present}} {
		fmt.Fprintf(a.errOut, "%s: %d organizations, %d domains, %d teams, %d users, %d memberships, %d API keys\n", part.what,
			part.count.Organizations, part.count.Domains, part.count.Teams, part.count.Users, part.count.Memberships, part.count.APIKeys)
	}
	fmt.Fprintf(a.errOut, "%d lines, of which %d are of other models and %d were refused\n", r.Lines, r.Others, r.Refused)
}
