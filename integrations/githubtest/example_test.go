package githubtest_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/hedgerow-dev/hedgerow/integrations/githubtest"
)

// A test starts the Server behind a listener and gives its address to the code
// under test, as API and web address.
func Example() {
	github, err := githubtest.New(githubtest.Options{})
	if err != nil {
		panic(err)
	}
	if err := github.SetState(githubtest.Organization(650)); err != nil {
		panic(err)
	}
	if err := github.AddFault(githubtest.Fault{Route: "GET /installation/repositories", Kind: githubtest.RateLimit429, Times: 1}); err != nil {
		panic(err)
	}
	listener := httptest.NewServer(github)
	defer listener.Close()

	token, _ := github.IssueInstallationToken(githubtest.InstallationID, 0)
	for range 2 {
		r, err := http.NewRequest(http.MethodGet, listener.URL+"/installation/repositories", nil)
		if err != nil {
			panic(err)
		}
		r.Header.Set("Authorization", "Bearer "+token)
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			panic(err)
		}
		response.Body.Close()
		fmt.Println(response.StatusCode)
	}
	for _, r := range github.Requests() {
		fmt.Println(r.Route, "by", r.Credential)
	}
	// Output:
	// 429
	// 200
	// GET /installation/repositories by installation
	// GET /installation/repositories by installation
}
