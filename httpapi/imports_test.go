package httpapi_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/hedgerow-dev/hedgerow/"

// may says which packages of ours a package may import. Examples may import
// anything; a package that is missing here fails.
var may = map[string][]string{
	"users":                         nil,
	"users/webhook":                 {"users"},
	"auth":                          {"users", "auth/internal/zxcvbn"},
	"auth/importer":                 {"users", "auth"},
	"auth/internal/zxcvbn":          nil,
	"auth/mail":                     {"users", "auth"},
	"auth/passkey":                  {"auth"},
	"autonomy":                      {"users"},
	"integrations":                  {"users"},
	"integrations/github":           {"users", "integrations"},
	"integrations/githubtest":       nil,
	"storage":                       {"users", "auth", "autonomy", "integrations"},
	"storage/memory":                {"users", "auth", "autonomy", "integrations", "storage", "storage/internal/cached"},
	"storage/observed":              {"users", "auth", "autonomy", "integrations", "storage"},
	"storage/internal/cached":       {"users", "auth", "autonomy", "integrations", "storage"},
	"storage/internal/sqlstore":     {"users", "auth", "autonomy", "integrations", "storage"},
	"internal/browsertest":          {},
	"storage/internal/upgradetest":  {"users"},
	"storage/storagetest":           {"users", "auth", "autonomy", "integrations", "storage"},
	"storage/sqlite":                {"users", "storage", "storage/internal/cached", "storage/internal/sqlstore"},
	"storage/postgres":              {"users", "storage", "storage/internal/sqlstore"},
	"storage/postgres/postgrestest": nil,
	"httpapi":                       {"users", "auth", "autonomy", "integrations", "storage"},
	"httpapi/metrics":               {"users", "integrations", "httpapi", "storage/observed"},
	"httpapi/traces":                {"httpapi"},
	"httpapi/apidocs":               nil,
	"httpapi/client":                {"users"},
	"httpapi/httpapitest": {"users", "auth", "autonomy", "integrations", "storage", "storage/memory", "httpapi",
		"integrations/github", "integrations/githubtest"},
}

// only says where a library may be imported, by the beginning of its path.
var only = map[string][]string{
	"net/http":                      {"httpapi", "httpapi/client", "httpapi/httpapitest", "httpapi/metrics", "httpapi/traces", "integrations/github", "integrations/githubtest", "users/webhook"},
	"database/sql":                  {"storage/internal/sqlstore", "storage/sqlite", "storage/postgres"},
	"golang.org/x/crypto":           {"auth"},
	"golang.org/x/net":              {"users", "auth"},
	"golang.org/x/text":             {"users", "auth"},
	"golang.org/x/oauth2":           {"integrations/github"},
	"github.com/golang-jwt/jwt":     {"integrations/github"},
	"github.com/go-json-experiment": {"auth/importer", "httpapi", "httpapi/httpapitest", "integrations/github"},
	"github.com/jmoiron/sqlx":       {"storage/internal/sqlstore", "storage/sqlite", "storage/postgres"},
	"github.com/pressly/goose":      {"storage/internal/sqlstore", "storage/sqlite", "storage/postgres"},
	"modernc.org/sqlite":            {"storage/sqlite"},
	"github.com/jackc/pgx":          {"storage/postgres", "storage/postgres/postgrestest"},
	"github.com/getkin/kin-openapi": {},
	"github.com/oasdiff":            {},
	"github.com/oapi-codegen":       {"httpapi/client"},
	"github.com/cenkalti/backoff":   {"httpapi/client"},
	"github.com/santhosh-tekuri":    {},
	"github.com/wneessen/go-mail":   {"auth/mail"},
	"html/template":                 {"auth/mail"},
	"text/template":                 {"auth/mail"},
	"github.com/pquerna/otp":        {"auth"},
	"github.com/boombuler/barcode":  {},
	"github.com/go-webauthn":        {"auth/passkey"},
	"github.com/descope":            {},
	"github.com/chromedp":           {"internal/browsertest"},
	"github.com/schollz":            {},
	"golang.org/x/term":             {},
	"github.com/prometheus":         {"httpapi/metrics"},
	"github.com/XSAM/otelsql":       {},
	"go.opentelemetry.io":           {"httpapi/traces"},
	"github.com/google/uuid": {"users", "auth", "auth/importer", "auth/passkey", "autonomy", "integrations", "storage/memory", "storage/internal/cached", "storage/internal/sqlstore", "storage/observed", "storage/storagetest", "httpapi",
		"httpapi/httpapitest", "integrations/githubtest"},
	"github.com/hedgerow-dev/hedgerow/storage/storagetest":           {},
	"github.com/hedgerow-dev/hedgerow/storage/internal/upgradetest":  {},
	"github.com/hedgerow-dev/hedgerow/internal/browsertest":          {},
	"github.com/hedgerow-dev/hedgerow/integrations/githubtest":       {"httpapi/httpapitest"},
	"github.com/hedgerow-dev/hedgerow/storage/postgres/postgrestest": {},
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...)
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list %v: %v", args, err)
	}
	return strings.Split(strings.TrimSpace(string(out)), "\n")
}

