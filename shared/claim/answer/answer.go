// Package answer makes HTTP responses of what a guarded handler is refused with,
// for API Gateway, HTTP APIs, load balancers and function URLs. Its functions are
// hooks of claim.HandlerOptions:
//
//	claim.HandlerOptions[events.APIGatewayV2HTTPRequest, events.APIGatewayV2HTTPResponse]{
//		Key:      key.Header[events.APIGatewayV2HTTPRequest](),
//		OnError:  answer.Problem[events.APIGatewayV2HTTPResponse],
//		Replayed: answer.Replayed[events.APIGatewayV2HTTPResponse],
//		Failed:   answer.ServerError[events.APIGatewayV2HTTPResponse],
//	}
package answer

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"photofinish/shared/claim"
)

// HTTPResponse is a response to an HTTP request.
type HTTPResponse interface {
	events.APIGatewayProxyResponse | events.APIGatewayV2HTTPResponse | events.ALBTargetGroupResponse | events.LambdaFunctionURLResponse
}

// ReplayedHeader is set to true in a response that is given again.
const ReplayedHeader = "Idempotent-Replayed"

// Problem answers an error of the guard with problem details (RFC 9457), for
// OnError: 400 where there is no key, 409 and Retry-After while another call is at
// work, 422 for other content under the same key, 409 for what an effect rejected,
// 503 and Retry-After while Redis is away or where the claim was lost, and 500
// where the work is done and its response cannot be given, or it is not known
// whether it is on record. Anything else it returns as the error that it is.
//
// The details say nothing of keys, owners or servers; log the error for those.
func Problem[Out HTTPResponse](_ context.Context, err error) (Out, error) {
	status, detail, retry := describe(err)
	if status == 0 {
		var none Out
		return none, err
	}
	body, encoding := json.Marshal(struct {
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
	}{http.StatusText(status), status, detail})
	if encoding != nil {
		var none Out
		return none, errors.Join(err, encoding)
	}
	headers := map[string]string{"Content-Type": "application/problem+json"}
	if retry > 0 {
		headers["Retry-After"] = strconv.FormatInt(int64((retry+time.Second-1)/time.Second), 10)
	}
	return response[Out](status, headers, string(body)), nil
}

// longestRetry is the most that a client is told to wait. The lease that is left is
// mostly far longer than the work that it covers.
const longestRetry = 10 * time.Second

func describe(err error) (status int, detail string, retry time.Duration) {
	if _, ok := errors.AsType[*claim.KeyError](err); ok {
		if errors.Is(err, claim.ErrNoKey) {
			return http.StatusBadRequest, "The request has no idempotency key.", 0
		}
		return http.StatusBadRequest, "The idempotency key or the content of the request cannot be read.", 0
	}
	if e, ok := errors.AsType[*claim.InProgressError](err); ok {
		return http.StatusConflict, "A request with the same idempotency key is in progress.", min(max(e.Left, time.Second), longestRetry)
	}
	if _, ok := errors.AsType[*claim.ConflictError](err); ok {
		return http.StatusUnprocessableEntity, "The idempotency key was used before for other content.", 0
	}
	if e, ok := errors.AsType[*claim.RejectedError](err); ok {
		return http.StatusConflict, e.Reason, 0
	}
	if _, ok := errors.AsType[*claim.LostError](err); ok {
		return http.StatusServiceUnavailable, "The request took too long, and another with the same idempotency key may have taken over.", time.Second
	}
	if _, ok := errors.AsType[*claim.UnavailableError](err); ok {
		return http.StatusServiceUnavailable, "The service is not available just now.", time.Second
	}
	if _, ok := errors.AsType[*claim.ResponseError](err); ok {
		return http.StatusInternalServerError, "The request was processed before, but its response cannot be given again.", 0
	}
	if _, ok := errors.AsType[*claim.UnrecordedError](err); ok {
		return http.StatusInternalServerError, "The request was processed, but it is not known whether this is on record.", 0
	}
	return 0, "", 0
}

// Replayed marks a response that is given again, for the hook of that name.
func Replayed[Out HTTPResponse](out Out, _ claim.Claim) Out {
	switch r := any(&out).(type) {
	case *events.APIGatewayProxyResponse:
		r.Headers = marked(r.Headers)
	case *events.APIGatewayV2HTTPResponse:
		r.Headers = marked(r.Headers)
	case *events.ALBTargetGroupResponse:
		// Which of the two a load balancer reads is a setting of its target group.
		r.Headers = marked(r.Headers)
		if r.MultiValueHeaders != nil {
			r.MultiValueHeaders = maps.Clone(r.MultiValueHeaders)
			r.MultiValueHeaders[ReplayedHeader] = []string{"true"}
		}
	case *events.LambdaFunctionURLResponse:
		r.Headers = marked(r.Headers)
	}
	return out
}

func marked(headers map[string]string) map[string]string {
	all := make(map[string]string, len(headers)+1)
	maps.Copy(all, headers)
	all[ReplayedHeader] = "true"
	return all
}

// ServerError reports a status of 500 and above, for the hook Failed: such a
// response is not recorded, and a retry works again.
func ServerError[Out HTTPResponse](out Out) bool {
	switch r := any(out).(type) {
	case events.APIGatewayProxyResponse:
		return r.StatusCode >= http.StatusInternalServerError
	case events.APIGatewayV2HTTPResponse:
		return r.StatusCode >= http.StatusInternalServerError
	case events.ALBTargetGroupResponse:
		return r.StatusCode >= http.StatusInternalServerError
	case events.LambdaFunctionURLResponse:
		return r.StatusCode >= http.StatusInternalServerError
	}
	return false
}

func response[Out HTTPResponse](status int, headers map[string]string, body string) (out Out) {
	switch r := any(&out).(type) {
	case *events.APIGatewayProxyResponse:
		r.StatusCode, r.Headers, r.Body = status, headers, body
	case *events.APIGatewayV2HTTPResponse:
		r.StatusCode, r.Headers, r.Body = status, headers, body
	case *events.ALBTargetGroupResponse:
		r.StatusCode, r.Headers, r.Body = status, headers, body
		r.StatusDescription = strconv.Itoa(status) + " " + http.StatusText(status)
		r.MultiValueHeaders = map[string][]string{}
		for name, value := range headers {
			r.MultiValueHeaders[name] = []string{value}
		}
	case *events.LambdaFunctionURLResponse:
		r.StatusCode, r.Headers, r.Body = status, headers, body
	}
	return out
}
