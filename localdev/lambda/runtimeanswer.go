package lambda

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"
)

const (
	headerErrorType    = "Lambda-Runtime-Function-Error-Type"
	trailerErrorBody   = "Lambda-Runtime-Function-Error-Body"
	headerResponseMode = "Lambda-Runtime-Function-Response-Mode"
	errorCauseType     = "application/vnd.aws.lambda.error.cause+json"
)

// functionErrorType is what an error type header may say.
var functionErrorType = regexp.MustCompile(`^(Runtime|Function)\.[A-Z][a-zA-Z]+$`)

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
			message := fmt.Sprintf("Response payload size exceeded maximum allowed payload size (%d bytes).", maxResponse)
			response = Response{Payload: failurePayload(errorTooLarge, message), FunctionError: unhandled}
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

var errTooLarge = errors.New("lambda: body too large")

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
