package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"net/http"
	"path"
	"time"
)

//go:embed web
var web embed.FS

// file is a part of the page.
type file struct {
	name, mediaType, tag string
	body                 []byte
}

// loadFiles reads the page: URL path to file. Media types are given here, since
// those that a machine is set up with can be wrong.
func loadFiles() (map[string]file, error) {
	types := map[string]string{
		".html": "text/html; charset=utf-8", ".css": "text/css; charset=utf-8",
		".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml",
	}
	entries, err := fs.ReadDir(web, "web")
	if err != nil {
		return nil, fmt.Errorf("console: the page: %w", err)
	}
	files := make(map[string]file, len(entries))
	for _, e := range entries {
		body, err := fs.ReadFile(web, "web/"+e.Name())
		if err != nil {
			return nil, fmt.Errorf("console: the page: %w", err)
		}
		mediaType := types[path.Ext(e.Name())]
		if mediaType == "" {
			return nil, fmt.Errorf("console: the page: %s is of no known type", e.Name())
		}
		sum := sha256.Sum256(body)
		f := file{e.Name(), mediaType, `"` + hex.EncodeToString(sum[:8]) + `"`, body}
		if e.Name() == "index.html" {
			files["/{$}"] = f
			continue
		}
		files["/"+e.Name()] = f
	}
	return files, nil
}

// ServeHTTP answers with the file, or that the browser's copy is still good.
func (f file) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Type", f.mediaType)
	h.Set("Cache-Control", "no-cache") // ask each time: another build may be served here next
	h.Set("Etag", f.tag)
	http.ServeContent(w, r, f.name, time.Time{}, bytes.NewReader(f.body))
}
