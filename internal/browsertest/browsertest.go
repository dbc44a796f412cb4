// Package browsertest is what tests in a real browser share: Chromium, and axe-core,
// which judges whether a page keeps people out.
package browsertest

import (
	"bytes"
	"compress/gzip"
	"context"
	_ "embed"
	"io"
	"os"
	"os/exec"
	"testing"

	"github.com/chromedp/chromedp"
)

//go:embed testdata/axe.min.js.gz
var axe []byte

// Chromium returns the path of the browser. Without one it skips the test; with
// CI=true that is a failure.
func Chromium(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	if os.Getenv("CI") == "true" {
		t.Fatal("there is no Chromium")
	}
	t.Skip("there is no Chromium")
	return ""
}

// Open starts the browser at path, which reaches nothing but this machine, for as
// long as the test runs, and opens a URL. It returns the context of the tab.
func Open(t *testing.T, path, url string) context.Context {
	t.Helper()
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()), chromedp.Env("TMPDIR="+t.TempDir()),
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1"))
	allocator, stop := chromedp.NewExecAllocator(t.Context(), flags...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(allocator)
	t.Cleanup(closeTab)
	if err := chromedp.Do(ctx, chromedp.Navigate(url)); err != nil {
		t.Fatalf("open %s: %v", url, err)
	}
	return ctx
}

// LoadAxe loads axe-core into the page of a tab.
func LoadAxe(t *testing.T, tab context.Context) {
	t.Helper()
	z, err := gzip.NewReader(bytes.NewReader(axe))
	if err != nil {
		t.Fatal(err)
	}
	source, err := io.ReadAll(z)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Run(tab, chromedp.Evaluate[[]byte](string(source)+"; 0")); err != nil {
		t.Fatalf("load axe-core: %v", err)
	}
}
