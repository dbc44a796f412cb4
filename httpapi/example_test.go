package httpapi_test

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"net/http/httptest"

	"github.com/hedgerow-dev/hedgerow/auth"
	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/memory"
)

func ExampleNew() {
	key := make([]byte, auth.EncryptionKeyBytes)
	rand.Read(key) // a service keeps its key; see Config
	api, err := httpapi.New(memory.New(), httpapi.Config{PublicURL: "https://app.example.com", EncryptionKeys: [][]byte{key}})
	if err != nil {
		fmt.Println(err)
		return
	}
	mux := http.NewServeMux()
	mux.Handle("/api/", api)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/api/users/@me", nil))
	fmt.Println(w.Code, w.Body)
	// Output:
	// 401 {"type":"authentication_error","code":"not_authenticated","detail":"Authentication credentials were not provided.","attr":null}
}
