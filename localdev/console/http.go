package console

import (
	"encoding/json"
	"errors"
	"io"
	"mime"
	"net"
	"net/http"
	"slices"
	"strings"
)

const (
	maxScaleBody = 1 << 10
	maxScale     = 20 // processes of a service that the page can ask for
)

func (c *Console) routes(files map[string]file) http.Handler {
	mux := http.NewServeMux()
	for path, f := range files {
		mux.Handle("GET "+path, f)
	}
	mux.HandleFunc("GET /api/state", c.showState)
	mux.HandleFunc("GET /api/events", c.events)
	mux.HandleFunc("POST /api/services/{name}/scale", c.scale)
	mux.HandleFunc("/try/", func(w http.ResponseWriter, r *http.Request) {
		if c.proxy == nil {
			fail(w, http.StatusNotFound, "the application has no HTTP API")
			return
		}
		c.proxy.ServeHTTP(w, r)
	})
	protection := http.NewCrossOriginProtection()
	protection.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, http.StatusForbidden, "requests from other sites are refused")
	}))
	return guard(protection.Handler(mux))
}

// guard lets only those in who ask for this machine by a loopback name. Another
// name that leads here is that of a site which points it at 127.0.0.1 to read
// from its visitors' machines.
func guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "no-referrer")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		if !loopback(r.Host) {
			fail(w, http.StatusForbidden, "the page is served as 127.0.0.1, localhost or [::1] only")
			return
		}
		next.ServeHTTP(w, r)
	})
}

func loopback(hostport string) bool {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil { // no port
		host = strings.TrimSuffix(strings.TrimPrefix(hostport, "["), "]")
	}
	return host == "127.0.0.1" || host == "::1" || strings.EqualFold(host, "localhost")
}

func (c *Console) showState(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	_, _ = w.Write(c.refresh().data) // the client may be gone
}

func (c *Console) scale(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	switch {
	case c.cfg.Scale == nil || c.cfg.Services == nil:
		fail(w, http.StatusNotFound, "services cannot be scaled from here")
		return
	case !slices.ContainsFunc(c.cfg.Services(), func(s Service) bool { return s.Name == name }):
		fail(w, http.StatusNotFound, "there is no such service")
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/json" {
		fail(w, http.StatusUnsupportedMediaType, "Content-Type: must be application/json")
		return
	}
	var in struct {
		Count *int `json:"count"`
	}
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxScaleBody))
	dec.DisallowUnknownFields()
	err := dec.Decode(&in)
	if err == nil {
		if _, end := dec.Token(); !errors.Is(end, io.EOF) {
			err = errors.Join(end, errors.New("more than one value"))
		}
	}
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		fail(w, http.StatusRequestEntityTooLarge, "the body is too large")
		return
	case err != nil || in.Count == nil:
		fail(w, http.StatusBadRequest, `the body must be {"count": n}`)
		return
	case *in.Count < 0 || *in.Count > maxScale:
		fail(w, http.StatusBadRequest, "count: must be from 0 to 20")
		return
	}
	if err := c.cfg.Scale(name, *in.Count); err != nil {
		fail(w, http.StatusConflict, cut(err.Error(), maxReason))
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

// problem is an error as the page sees it, in the form of RFC 9457.
type problem struct {
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

func fail(w http.ResponseWriter, status int, detail string) {
	body, _ := json.Marshal(problem{http.StatusText(status), status, detail}) // strings and integers always encode
	w.Header().Set("Content-Type", "application/problem+json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // the client may be gone
}
