package httpapi_test

import (
	"net/http/httptest"
	"testing"

	"github.com/chromedp/chromedp"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/httpapi/apidocs"
	"github.com/hedgerow-dev/hedgerow/internal/browsertest"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

// TestDocsAccessible has axe-core judge the page of the API with operations, their
// forms and answers and a schema open, and the dialog for credentials.
func TestDocsAccessible(t *testing.T) {
	server := httptest.NewUnstartedServer(nil)
	origin := "http://" + server.Listener.Addr().String()
	e := newEnv(t, memory.New(), func(c *httpapi.Config) { c.PublicURL, c.Docs = origin, apidocs.Files() })
	server.Config.Handler = e.api
	server.Start()
	t.Cleanup(server.Close)
	b := openTab(t, origin+"/api/schema/docs/swagger-ui.NOTICE.txt")
	b.watch(watchPage)
	b.open(origin + "/api/schema/docs/")
	for _, operation := range []string{"listUsers", "updateUser"} {
		b.list(`document.querySelectorAll("#operations-users-`+operation+` .opblock-summary-control")`, "x.click()", 1)
	}
	b.list(`document.querySelectorAll(".try-out__btn")`, "x.click()", 2)
	b.list(`document.querySelectorAll("#operations-users-listUsers .execute")`, "x.click()", 1)
	b.list(`document.querySelectorAll(".live-responses-table .response-col_status")`, "x.textContent", 1)
	b.eval(`document.querySelector(".json-schema-2020-12-accordion").click()`)
	browsertest.LoadAxe(t, b.ctx)
	b.judgedByAxe("#page")
	b.eval(`document.querySelector(".btn.authorize").click()`)
	b.list(`document.querySelectorAll(".dialog-ux .modal-btn")`, "x.textContent", 1)
	b.judgedByAxe(".dialog-ux")
}

// judgedByAxe fails for what axe-core finds in a part of the page that keeps people
// out, which it calls serious or critical. What is moderate is the order of headings
// and landmarks of Swagger UI.
func (b *tab) judgedByAxe(part string) {
	b.t.Helper()
	found, err := chromedp.Run(b.ctx, chromedp.Evaluate[[]string](`axe.run("`+part+`", {resultTypes: ["violations"]}).then(({violations}) => violations
		.filter(v => ["serious", "critical"].includes(v.impact)).map(v => v.impact + " " + v.id + ": " + v.nodes.map(n => n.html + " " + n.failureSummary).join("\n")))`, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("axe-core on %s: %v", part, err)
	}
	for _, violation := range found {
		b.t.Errorf("%s: %s", part, violation)
	}
}
