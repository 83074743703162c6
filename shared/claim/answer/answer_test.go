package answer_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/google/go-cmp/cmp"

	"photofinish/shared/claim"
	"photofinish/shared/claim/answer"
	"photofinish/shared/claim/key"
	"photofinish/shared/redistest"
)

func TestEveryErrorOfTheGuardHasItsStatus(t *testing.T) {
	t.Parallel()
	secret := errors.New("10.0.0.7: secret")
	held := claim.Claim{Key: "secret", Held: claim.Held{ID: "secret", Fence: 1}, Owner: "secret"}
	for _, c := range []struct {
		err    error
		status int
		retry  string
	}{
		{&claim.KeyError{Source: "secret", Err: claim.ErrNoKey}, 400, ""},
		{&claim.KeyError{Source: "secret", Err: secret}, 400, ""},
		{&claim.InProgressError{ID: "secret", Holder: "secret", Left: 2100 * time.Millisecond}, 409, "3"},
		{&claim.InProgressError{ID: "secret", Holder: "secret"}, 409, "1"},
		{&claim.ConflictError{ID: "secret"}, 422, ""},
		{&claim.RejectedError{ID: "secret", Reason: "too little"}, 409, ""},
		{&claim.LostError{Claim: held, Err: secret}, 503, "1"},
		{&claim.UnavailableError{ID: "secret", Err: secret}, 503, "1"},
		{&claim.ResponseError{ID: "secret", Reason: "secret"}, 500, ""},
		{&claim.UnrecordedError{Claim: held, Err: secret}, 500, ""},
	} {
		r, err := answer.Problem[events.APIGatewayV2HTTPResponse](t.Context(), c.err)
		if err != nil || r.StatusCode != c.status || r.Headers["Retry-After"] != c.retry || r.Headers["Content-Type"] != "application/problem+json" {
			t.Errorf("%v: %+v, %v, want %d", c.err, r, err, c.status)
		}
		var body struct {
			Status        int
			Title, Detail string
		}
		if json.Unmarshal([]byte(r.Body), &body) != nil || body.Status != c.status || body.Title != http.StatusText(c.status) || body.Detail == "" {
			t.Errorf("%v: %s", c.err, r.Body)
		}
		if strings.Contains(r.Body, "secret") {
			t.Errorf("%v: the body tells internals: %s", c.err, r.Body)
		}
	}
	if r, err := answer.Problem[events.APIGatewayProxyResponse](t.Context(), &claim.EffectError{Reason: "secret"}); err == nil || r.StatusCode != 0 {
		t.Errorf("%+v, %v: an error that is none of the client's is not left as it is", r, err)
	}
}

func TestEveryKindOfResponse(t *testing.T) {
	t.Parallel()
	err := &claim.ConflictError{}
	body := `{"title":"Unprocessable Entity","status":422,"detail":"The idempotency key was used before for other content."}`
	headers := map[string]string{"Content-Type": "application/problem+json"}
	multi := map[string][]string{"Content-Type": {"application/problem+json"}}
	rest, e1 := answer.Problem[events.APIGatewayProxyResponse](t.Context(), err)
	alb, e2 := answer.Problem[events.ALBTargetGroupResponse](t.Context(), err)
	url, e3 := answer.Problem[events.LambdaFunctionURLResponse](t.Context(), err)
	if err := errors.Join(e1, e2, e3); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(events.APIGatewayProxyResponse{StatusCode: 422, Headers: headers, Body: body}, rest); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(events.ALBTargetGroupResponse{StatusCode: 422, StatusDescription: "422 Unprocessable Entity", Headers: headers, MultiValueHeaders: multi, Body: body}, alb); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(events.LambdaFunctionURLResponse{StatusCode: 422, Headers: headers, Body: body}, url); diff != "" {
		t.Error(diff)
	}

	headers = map[string]string{"Location": "/orders/29"}
	for _, got := range []map[string]string{
		answer.Replayed(events.APIGatewayProxyResponse{Headers: headers}, claim.Claim{}).Headers,
		answer.Replayed(events.APIGatewayV2HTTPResponse{Headers: headers}, claim.Claim{}).Headers,
		answer.Replayed(events.ALBTargetGroupResponse{Headers: headers}, claim.Claim{}).Headers,
		answer.Replayed(events.LambdaFunctionURLResponse{Headers: headers}, claim.Claim{}).Headers,
	} {
		if diff := cmp.Diff(map[string]string{"Location": "/orders/29", "Idempotent-Replayed": "true"}, got); diff != "" {
			t.Error(diff)
		}
	}
	if got := answer.Replayed(events.ALBTargetGroupResponse{MultiValueHeaders: multi}, claim.Claim{}); got.MultiValueHeaders["Idempotent-Replayed"][0] != "true" || len(multi) != 1 {
		t.Errorf("%+v", got)
	}
	if len(headers) != 1 {
		t.Errorf("the headers of the original were changed: %v", headers)
	}
	for status, want := range map[int]bool{200: false, 404: false, 499: false, 500: true, 503: true} {
		for _, got := range []bool{
			answer.ServerError(events.APIGatewayProxyResponse{StatusCode: status}),
			answer.ServerError(events.APIGatewayV2HTTPResponse{StatusCode: status}),
			answer.ServerError(events.ALBTargetGroupResponse{StatusCode: status}),
			answer.ServerError(events.LambdaFunctionURLResponse{StatusCode: status}),
		} {
			if got != want {
				t.Errorf("%d: %v, want %v", status, got, want)
			}
		}
	}
}

// The hooks together, as an HTTP API uses them.
func TestAnHTTPAPI(t *testing.T) {
	t.Parallel()
	type in = events.APIGatewayV2HTTPRequest
	type out = events.APIGatewayV2HTTPResponse
	e, err := claim.Open(redistest.Embedded(t), "main", claim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	times := 0
	h, err := claim.Handler(e, claim.HandlerOptions[in, out]{
		Key: key.Header[in](), OnError: answer.Problem[out], Replayed: answer.Replayed[out], Failed: answer.ServerError[out], Function: "order",
	}, func(context.Context, in) (out, error) {
		times++
		if times == 1 {
			return out{StatusCode: 502}, nil
		}
		return out{StatusCode: 201, Headers: map[string]string{"Location": "/orders/29"}, Body: "{}"}, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	post := func(key, body string) out {
		t.Helper()
		r, err := h(t.Context(), in{Headers: map[string]string{"idempotency-key": key}, Body: body})
		if err != nil {
			t.Error(err)
		}
		return r
	}
	for i, c := range []struct {
		key, body string
		status    int
		replayed  string
	}{{"k", "{}", 502, ""}, {"k", "{}", 201, ""}, {"k", "{}", 201, "true"}, {"k", "[]", 422, ""}, {"", "{}", 400, ""}} {
		if r := post(c.key, c.body); r.StatusCode != c.status || r.Headers["Idempotent-Replayed"] != c.replayed {
			t.Errorf("request %d: %+v, want %+v", i+1, r, c)
		}
	}
	if times != 2 {
		t.Errorf("worked %d times, want 2", times)
	}
}
