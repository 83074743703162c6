package lambda

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	sdk "github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/google/go-cmp/cmp"
)

// sdkClient is the AWS SDK's client of the service's API.
func sdkClient(t *testing.T, s *Service) *sdk.Client {
	t.Helper()
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	return sdk.New(sdk.Options{
		Region: "us-east-1", BaseEndpoint: aws.String(server.URL), RetryMaxAttempts: 1,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: "id", SecretAccessKey: "secret"}, nil
		}),
	})
}

func TestInvokeWithTheSDK(t *testing.T) {
	t.Parallel()
	c := sdkClient(t, start(t, Options{}, single("f")))
	name := aws.String("arn:aws:lambda:us-east-1:123456789012:function:f:$LATEST")
	out, err := c.Invoke(t.Context(), &sdk.InvokeInput{
		FunctionName: name, Payload: event("context"), LogType: types.LogTypeTail,
		ClientContext: aws.String(base64.StdEncoding.EncodeToString([]byte(`{"custom":{"a":"b"}}`))),
	})
	if err != nil {
		t.Fatal(err)
	}
	log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != 200 || out.FunctionError != nil || aws.ToString(out.ExecutedVersion) != "$LATEST" ||
		!strings.Contains(string(out.Payload), `"custom":{"a":"b"}`) || !strings.Contains(string(out.Payload), `"arn":"`+*name+`"`) ||
		!strings.HasPrefix(string(log), "START ") || !strings.Contains(string(log), "\nREPORT ") {
		t.Errorf("%+v\npayload %s\nlog %s", out, out.Payload, log)
	}

	out, err = c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: name, Payload: event("error", "Text", "boom")})
	if err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != 200 || aws.ToString(out.FunctionError) != "Unhandled" || string(out.Payload) != `{"errorMessage":"boom","errorType":"errorString"}` || out.LogResult != nil {
		t.Errorf("%+v %s", out, out.Payload)
	}

	out, err = c.Invoke(t.Context(), &sdk.InvokeInput{FunctionName: name, InvocationType: types.InvocationTypeDryRun})
	if err != nil {
		t.Fatal(err)
	}
	if out.StatusCode != 204 || len(out.Payload) != 0 {
		t.Errorf("dry run: %+v", out)
	}
}

func TestErrorsAsTheSDKSeesThem(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, limited("f", 2))
	c := sdkClient(t, s)
	invoke := func(in sdk.InvokeInput) error {
		if in.FunctionName == nil {
			in.FunctionName = aws.String("f")
		}
		_, err := c.Invoke(t.Context(), &in)
		return err
	}
	var notFound *types.ResourceNotFoundException
	for _, kind := range []types.InvocationType{types.InvocationTypeRequestResponse, types.InvocationTypeDryRun} {
		err := invoke(sdk.InvokeInput{FunctionName: aws.String("nobody"), InvocationType: kind})
		if !errors.As(err, &notFound) || notFound.ErrorMessage() != "Function not found: arn:aws:lambda:us-east-1:123456789012:function:nobody:$LATEST" || aws.ToString(notFound.Type) != "User" {
			t.Errorf("unknown function, %s: %v", kind, err)
		}
	}
	var content *types.InvalidRequestContentException
	if err := invoke(sdk.InvokeInput{Payload: []byte("{")}); !errors.As(err, &content) || !strings.HasPrefix(content.ErrorMessage(), "Could not parse request body into json: ") {
		t.Errorf("no JSON: %v", err)
	}
	content = nil
	if err := invoke(sdk.InvokeInput{ClientContext: aws.String("???")}); !errors.As(err, &content) {
		t.Errorf("client context: %v", err)
	}
	content = nil
	if err := invoke(sdk.InvokeInput{ClientContext: aws.String(strings.Repeat("a", 3584))}); !errors.As(err, &content) {
		t.Errorf("client context: %v", err)
	}
	var large *types.RequestTooLargeException
	if err := invoke(sdk.InvokeInput{Payload: make([]byte, 6_291_457)}); !errors.As(err, &large) || large.ErrorMessage() != "Request must be smaller than 6291456 bytes for the InvokeFunction operation" {
		t.Errorf("too large: %v", err)
	}
	largest := `{"Value":"` + strings.Repeat("x", 6_291_456-12) + `"}`
	if err := invoke(sdk.InvokeInput{Payload: []byte(largest)}); err != nil {
		t.Errorf("largest: %v", err)
	}
	var parameter *types.InvalidParameterValueException
	if err := invoke(sdk.InvokeInput{InvocationType: types.InvocationTypeEvent}); !errors.As(err, &parameter) || !strings.Contains(parameter.ErrorMessage(), "asynchronous") {
		t.Errorf("event: %v", err)
	}
	parameter = nil
	if err := invoke(sdk.InvokeInput{InvocationType: "Other"}); !errors.As(err, &parameter) {
		t.Errorf("invocation type: %v", err)
	}
	parameter = nil
	if err := invoke(sdk.InvokeInput{LogType: "Other"}); !errors.As(err, &parameter) {
		t.Errorf("log type: %v", err)
	}

	all := gates(t, 2)
	eventually(t, "idle", func() bool { e := s.Environments(); return len(e) == 1 && e[0].State == Idle })
	answers := blocked(t, s, "f", all)
	var throttled *types.TooManyRequestsException
	if err := invoke(sdk.InvokeInput{}); !errors.As(err, &throttled) || throttled.Reason != types.ThrottleReasonReservedFunctionConcurrentInvocationLimitExceeded ||
		throttled.ErrorMessage() != "Rate Exceeded." || aws.ToString(throttled.RetryAfterSeconds) != "0" {
		t.Errorf("throttled: %v %+v", err, throttled)
	}
	for _, g := range all {
		g.open(t)
		<-answers
	}
}

