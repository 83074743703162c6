package telemetry

import (
	"context"
	"net/http"
	"regexp"
)

// Forms of trace contexts: that of W3C, and that of X-Ray.
// https://www.w3.org/TR/trace-context/#traceparent-header
// https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
var (
	traceparent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$`)
	xray        = regexp.MustCompile(`^[A-Za-z]+=[A-Za-z0-9_:.-]{1,100}(;[A-Za-z]+=[A-Za-z0-9_:.-]{1,100}){0,5}$`)
)

// Trace is the trace context of a request, to be carried in a message: its
// traceparent, else its X-Amzn-Trace-Id, else that of the invocation. Anything
// that has not the form of one is left out, since headers come from outside.
func Trace(ctx context.Context, h http.Header) string {
	if t := h.Get("traceparent"); traceparent.MatchString(t) {
		return t
	}
	if t := h.Get("X-Amzn-Trace-Id"); xray.MatchString(t) {
		return t
	}
	if t, ok := ctx.Value("x-amzn-trace-id").(string); ok && xray.MatchString(t) { // set by aws-lambda-go
		return t
	}
	return ""
}
