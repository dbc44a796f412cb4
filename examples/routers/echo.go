package routers

import (
	"net/http"

	"github.com/labstack/echo/v5"
	"github.com/labstack/echo/v5/middleware"
)

// Echo mounts the API below base, which is its httpapi.Config.BasePath.
//
// A star also stands for nothing, but not for the slash before it: a path that is
// a resource itself, such as /api/users, would need a line of its own if it were
// mounted by its name. Leave middleware.CSRF away from these paths (clients have
// no token of yours; the API refuses other origins itself), and middleware.Gzip
// (ETag stands for the bytes as the API sends them).
func Echo(api http.Handler, base string) http.Handler {
	e := echo.New()
	e.Use(middleware.Recover(), middleware.BodyLimit(2<<20))
	e.GET("/hello", func(c *echo.Context) error { return c.String(http.StatusOK, "hello\n") })
	e.RouteNotFound("/*", func(c *echo.Context) error { return c.String(http.StatusNotFound, "no such page\n") })
	h := echo.WrapHandler(api)
	e.Any(base+"/api/*", h)
	e.Any(base+"/complete/github-link/*", h)
	e.Any(base+"/webhooks/github", h)
	e.Any(base+"/webhooks/github/*", h)
	return e
}