func TestAPIAnswers(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, single("f"), limited("none", 0))
	const path = "/2015-03-31/functions/"
	tests := map[string]struct {
		method, path, body string
		header             map[string]string
		wantStatus         int
		wantBody           string
		wantHeader         map[string]string // beyond the request id
	}{
		"success": {
			"POST", path + "f/invocations", `{"Value":[1]}`, nil, 200, "[1]",
			map[string]string{"Content-Type": "application/json", "Connection": "keep-alive", "X-Amzn-Remapped-Content-Length": "0", "X-Amz-Executed-Version": "$LATEST"},
		},
		"dry run": {"POST", path + "f/invocations", "", map[string]string{"X-Amz-Invocation-Type": "DryRun"}, 204, "", nil},
		"unknown function": {
			"POST", path + "g/invocations", "", nil, 404, `{"Message":"Function not found: arn:aws:lambda:us-east-1:123456789012:function:g:$LATEST","Type":"User"}`,
			map[string]string{"Content-Type": "application/json", "X-Amzn-Errortype": "ResourceNotFoundException"},
		},
		"throttled": {
			"POST", path + "none/invocations", "", nil, 429, `{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`,
			map[string]string{"Content-Type": "application/json", "X-Amzn-Errortype": "TooManyRequestsException", "Retry-After": "0"},
		},
		"invalid payload": {
			"POST", path + "f/invocations", "x", nil, 400, `{"Type":"User","message":"Could not parse request body into json: Could not parse payload into json: Unexpected character ('x' (code 120)) at byte 1"}`,
			map[string]string{"Content-Type": "application/json", "X-Amzn-Errortype": "InvalidRequestContentException"},
		},
		"too large": {
			"POST", path + "f/invocations", strings.Repeat(" ", 6_291_457), nil, 413, `{"Type":"User","message":"Request must be smaller than 6291456 bytes for the InvokeFunction operation"}`,
			map[string]string{"Content-Type": "application/json", "X-Amzn-Errortype": "RequestTooLargeException"},
		},
		"streaming": {
			"POST", "/2021-11-15/functions/f/response-streaming-invocations", "", nil, 404, `{"Message":"This emulator does not answer POST /2021-11-15/functions/f/response-streaming-invocations","Type":"User"}`,
			map[string]string{"Content-Type": "application/json", "X-Amzn-Errortype": "UnknownOperationException"},
		},
		"wrong method": {
			"DELETE", path + "f", "", nil, 404, `{"Message":"This emulator does not answer DELETE /2015-03-31/functions/f","Type":"User"}`,
			map[string]string{"Content-Type": "application/json", "X-Amzn-Errortype": "UnknownOperationException"},
		},
		"similar path": {
			"GET", "/2015-03-31/functionsf/configuration", "", nil, 404, `{"Message":"This emulator does not answer GET /2015-03-31/functionsf/configuration","Type":"User"}`,
			map[string]string{"Content-Type": "application/json", "X-Amzn-Errortype": "UnknownOperationException"},
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			r := httptest.NewRequest(tt.method, tt.path, strings.NewReader(tt.body))
			for k, v := range tt.header {
				r.Header.Set(k, v)
			}
			w := httptest.NewRecorder()
			s.Handler().ServeHTTP(w, r)
			if w.Code != tt.wantStatus || w.Body.String() != tt.wantBody {
				t.Errorf("%d %s\nwant %d %s", w.Code, w.Body, tt.wantStatus, tt.wantBody)
			}
			got := map[string]string{}
			for k := range w.Header() {
				got[k] = w.Header().Get(k)
			}
			if len(got["X-Amzn-Requestid"]) != 36 || (tt.wantStatus == 200) != (got["X-Amzn-Trace-Id"] != "") {
				t.Errorf("header %v", got)
			}
			delete(got, "X-Amzn-Requestid")
			delete(got, "X-Amzn-Trace-Id")
			want := map[string]string{}
			maps.Copy(want, tt.wantHeader)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("header (-want +got):\n%s", diff)
			}
		})
	}
}

