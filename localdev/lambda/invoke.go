package lambda

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
)

const (
	maxRequest       = 6_291_456 // bytes of a synchronous request
	maxResponse      = 6_291_556 // bytes of a synchronous response
	maxClientContext = 3583      // bytes, base64 encoded
)

// requestID is what may stand in the path of the Runtime API.
var requestID = regexp.MustCompile(`^[a-zA-Z0-9-]{1,64}$`)

// Request is one synchronous invocation.
type Request struct {
	// Function is a name, name:qualifier, partial ARN or ARN. The only version
	// there is, is $LATEST.
	Function  string
	Qualifier string
	// Payload is the event, valid JSON of at most 6,291,456 bytes, passed on
	// unchanged; empty means {}. It must not be changed until the invocation
	// has ended.
	Payload []byte
	// ClientContext is a JSON object (not base64) for mobile callers' data; may be empty.
	ClientContext []byte
	// TraceID is an X-Amzn-Trace-Id header to go on from; empty starts a trace.
	TraceID string
	// RequestID is the invocation's id, of letters, digits and hyphens; empty
	// makes one.
	RequestID string
	// Tail asks for the end of the log. The response then waits until the
	// environment is ready for its next invocation.
	Tail bool
}

// Response is what the function answered, or how it failed.
type Response struct {
	RequestID       string
	ExecutedVersion string
	TraceID         string
	Payload         []byte
	ContentType     string // as the runtime declared it; empty for a failure
	FunctionError   string // "Unhandled" if Payload describes an error, else empty
	LogTail         []byte // the last 4096 bytes from START to REPORT, if asked for
}

// invocation is a request on its way. The fields below the line belong to its
// function's lock.
type invocation struct {
	id, arn, traceID string
	clientContext    string
	payload          []byte
	tail             *tail         // nil: not asked for
	answered         chan struct{} // closed when response or err is there
	finished         chan struct{} // closed when the log is complete; nil without tail
	response         Response
	err              error
	startLine        sync.Once // writes START

	// ---
	start     time.Time // of the hand-over to an environment; zero while waiting
	timer     *time.Timer
	receiving bool // the runtime is sending the answer
	done      bool // answered is closed, or about to be
	timedOut  bool
	errorType string // of what the function was made to fail with
}

// Invoke runs a function and waits for its answer. A failure of the function is
// no error but a Response with FunctionError. Errors are *NotFoundError,
// *ThrottledError, *TooLargeError, *InvalidContentError and
// *InvalidParameterError, ErrClosed, and ctx's. A caller that gives up while
// the invocation waits for an environment withdraws it; after that it runs to
// its end.
func (s *Service) Invoke(ctx context.Context, r Request) (Response, error) {
	f, arn, err := s.resolve(r.Function, r.Qualifier)
	if err != nil {
		return Response{}, err
	}
	if len(r.Payload) > maxRequest {
		return Response{}, &TooLargeError{Limit: maxRequest}
	}
	if len(r.Payload) == 0 {
		r.Payload = []byte("{}")
	}
	if !json.Valid(r.Payload) {
		return Response{}, invalidJSON(r.Payload)
	}
	inv := &invocation{id: r.RequestID, arn: arn, traceID: continueTrace(r.TraceID), payload: r.Payload, answered: make(chan struct{})}
	if inv.id == "" {
		inv.id = uuid.NewString()
	} else if !requestID.MatchString(inv.id) {
		return Response{}, &InvalidParameterError{fmt.Sprintf("RequestID %q: must be letters, digits and hyphens.", inv.id)}
	}
	if len(r.ClientContext) > 0 {
		var oneLine bytes.Buffer // it travels in a header
		if err := json.Compact(&oneLine, r.ClientContext); err != nil || oneLine.Bytes()[0] != '{' {
			return Response{}, errClientContext()
		}
		inv.clientContext = oneLine.String()
	}
	if r.Tail {
		inv.tail, inv.finished = &tail{}, make(chan struct{})
	}
	if err := f.admit(inv); err != nil {
		return Response{}, err
	}
	select {
	case <-inv.answered:
	case <-ctx.Done():
		f.withdraw(inv)
		return Response{}, fmt.Errorf("lambda: invoke %s: %w", f.config.Name, ctx.Err())
	}
	if inv.err != nil {
		return Response{}, inv.err
	}
	if inv.tail != nil {
		select {
		case <-inv.finished:
		case <-ctx.Done():
			return Response{}, fmt.Errorf("lambda: invoke %s: %w", f.config.Name, ctx.Err())
		}
		inv.response.LogTail = inv.tail.last()
	}
	return inv.response, nil
}

func errClientContext() error {
	return &InvalidContentError{"Client context must be a valid Base64-encoded JSON object."}
}

func invalidJSON(payload []byte) error {
	var syntax *json.SyntaxError
	var v json.RawMessage
	detail := "Unexpected end-of-input"
	if err := json.Unmarshal(payload, &v); errors.As(err, &syntax) && syntax.Offset > 0 && !strings.HasPrefix(syntax.Error(), "unexpected end") {
		c := payload[syntax.Offset-1]
		detail = fmt.Sprintf("Unexpected character (%q (code %d)) at byte %d", rune(c), c, syntax.Offset)
	}
	return &InvalidContentError{"Could not parse request body into json: Could not parse payload into json: " + detail}
}

// continueTrace makes the trace header of an invocation: a new segment, in the
// caller's trace if there is one.
func continueTrace(caller string) string {
	root, sampled := "", "0"
	for part := range strings.SplitSeq(caller, ";") {
		name, value, _ := strings.Cut(strings.TrimSpace(part), "=")
		switch {
		case name == "Root" && validRoot(value):
			root = value
		case name == "Sampled" && value == "1":
			sampled = value
		}
	}
	random := randomHex(24) // root 12, parent 8, lineage 4 bytes
	if root == "" {
		root = fmt.Sprintf("1-%08x-%s", time.Now().Unix(), random[:24])
	}
	return "Root=" + root + ";Parent=" + random[24:40] + ";Sampled=" + sampled + ";Lineage=1:" + random[40:] + ":0"
}

// validRoot accepts 1-8hex-24hex only: the value goes into a header.
func validRoot(v string) bool {
	if len(v) != 35 || v[:2] != "1-" || v[10] != '-' {
		return false
	}
	return strings.Trim(v[2:10]+v[11:], "0123456789abcdefABCDEF") == ""
}
