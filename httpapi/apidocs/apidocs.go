// Package apidocs is the page at /api/schema/docs/ that shows the OpenAPI
// document to people. A host that wants it says
//
//	httpapi.Config{Docs: apidocs.Files(), …}
//
// and nobody else compiles its half a megabyte. The page is Swagger UI (Apache
// License 2.0, see swagger-ui.LICENSE.txt); it asks no other host for anything.
package apidocs

import (
	"embed"
	"io/fs"
)

//go:embed index.html start.js accessible.css favicon.png swagger-ui.css.gz swagger-ui-bundle.js.gz swagger-ui-bundle.js.LICENSE.txt swagger-ui.LICENSE.txt swagger-ui.NOTICE.txt
var files embed.FS

// Files returns the files of the page, for httpapi.Config.Docs. They can only be
// read, by any number of goroutines.
func Files() fs.FS { return files }
