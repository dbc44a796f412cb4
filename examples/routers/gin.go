package routers

import (
	"net/http"

	"github.com/gin-gonic/gin"
)

// Gin mounts the API below base, which is its httpapi.Config.BasePath.
//
// Gin redirects from a path to the same with a slash if only that is known, so
// a path without one has a line of its own. A star takes everything below it, and
// no other route may begin there. If your own API does, name the resources of this
// one instead (/api/users, /api/users/*path and so on). Any leaves out methods that
// gin does not know. NoRoute is no place to mount a handler: it starts from status
// 404, and takes what is yours.
func Gin(api http.Handler, base string) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	g := gin.New()
	g.Use(gin.Recovery())
	g.GET("/hello", func(c *gin.Context) { c.String(http.StatusOK, "hello\n") })
	g.NoRoute(func(c *gin.Context) { c.String(http.StatusNotFound, "no such page\n") })
	h := gin.WrapH(api)
	g.Any(base+"/api/*path", h)
	g.Any(base+"/complete/github-link/*path", h)
	g.Any(base+"/webhooks/github", h)
	g.Any(base+"/webhooks/github/*path", h)
	return g
}
