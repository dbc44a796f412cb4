package main

import (
	"context"
	"log"
	"net/http"
	"os"
	"time"

	"github.com/hedgerow-dev/hedgerow/httpapi"
	"github.com/hedgerow-dev/hedgerow/storage/sqlite"
)

func main() {
	key, err := os.ReadFile("accounts.key")
	if err != nil {
		log.Fatal(err)
	}
	store, err := sqlite.Open(context.Background(), "accounts.db")
	if err != nil {
		log.Fatal(err)
	}
	api, err := httpapi.New(store, httpapi.Config{PublicURL: "http://127.0.0.1:8080", EncryptionKeys: [][]byte{key}})
	if err != nil {
		log.Fatal(err)
	}
	http.Handle("/", http.FileServer(http.Dir("site"))) // what the server did before
	http.Handle("/api/", api)
	log.Fatal((&http.Server{Addr: "127.0.0.1:8080", ReadHeaderTimeout: 10 * time.Second, ReadTimeout: 30 * time.Second}).ListenAndServe())
}
