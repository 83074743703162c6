package gateway

import (
	"bytes"
	"errors"
	"net/http"
)

// The limits of API Gateway and, for the event, of Lambda; in bytes.
const (
	MaxBody    = 10 << 20
	MaxHeaders = 10240 // request line and header values together
	MaxEvent   = 6 << 20
)

// headerSize is what counts towards MaxHeaders.
func headerSize(r *http.Request) int {
	size := len(r.Method) + len(" ") + len(r.RequestURI) + len(" ") + len(r.Proto) + len(r.Host)
	for _, values := range r.Header {
		for _, v := range values {
			size += len(v)
		}
	}
	return size
}

// readBody reads the whole body, or returns the status to refuse it with. A
// declared length over the limit is refused without reading, so that a client
// that waits for "100 Continue" never sends it.
func readBody(w http.ResponseWriter, r *http.Request) (body []byte, status int) {
	if r.Body == nil || r.ContentLength == 0 {
		return nil, 0
	}
	if r.ContentLength > MaxBody {
		return nil, http.StatusRequestEntityTooLarge
	}
	var buf bytes.Buffer
	if r.ContentLength > 0 {
		buf.Grow(int(min(r.ContentLength, 1<<20)) + bytes.MinRead) // memory follows what arrives, not what is declared
	}
	_, err := buf.ReadFrom(http.MaxBytesReader(w, r.Body, MaxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, http.StatusRequestEntityTooLarge
	case err != nil:
		return nil, http.StatusBadRequest
	}
	return buf.Bytes(), 0
}