func TestFunctionNames(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, probe("my_f-1"))
	server := httptest.NewServer(s.Handler())
	defer server.Close()
	tests := map[string]int{
		"my_f-1":                                 200,
		"my_f-1:$LATEST":                         200,
		"my_f-1%3A%24LATEST":                     200,
		"function:my_f-1":                        200,
		"123456789012:function:my_f-1":           200,
		"123456789012:my_f-1":                    200,
		"us-west-2:123456789012:function:my_f-1": 200,
		"arn:aws:lambda:us-east-1:123456789012:function:my_f-1":                 200,
		"arn:aws:lambda:us-east-1:123456789012:function:my_f-1:$LATEST":         200,
		"arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Amy_f-1":     200,
		"arn%3Aaws%3Alambda%3Aus-east-1%3A123456789012%3Afunction%3Amy_f-1%3A1": 404,
		"arn:aws-us-gov:lambda:us-gov-west-1:123456789012:function:my_f-1":      200,
		"my_f-1:live":                          404,
		"my_f-1?Qualifier=live":                404,
		"my_f-1?Qualifier=%24LATEST":           200,
		"my_f-1:$LATEST?Qualifier=live":        400,
		"my_f":                                 404,
		"my%20f":                               400,
		"arn:aws:sqs:us-east-1:123456789012:f": 400,
		strings.Repeat("x", 171):               400,
	}
	for name, want := range tests {
		name, query, _ := strings.Cut(name, "?")
		r, err := http.NewRequest("POST", server.URL+"/2015-03-31/functions/"+name+"/invocations?"+query, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("X-Amz-Invocation-Type", "DryRun")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if want == 200 {
			want = 204
		}
		if response.StatusCode != want {
			t.Errorf("%s: %d %s, want %d", name, response.StatusCode, b, want)
		}
		if want == 400 && query == "" && response.Header.Get("X-Amzn-Errortype") != "ValidationException" {
			t.Errorf("%s: %v", name, response.Header)
		}
	}
}

func TestListAndGetWithTheSDK(t *testing.T) {
	t.Parallel()
	b := probe("b")
	b.Handler, b.MemoryMB, b.Env, b.EphemeralStorageMB = "main", 512, map[string]string{"KEY": "v"}, 1024
	c := sdkClient(t, start(t, Options{}, b, probe("a")))
	list, err := c.ListFunctions(t.Context(), &sdk.ListFunctionsInput{})
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, f := range list.Functions {
		names = append(names, aws.ToString(f.FunctionArn))
	}
	const arn = "arn:aws:lambda:us-east-1:123456789012:function:"
	if diff := cmp.Diff([]string{arn + "a", arn + "b"}, names); diff != "" || list.NextMarker != nil {
		t.Errorf("(-want +got):\n%s", diff)
	}
	got, err := c.GetFunctionConfiguration(t.Context(), &sdk.GetFunctionConfigurationInput{FunctionName: aws.String("b"), Qualifier: aws.String("$LATEST")})
	if err != nil {
		t.Fatal(err)
	}
	summary := fmt.Sprint(*got.FunctionName, *got.FunctionArn, *got.Handler, *got.Timeout, *got.MemorySize, *got.Version, got.Runtime, got.State, got.PackageType, got.Environment.Variables, *got.EphemeralStorage.Size, *got.LastModified != "")
	if want := fmt.Sprint("b", arn+"b:$LATEST", "main", 30, 512, "$LATEST", "provided.al2023", "Active", "Zip", map[string]string{"KEY": "v"}, 1024, true); summary != want {
		t.Errorf("%s\nwant %s", summary, want)
	}
	var notFound *types.ResourceNotFoundException
	if _, err := c.GetFunctionConfiguration(t.Context(), &sdk.GetFunctionConfigurationInput{FunctionName: aws.String("c")}); !errors.As(err, &notFound) {
		t.Errorf("unknown function: %v", err)
	}
}
