package main

import (
	"embed"
	"io/fs"
	"net/http"
)

//go:embed web
var web embed.FS

// policy lets the page load what is beside it and nothing else; images may also
// be in the page itself, as the API sends QR codes.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// pages serves the files of the page, each by its path, and index.html at the
// root. Nothing else is found, and folders are not listed.
func pages() (http.Handler, error) {
	files, err := fs.Sub(web, "web")
	if err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	err = fs.WalkDir(files, ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		pattern := "GET /" + path
		if path == "index.html" {
			pattern = "GET /{$}"
		}
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { http.ServeFileFS(w, r, files, path) })
		return nil
	})
	return secured(mux), err
}

// secured adds the headers that keep foreign scripts and frames out.
func secured(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", policy)
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		header.Set("Referrer-Policy", "no-referrer")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("X-Frame-Options", "DENY")
		header.Set("Cache-Control", "no-cache") // files of the binary have no date to compare
		h.ServeHTTP(w, r)
	})
}
