package httpapi

import (
	_ "embed"
	"slices"
)

//go:embed openapi.yaml
var openAPI []byte

// openAPIJSON is the same document; a test writes it.
//
//go:embed openapi.json
var openAPIJSON []byte

// OpenAPI returns the OpenAPI 3.1 document of the API as YAML. It names every
// path, parameter, member, status and error code; the tests of this package
// hold the handler to it. GET /api/schema/ answers with it, with Config.BasePath
// and Config.CookieName in their places. The caller owns the result.
func OpenAPI() []byte { return slices.Clone(openAPI) }
