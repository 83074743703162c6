package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// One listener serves all environments; the first two segments of the path tell
// which: /e/ID/2018-06-01/runtime/….
const runtimePrefix = "/e/"

const (
	headerErrorType    = "Lambda-Runtime-Function-Error-Type"
	trailerErrorBody   = "Lambda-Runtime-Function-Error-Body"
	headerResponseMode = "Lambda-Runtime-Function-Response-Mode"
	errorCauseType     = "application/vnd.aws.lambda.error.cause+json"
)

// functionErrorType is what an error type header may say.
var functionErrorType = regexp.MustCompile(`^(Runtime|Function)\.[A-Z][a-zA-Z]+$`)

// serveRuntime answers the Runtime API and what there is of the Extensions API.
func (s *Service) serveRuntime(w *reply, r *http.Request) {
	id, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, runtimePrefix), "/")
	known, ok := s.envs.Load(id)
	if !ok {
		runtimeError(w, http.StatusNotFound, "UnknownEnvironment", "There is no execution environment with this address.")
		return
	}
	e := known.(*environment)
	if call, ok := strings.CutPrefix(path, "2018-06-01/"); ok {
		e.serveRuntimeCall(w, r, call)
		return
	}
	e.serveExtensionCall(w, r, path)
}

func (e *environment) serveRuntimeCall(w *reply, r *http.Request, call string) {
	if rest, ok := strings.CutPrefix(call, "runtime/invocation/"); ok {
		if rest == "next" && r.Method == http.MethodGet {
			e.next(w, r)
			return
		}
		id, verb, _ := strings.Cut(rest, "/")
		switch {
		case verb == "response" && r.Method == http.MethodPost:
			e.answer(w, r, id, e.readResponse)
			return
		case verb == "error" && r.Method == http.MethodPost:
			e.answer(w, r, id, e.readError)
			return
		}
	}
	switch {
	case call == "runtime/init/error" && r.Method == http.MethodPost:
		e.initError(w, r)
	case call == "ping" && r.Method == http.MethodGet:
		_, _ = io.WriteString(w, "pong")
	default:
		notSupported(w, r)
	}
}

func notSupported(w http.ResponseWriter, r *http.Request) {
	runtimeError(w, http.StatusNotFound, "NotSupported", "This emulator does not answer "+r.Method+" "+r.URL.Path+".")
}

func runtimeError(w http.ResponseWriter, status int, errorType, message string) {
	writeJSON(w, status, struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, errorType})
}

func invalidRequestID(w http.ResponseWriter) {
	runtimeError(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
}

func invalidTransition(w http.ResponseWriter, from, to string) {
	runtimeError(w, http.StatusForbidden, "InvalidStateTransition", "Transition from "+from+" to "+to+" is not allowed.")
}

func accepted(w http.ResponseWriter) {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, "{\"status\":\"OK\"}\n")
}

// next completes the invocation before, and waits for one.
func (e *environment) next(w *reply, r *http.Request) {
	<-e.launched
	f := e.function
	f.mu.Lock()
	if before := e.current; before != nil && e.ready && e.state != Stopping {
		if !before.done {
			f.mu.Unlock()
			invalidTransition(w, "InvocationResponse", "Ready")
			return
		}
		e.current = nil
		before.timer.Stop()
		init := e.initTook
		e.initTook = 0
		f.mu.Unlock()
		var o outcome
		if before.errorType != "" {
			o = outcome{status: "error", errorType: before.errorType}
		}
		e.finish(before, init, o)
		f.mu.Lock()
	}
	superseded := e.poll()
	f.mu.Unlock()

	select {
	case inv := <-e.deliver: // one was waiting already
		e.send(w, inv)
		return
	default:
	}
	select {
	case inv := <-e.deliver:
		if w.hungUp() {
			e.takeBack(inv)
			w.drop()
			return
		}
		e.send(w, inv)
	case <-superseded:
		w.drop()
	case <-e.gone:
		w.drop()
	case <-e.function.service.runtime.done:
		w.drop()
	}
}

// poll notes that the runtime waits for an invocation, now with this request; a
// former one, that it must have given up, ends. Call it with the lock held.
func (e *environment) poll() (superseded <-chan struct{}) {
	if e.polling {
		close(e.superseded)
	}
	e.polling, e.superseded = true, make(chan struct{})
	switch {
	case e.state == Stopping: // the process is about to be gone
	case !e.ready:
		e.initialize()
	case e.state == Busy && e.current == nil:
		e.becomeIdle()
		e.function.schedule()
	}
	return e.superseded
}

// initialize completes the init once the runtime and all extensions wait. Call
// it with the lock held.
func (e *environment) initialize() {
	for _, x := range e.extensions {
		if !x.waiting {
			return
		}
	}
	if !e.polling || e.ready || e.state == Stopping {
		return
	}
	e.ready = true
	e.measure()  // in case the first invocation ends the process
	if !e.cold { // bound to its first invocation, whose clock is running
		e.state = Busy
		e.polling = false
		e.deliver <- e.current
		return
	}
	e.initTimer.Stop()
	e.initTook = time.Since(e.started)
	e.function.starting--
	e.becomeIdle()
	e.function.schedule()
}