func TestImports(t *testing.T) {
	for _, line := range goList(t, "-f", `{{.ImportPath}} {{join .Imports " "}}`, "./...") {
		fields := strings.Fields(line)
		name := strings.TrimPrefix(fields[0], module)
		if strings.HasPrefix(name, "examples/") {
			continue
		}
		allowed, ok := may[name]
		if !ok {
			t.Errorf("package %s is in no table", name)
		}
		for _, path := range fields[1:] {
			if ours, ok := strings.CutPrefix(path, module); ok && !slices.Contains(allowed, ours) {
				t.Errorf("%s imports %s", name, ours)
			}
			for library, homes := range only {
				if (path == library || strings.HasPrefix(path, library+"/") && library != "net/http" && library != "database/sql") && !slices.Contains(homes, name) {
					t.Errorf("%s imports %s", name, path)
				}
			}
		}
	}
}

// TestReach guards what a host compiles that imports a package. One that has
// httpapi with storage/memory compiles no SQL driver, no WebAuthn, no metrics, no
// mail and no GitHub client.
func TestReach(t *testing.T) {
	for name, forbidden := range map[string][]string{
		"users":          {"net/http", "database/sql", "encoding/gob", "html/template", "text/template"},
		"auth":           {"net/http", "database/sql", "html/template", "text/template", "github.com/go-webauthn/webauthn/webauthn"},
		"auth/passkey":   {"database/sql", "html/template", "text/template"},
		"auth/mail":      {"net/http", "database/sql"},
		"auth/importer":  {"net/http", "database/sql", "html/template", "text/template"},
		"users/webhook":  {"database/sql", "html/template", "text/template"},
		"autonomy":       {"net/http", "database/sql", "encoding/gob", "html/template", "text/template"},
		"storage/memory": {"net/http", "database/sql", "html/template", "text/template"},
		"integrations":   {"net/http", "database/sql", "encoding/gob", "html/template", "text/template"},
		"httpapi": {module + "httpapi/apidocs", module + "integrations/github", "github.com/go-webauthn/webauthn/webauthn", "database/sql", "modernc.org/sqlite", "github.com/jackc/pgx/v5",
			"github.com/prometheus/client_golang/prometheus", "go.opentelemetry.io/otel", "github.com/wneessen/go-mail", "html/template", "text/template"},
		"httpapi/apidocs": {"net/http", module + "httpapi"},
		"httpapi/client": {module + "auth", module + "autonomy", module + "integrations", module + "storage", module + "httpapi", "database/sql", "html/template", "text/template",
			"github.com/oapi-codegen/runtime", "github.com/getkin/kin-openapi/openapi3"},
		// httptest would add a flag to the programs that run a fake GitHub.
		"integrations/githubtest": {"net/http/httptest", "html/template", "text/template"},
		"integrations/github":     {"database/sql", "html/template", "text/template"},
	} {
		deps := goList(t, "-deps", "./"+name)
		for _, path := range forbidden {
			if slices.Contains(deps, path) {
				t.Errorf("%s reaches %s", name, path)
			}
		}
	}
	// A host without metrics and traces, which has the API and a store, compiles neither.
	deps := goList(t, "-deps", "./httpapi", "./storage/memory", "./storage/observed")
	if i := slices.IndexFunc(deps, func(path string) bool {
		return strings.HasPrefix(path, "github.com/prometheus/") || strings.HasPrefix(path, "go.opentelemetry.io/") || strings.HasPrefix(path, "github.com/XSAM/")
	}); i >= 0 {
		t.Errorf("httpapi with a store reaches %s", deps[i])
	}
}
