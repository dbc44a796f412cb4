package routers

import (
	"fmt"
	"net/http"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// Chi mounts the API below base, which is its httpapi.Config.BasePath.
//
// Mount passes the whole path on, and every method that chi knows; it answers 405
// itself to others. Leave middleware.RedirectSlashes out (StripSlashes does no
// harm: it changes how chi finds the way, not what the API sees), and
// middleware.RealIP, which believes every client.
func Chi(api http.Handler, base string) http.Handler {
	r := chi.NewRouter()
	r.Use(middleware.StripSlashes, middleware.Recoverer)
	r.NotFound(func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no such page", http.StatusNotFound) })
	r.Get("/hello", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	r.Mount(base+"/api", api)
	r.Mount(base+"/complete/github-link", api)
	r.Mount(base+"/webhooks/github", api)
	return r
}
