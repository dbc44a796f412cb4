package httpapi_test

import (
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/apidocs"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

// watchPage makes a page keep what goes wrong in it, before its own scripts run.
const watchPage = `window.wrong = [];
for (const kind of ["error", "warn"]) console[kind] = (...what) => wrong.push(kind + ": " + what.join(" "));
addEventListener("error", e => wrong.push("error: " + (e.message || e.target.src || e.target.href)), true);
addEventListener("unhandledrejection", e => wrong.push("rejection: " + e.reason));
addEventListener("securitypolicyviolation", e => wrong.push("policy: " + e.violatedDirective + " " + e.blockedURI));`

// TestDocsInBrowser opens the page in Chromium, which reaches no other host,
// below a base path and by both spellings.
func TestDocsInBrowser(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	origin := "http://" + server.Listener.Addr().String()
	e := newEnv(t, memory.New(), func(c *httpapi.Config) { c.PublicURL, c.BasePath, c.Docs = origin, "/accounts", apidocs.Files() })
	server.Config.Handler = e.api
	server.Start()
	t.Cleanup(server.Close)
	var want []string
	for key := range ourDocument(t).operations() {
		if key[0] != "*" {
			want = append(want, strings.ToLower(key[0])+" "+key[1])
		}
	}
	slices.Sort(want)
	b := openTab(t, origin+"/accounts/api/schema/docs/swagger-ui.NOTICE.txt")
	b.watch(watchPage)
	for _, path := range []string{"/accounts/api/schema/docs/", "/accounts/api/schema/docs"} {
		b.open(origin + path)
		got := b.list(`document.querySelectorAll(".opblock")`, `x.querySelector(".opblock-summary-method").textContent.toLowerCase() + " " + x.querySelector("[data-path]").dataset.path`, len(want))
		if slices.Sort(got); !slices.Equal(got, want) {
			t.Errorf("%s shows %d operations, want %d: %q", path, len(got), len(want), got)
		}
		if title := b.list(`document.querySelectorAll(".info .title")`, "x.firstChild.textContent.trim()", 1); title[0] != "Hedgerow" {
			t.Errorf("%s has the title %q", path, title)
		}
		b.eval(`document.querySelector("#operations-users-getUser .opblock-summary-control").click()`)
		b.list(`document.querySelectorAll("#operations-users-getUser .response-col_description .highlight-code")`, "x.textContent", 1)
		if wrong := b.list("wrong", "x", 0); len(wrong) > 0 {
			t.Errorf("%s: the browser reports %q", path, wrong)
		}
		for _, asked := range b.list(`performance.getEntriesByType("resource")`, "x.name", 0) {
			if !strings.HasPrefix(asked, origin+"/accounts/api/schema/") && !strings.HasPrefix(asked, "data:") {
				t.Errorf("%s asks for %s", path, asked)
			}
		}
	}
}

// watch runs a script in every page before its own.
func (b *tab) watch(script string) {
	b.t.Helper()
	if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{Source: script}); err != nil {
		b.t.Fatalf("Page.addScriptToEvaluateOnNewDocument: %v", err)
	}
}

func (b *tab) open(url string) {
	b.t.Helper()
	if err := chromedp.Do(b.ctx, chromedp.Navigate(url)); err != nil {
		b.t.Fatalf("open %s: %v", url, err)
	}
}

func (b *tab) eval(script string) {
	b.t.Helper()
	if _, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]byte](script, chromedp.EvalAwaitPromise)); err != nil {
		b.t.Fatalf("%s: %v", script, err)
	}
}

// list waits, up to 30 seconds, until a list in the page has at least some
// elements, and returns what each says.
func (b *tab) list(elements, each string, least int) []string {
	b.t.Helper()
	script := `new Promise((done, fail) => {
		const end = Date.now() + ` + strconv.FormatInt((30*time.Second).Milliseconds(), 10) + `
		const look = () => {
			const found = [...` + elements + `]
			if (found.length >= ` + strconv.Itoa(least) + `) return done(found.map(x => ` + each + `))
			if (Date.now() > end) return fail(new Error("only " + found.length + " elements; wrong: " + wrong))
			setTimeout(look, 20)
		}
		look()
	})`
	got, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](script, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", elements, err)
	}
	return got
}
