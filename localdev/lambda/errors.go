package lambda

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// The reasons of a ThrottledError.
const (
	ReasonReserved = "ReservedFunctionConcurrentInvocationLimitExceeded"
	ReasonAccount  = "ConcurrentInvocationLimitExceeded"
)

// NotFoundError says that no function, or no such version of it, has this name.
type NotFoundError struct {
	ARN string // qualified
}

func (e *NotFoundError) Error() string { return "Function not found: " + e.ARN }

// ThrottledError says that as many invocations as allowed run or wait already.
type ThrottledError struct {
	Function string
	Reason   string // ReasonReserved or ReasonAccount
	Limit    int    // invocations at once
}

func (e *ThrottledError) Error() string {
	return fmt.Sprintf("lambda: function %s: %d concurrent invocations: %s", e.Function, e.Limit, e.Reason)
}

// TooLargeError says that a request is larger than Lambda accepts.
type TooLargeError struct {
	Limit int // bytes
}

func (e *TooLargeError) Error() string {
	return fmt.Sprintf("Request must be smaller than %d bytes for the InvokeFunction operation", e.Limit)
}

// InvalidContentError says that the payload or the client context is not what it has to be.
type InvalidContentError struct {
	Message string
}

func (e *InvalidContentError) Error() string { return e.Message }

// InvalidParameterError says that a parameter has a value that Lambda, or this
// emulator, refuses.
type InvalidParameterError struct {
	Message string
}

func (e *InvalidParameterError) Error() string { return e.Message }

// apiError is an error as the Lambda API reports it.
type apiError struct {
	status int
	code   string
	body   any
}

// The bodies differ in the case of the message's key, and clients read both.
type upperBody struct {
	Message string
	Type    string
}

type lowerBody struct {
	Reason  string `json:",omitempty"`
	Type    string
	Message string `json:"message"`
}

// describe finds the API's words for err.
func describe(err error) apiError {
	switch e := err.(type) { //nolint:errorlint // all are returned as they are
	case *NotFoundError:
		return apiError{http.StatusNotFound, "ResourceNotFoundException", upperBody{e.Error(), "User"}}
	case *ThrottledError:
		return apiError{http.StatusTooManyRequests, "TooManyRequestsException", lowerBody{e.Reason, "User", "Rate Exceeded."}}
	case *TooLargeError:
		return apiError{http.StatusRequestEntityTooLarge, "RequestTooLargeException", lowerBody{"", "User", e.Error()}}
	case *InvalidContentError:
		return apiError{http.StatusBadRequest, "InvalidRequestContentException", lowerBody{"", "User", e.Message}}
	case *InvalidParameterError:
		return apiError{http.StatusBadRequest, "InvalidParameterValueException", lowerBody{"", "User", e.Message}}
	case *validationError:
		return apiError{http.StatusBadRequest, "ValidationException", struct {
			Message string `json:"message"`
		}{e.Error()}}
	default:
		return apiError{http.StatusInternalServerError, "ServiceException", struct {
			Type    string
			Message string
		}{"Service", err.Error()}}
	}
}

func (e apiError) write(w http.ResponseWriter, requestID string) {
	h := w.Header()
	h.Set("X-Amzn-Errortype", e.code)
	h.Set("X-Amzn-Requestid", requestID)
	if e.status == http.StatusTooManyRequests {
		h.Set("Retry-After", "0")
	}
	writeJSON(w, e.status, e.body)
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	b, err := json.Marshal(body)
	if err != nil { // bodies are structs of strings
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(b) // the client may have gone
}
