package gateway

import (
	"errors"
	"log/slog"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ServeHTTP answers one request.
func (h *Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	meta := Meta{
		RequestID: newRequestID(), Time: time.Now(),
		Stage: h.cfg.Stage, StageVariables: h.cfg.StageVariables,
		Domain: h.cfg.Domain, APIID: h.cfg.APIID, AccountID: h.cfg.AccountID,
	}
	w.Header()[requestIDHeader] = []string{meta.RequestID}
	if headerSize(r) > MaxHeaders {
		writeError(w, r, http.StatusRequestHeaderFieldsTooLarge)
		return
	}
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), h.prefix)
	if !ok || h.prefix != "" && path != "" && path[0] != '/' {
		writeError(w, r, http.StatusNotFound)
		return
	}
	if h.cfg.CORS != nil && isPreflight(r) {
		h.cfg.CORS.preflight(w.Header(), r.Header.Get("Origin"))
		write(w, r, http.StatusNoContent, nil)
		return
	}
	match, ok := h.router.Match(r.Method, path)
	if !ok {
		writeError(w, r, http.StatusNotFound)
		return
	}
	body, status := readBody(w, r)
	if status != 0 {
		writeError(w, r, status)
		return
	}
	meta.TraceID = newTraceID(meta.Time)
	if meta.Domain == RequestHost {
		meta.Domain = r.Host
	}
	event := Event(r, body, match, meta)
	if len(event) > MaxEvent {
		writeError(w, r, http.StatusRequestEntityTooLarge)
		return
	}
	h.integrate(w, r, match, event, meta.RequestID)
}

// integrate runs the function and answers with what it returned.
func (h *Handler) integrate(w http.ResponseWriter, r *http.Request, match Match, event []byte, requestID string) {
	result, err := h.invoke(r.Context(), match, event)
	if err != nil || result.FunctionError {
		writeError(w, r, failed(h.logFor(match, requestID), result, err))
		return
	}
	response, err := Infer(result.Payload)
	if err != nil {
		h.logFor(match, requestID).Warn("gateway: the function's answer is unusable", "err", err)
		writeError(w, r, http.StatusInternalServerError)
		return
	}
	if response.Warning != "" {
		h.logFor(match, requestID).Warn("gateway: " + response.Warning)
	}
	if h.cfg.CORS != nil {
		h.cfg.CORS.apply(response.Header, r.Header.Get("Origin"))
	}
	maps.Copy(w.Header(), response.Header)
	write(w, r, response.Status, response.Body)
}

func (h *Handler) logFor(match Match, requestID string) *slog.Logger {
	return h.log.With("route", match.Key, "function", match.Function, "request", requestID)
}

// failed logs why a function gave no answer and returns the status for it.
func failed(log *slog.Logger, result Result, err error) int {
	switch {
	case err == nil:
		log.Warn("gateway: the function failed", "payload", brief(result.Payload))
		return http.StatusInternalServerError
	case errors.Is(err, errGone): // no fault, and most likely nobody reads the answer
		log.Debug("gateway: the client did not wait for the function")
		return http.StatusServiceUnavailable
	case errors.Is(err, ErrThrottled), errors.Is(err, errTimeout), errors.Is(err, errClosed):
		log.Warn("gateway: no answer from the function", "err", err)
		return http.StatusServiceUnavailable
	}
	log.Error("gateway: invoking the function failed", "err", err)
	return http.StatusInternalServerError
}

// errorBody is the exact body clients of API Gateway see.
func errorBody(status int) string {
	return `{"message":"` + http.StatusText(status) + `"}`
}

func writeError(w http.ResponseWriter, r *http.Request, status int) {
	w.Header()["Content-Type"] = []string{"application/json"}
	write(w, r, status, []byte(errorBody(status)))
}

// write sends a response with the headers the gateway always adds.
func write(w http.ResponseWriter, r *http.Request, status int, body []byte) {
	header := w.Header()
	if r.ProtoMajor == 1 {
		header["Connection"] = []string{"keep-alive"} // net/http makes it close where it has to
	}
	bodyless := status == http.StatusNoContent || status == http.StatusNotModified
	if !bodyless {
		header["Content-Length"] = []string{strconv.Itoa(len(body))}
	}
	w.WriteHeader(status)
	if !bodyless && r.Method != http.MethodHead {
		_, _ = w.Write(body) // fails only if the client is gone
	}
}
