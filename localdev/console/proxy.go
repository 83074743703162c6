package console

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"time"
)

const (
	maxTryBody = 256 << 10        // bytes of a request that is passed on
	tryTimeout = 35 * time.Second // an HTTP API answers within 30 s
)

// proxy passes requests under /try on to the HTTP API, so that the page can
// place orders without the API having to allow it.
type proxy struct {
	reverse   *httputil.ReverseProxy
	transport *http.Transport
}

func newProxy(target *url.URL, log *slog.Logger) *proxy {
	p := &proxy{transport: &http.Transport{
		DialContext:           (&net.Dialer{Timeout: 5 * time.Second}).DialContext,
		ResponseHeaderTimeout: tryTimeout,
		IdleConnTimeout:       30 * time.Second,
		MaxIdleConnsPerHost:   16,
	}}
	p.reverse = &httputil.ReverseProxy{
		Transport: p.transport,
		ErrorLog:  slog.NewLogLogger(log.Handler(), slog.LevelDebug),
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/try")
			r.Out.URL.RawPath = strings.TrimPrefix(r.In.URL.RawPath, "/try")
			r.SetURL(target)
			// To the API it is a plain client, not a page of some origin.
			for _, name := range []string{"Origin", "Referer", "Cookie"} {
				r.Out.Header.Del(name)
			}
		},
		ModifyResponse: func(r *http.Response) error {
			for _, name := range []string{"Content-Security-Policy", "Set-Cookie"} {
				r.Header.Del(name)
			}
			return nil
		},
		ErrorHandler: func(w http.ResponseWriter, r *http.Request, err error) {
			var large *http.MaxBytesError
			switch {
			case errors.As(err, &large):
				fail(w, http.StatusRequestEntityTooLarge, "the body is too large")
			case errors.Is(err, context.Canceled):
				w.WriteHeader(http.StatusBadGateway) // nobody reads it
			default:
				log.Warn("console: the HTTP API does not answer", "path", r.URL.Path, "error", err)
				fail(w, http.StatusBadGateway, "the HTTP API at "+target.Host+" does not answer")
			}
		},
	}
	return p
}

func (p *proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > maxTryBody {
		fail(w, http.StatusRequestEntityTooLarge, "the body is too large")
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, maxTryBody)
	// Whatever the application answers, it is no page of this origin.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; sandbox")
	p.reverse.ServeHTTP(w, r)
}

func (p *proxy) close() { p.transport.CloseIdleConnections() }
