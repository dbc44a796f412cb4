package httpapi

import (
	_ "embed"
	"slices"
)

//go:embed openapi.yaml
var openAPI []byte

// OpenAPI returns the OpenAPI 3.1 document of the API as YAML. It names every
// path, parameter, member, status and error code; the tests of this package
// hold the handler to it. The caller owns the result.
func OpenAPI() []byte { return slices.Clone(openAPI) }