// send writes the event. Once it has left for a runtime that may be alive, the
// invocation is not given to another one.
func (e *environment) send(w *reply, inv *invocation) {
	e.logStart(inv)
	deadline := inv.start.Add(e.function.config.Timeout)
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Lambda-Runtime-Aws-Request-Id"] = []string{inv.id}
	h["Lambda-Runtime-Deadline-Ms"] = []string{strconv.FormatInt(deadline.UnixMilli(), 10)}
	h["Lambda-Runtime-Invoked-Function-Arn"] = []string{inv.arn}
	h["Lambda-Runtime-Trace-Id"] = []string{inv.traceID}
	if inv.clientContext != "" {
		h["Lambda-Runtime-Client-Context"] = []string{inv.clientContext}
	}
	_, _ = w.Write(inv.payload) // send tells
	if w.send() != nil {
		e.takeBack(inv)
		w.drop()
	}
}

// answer takes the result of the current invocation and passes it on at once;
// the environment itself is free only when it asks for the next one.
func (e *environment) answer(w http.ResponseWriter, r *http.Request, id string, read func(*http.Request) (Response, error)) {
	if mode := r.Header.Get(headerResponseMode); mode != "" && mode != "streaming" {
		runtimeError(w, http.StatusBadRequest, "InvalidFunctionResponseMode", "Invalid function response mode")
		return
	}
	f := e.function
	f.mu.Lock()
	inv := e.current
	if inv == nil || inv.id != id || inv.done || inv.receiving || !e.ready {
		f.mu.Unlock()
		invalidRequestID(w)
		return
	}
	inv.receiving = true
	f.mu.Unlock()

	response, err := read(r)

	f.mu.Lock()
	inv.receiving = false
	tooLarge := errors.Is(err, errTooLarge)
	current := e.current == inv && e.state != Stopping
	if current && (err == nil || tooLarge) {
		if tooLarge {
			inv.errorType = errorTooLarge
			response = Response{Payload: failurePayload(errorTooLarge, errTooLarge.Error()), FunctionError: unhandled}
		}
		e.setAnswered(true)
		f.settle(inv, response, nil)
	}
	f.mu.Unlock()

	switch {
	case !current:
		invalidRequestID(w)
	case tooLarge:
		runtimeError(w, http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", fmt.Sprintf("Exceeded maximum allowed payload size (%d bytes).", maxResponse))
	case err != nil:
		runtimeError(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request body is truncated")
	default:
		accepted(w)
	}
}

var errTooLarge = fmt.Errorf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponse) //nolint:staticcheck // the invoker's text

func (e *environment) readResponse(r *http.Request) (Response, error) {
	body, err := readAtMost(r.Body, r.ContentLength, maxResponse)
	if err != nil {
		return Response{}, err
	}
	response := Response{Payload: body, ContentType: r.Header.Get("Content-Type")}
	if r.Trailer.Get(headerErrorType) != "" { // the function failed while it was answering
		response.FunctionError = unhandled
		if described, err := base64.StdEncoding.DecodeString(r.Trailer.Get(trailerErrorBody)); err == nil && json.Valid(described) {
			response.Payload = described
		}
	}
	return response, nil
}

func (e *environment) readError(r *http.Request) (Response, error) {
	body, err := readErrorBody(r)
	return Response{Payload: body, FunctionError: unhandled}, err
}

// readErrorBody returns the error as the invoker sees it: without the cause
// that is meant for X-Ray.
func readErrorBody(r *http.Request) ([]byte, error) {
	body, err := readAtMost(r.Body, r.ContentLength, maxResponse)
	if err != nil || !strings.HasPrefix(r.Header.Get("Content-Type"), errorCauseType) {
		return body, err
	}
	var visible struct {
		Message    json.RawMessage `json:"errorMessage,omitempty"`
		Type       json.RawMessage `json:"errorType,omitempty"`
		StackTrace json.RawMessage `json:"stackTrace,omitempty"`
	}
	if json.Unmarshal(body, &visible) != nil {
		return body, nil
	}
	return json.Marshal(visible)
}

// initError ends an environment whose runtime could not initialise.
func (e *environment) initError(w http.ResponseWriter, r *http.Request) {
	body, err := readErrorBody(r)
	if err != nil {
		runtimeError(w, http.StatusBadRequest, "TruncatedHTTPRequest", "HTTP request body is truncated")
		return
	}
	errorType := r.Header.Get(headerErrorType)
	if !functionErrorType.MatchString(errorType) {
		errorType = "Runtime.Unknown"
	}
	if !e.fail(&fault{errorType, body}) {
		invalidTransition(w, "Ready", "InitError")
		return
	}
	accepted(w)
}

// fail notes why the init failed and sees to it that the process ends, which
// the runtime usually does itself. It is too late once the init is complete.
func (e *environment) fail(why *fault) bool {
	f := e.function
	f.mu.Lock()
	defer f.mu.Unlock()
	if e.ready || e.fault != nil || e.polling || e.state == Stopping {
		return false
	}
	e.fault = why
	time.AfterFunc(lastWords, e.kill)
	return true
}

// readAtMost reads a body. One that is larger than limit gives errTooLarge,
// after as much as reasonable of it has been read and dropped.
func readAtMost(r io.Reader, length int64, limit int) ([]byte, error) {
	var body []byte
	var err error
	if length >= 0 && length <= int64(limit) {
		body = make([]byte, length)
		_, err = io.ReadFull(r, body)
		return body, err
	}
	body, err = io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if err == nil && len(body) > limit {
		_, _ = io.CopyN(io.Discard, r, maxDrained) // its end comes first, as a rule
		return nil, errTooLarge
	}
	return body, err
}
