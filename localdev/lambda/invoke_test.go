package lambda

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestPayloadPassesUnchanged(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, probe("f"))
	tests := map[string]struct{ payload, want string }{
		"value":        {`{"Do":"echo","Value":{"b":1,"a":[1.0,2e3,"é\u00e9<"]}}`, `{"b":1,"a":[1.0,2e3,"é\u00e9<"]}`},
		"empty":        {``, `null`}, // the function sees {}, so there is no value
		"nil response": {`{"Do":"nil"}`, `null`},
		"white space":  {" {\n\t\"Value\" : 1 } ", `1`},
	}
	for name, tt := range tests {
		r, err := s.Invoke(t.Context(), Request{Function: "f", Payload: []byte(tt.payload)})
		if err != nil {
			t.Fatal(name, err)
		}
		if got := string(r.Payload); got != tt.want || r.FunctionError != "" || r.ExecutedVersion != "$LATEST" || r.ContentType != "application/json" {
			t.Errorf("%s: %+v, want %s", name, r, tt.want)
		}
	}
}

func TestContextOfAnInvocation(t *testing.T) {
	t.Parallel()
	s := start(t, Options{Region: "eu-west-1", AccountID: "111122223333"}, probe("f"))
	const root = "1-5e9f0c65-1de4d666d4dd26aced652b6c"
	r, err := s.Invoke(t.Context(), Request{
		Function: "f:$LATEST", Payload: event("context"), RequestID: "11111111-2222-4333-8444-555555555555",
		ClientContext: []byte("{\"custom\":\n {\"a\": \"é\"}}"), TraceID: "Root=" + root + ";Parent=53995c3f42cd8ad8;Sampled=1",
	})
	if err != nil {
		t.Fatal(err)
	}
	type answer struct {
		ID     string `json:"id"`
		ARN    string `json:"arn"`
		Trace  string `json:"trace"`
		Client struct{ Custom map[string]string }
	}
	got := value[answer](t, r)
	if !regexp.MustCompile(`^Root=` + root + `;Parent=[0-9a-f]{16};Sampled=1;Lineage=1:[0-9a-f]{8}:0$`).MatchString(got.Trace) {
		t.Errorf("trace %q", got.Trace)
	}
	want := answer{ID: "11111111-2222-4333-8444-555555555555", ARN: "arn:aws:lambda:eu-west-1:111122223333:function:f:$LATEST", Trace: r.TraceID}
	want.Client.Custom = map[string]string{"a": "é"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}

	got = value[answer](t, call(t, s, "f", "context"))
	if got.ARN != "arn:aws:lambda:eu-west-1:111122223333:function:f" || !regexp.MustCompile(`^Root=1-[0-9a-f]{8}-[0-9a-f]{24};Parent=[0-9a-f]{16};Sampled=0;`).MatchString(got.Trace) {
		t.Errorf("without anything: %+v", got)
	}
	if next := value[answer](t, call(t, s, "f", "context")); next.ID == got.ID || next.Trace == got.Trace {
		t.Errorf("two invocations share %+v", next)
	}
}

func TestInvalidRequests(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, probe("f"))
	tests := map[string]struct {
		request Request
		want    error
	}{
		"no such function":    {Request{Function: "g"}, &NotFoundError{"arn:aws:lambda:us-east-1:123456789012:function:g:$LATEST"}},
		"no such version":     {Request{Function: "f", Qualifier: "7"}, &NotFoundError{"arn:aws:lambda:us-east-1:123456789012:function:f:7"}},
		"two qualifiers":      {Request{Function: "f:$LATEST", Qualifier: "7"}, &InvalidParameterError{"The derived qualifier from the function name does not match the specified qualifier."}},
		"bad name":            {Request{Function: "f g"}, &validationError{"f g", "functionName"}},
		"too large":           {Request{Function: "f", Payload: make([]byte, 6_291_457)}, &TooLargeError{6_291_456}},
		"not JSON":            {Request{Function: "f", Payload: []byte(`{x}`)}, &InvalidContentError{"Could not parse request body into json: Could not parse payload into json: Unexpected character ('x' (code 120)) at byte 2"}},
		"cut off":             {Request{Function: "f", Payload: []byte(`{"a":`)}, &InvalidContentError{"Could not parse request body into json: Could not parse payload into json: Unexpected end-of-input"}},
		"request id":          {Request{Function: "f", RequestID: "a/b"}, &InvalidParameterError{`RequestID "a/b": must be letters, digits and hyphens.`}},
		"client context list": {Request{Function: "f", ClientContext: []byte(`[]`)}, &InvalidContentError{"Client context must be a valid Base64-encoded JSON object."}},
	}
	for name, tt := range tests {
		_, err := s.Invoke(t.Context(), tt.request)
		if diff := cmp.Diff(tt.want, err, cmp.AllowUnexported(validationError{})); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	if n := len(s.Environments()); n != 0 {
		t.Errorf("%d environments were started", n)
	}
}

func TestFunctionErrorsKeepTheEnvironment(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, single("f"))
	pid := value[int](t, call(t, s, "f", "pid"))
	for do, want := range map[string]string{
		"error": `{"errorMessage":"boom","errorType":"errorString"}`,
		"coded": `{"errorMessage":"code 0","errorType":"coded"}`,
		"break": `{"errorMessage":"code 7","errorType":"coded"}`, // told in a trailer, after half a response
	} {
		r := call(t, s, "f", do, "Text", "boom")
		if got := string(r.Payload); r.FunctionError != "Unhandled" || got != want {
			t.Errorf("%s: %s %s, want %s", do, r.FunctionError, got, want)
		}
	}
	if got := value[int](t, call(t, s, "f", "pid")); got != pid {
		t.Errorf("pid %d, then %d", pid, got)
	}
}

func TestCrashes(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, single("f"))
	const failure = `{"errorType":"Runtime.ExitError","errorMessage":"RequestId: %s Error: %s"}`
	tests := []struct {
		do     string
		fields []any
		want   string
	}{
		{"exit", []any{"N", 3}, "Runtime exited with error: exit status 3"},
		{"exit", []any{"N", 0}, "Runtime exited without providing a reason"},
		{"kill", nil, "Runtime exited with error: signal: killed"},
	}
	for _, tt := range tests {
		name := fmt.Sprint(tt.do, tt.fields)
		before := value[int](t, call(t, s, "f", "pid"))
		call(t, s, "f", "write", "Text", name)
		r := call(t, s, "f", tt.do, tt.fields...)
		if want := fmt.Sprintf(failure, r.RequestID, tt.want); string(r.Payload) != want || r.FunctionError != "Unhandled" {
			t.Errorf("%s: %s\nwant %s", name, r.Payload, want)
		}
		if got := value[string](t, call(t, s, "f", "read")); got != name {
			t.Errorf("%s: the temporary directory holds %q", name, got)
		}
		if calls := value[int](t, call(t, s, "f", "calls")); calls != 2 {
			t.Errorf("%s: %d calls in the new process, want 2", name, calls)
		}
		if !gone(before) {
			t.Errorf("%s: process %d still runs", name, before)
		}
	}
}

func TestPanicGivesThePostedError(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, single("f"))
	before := value[int](t, call(t, s, "f", "pid"))
	r := call(t, s, "f", "panic", "Text", "ouch")
	var posted struct {
		ErrorMessage, ErrorType string
		StackTrace              []struct{ Label string }
	}
	if err := json.Unmarshal(r.Payload, &posted); err != nil {
		t.Fatal(err)
	}
	if r.FunctionError != "Unhandled" || posted.ErrorMessage != "ouch" || posted.ErrorType != "string" || len(posted.StackTrace) == 0 {
		t.Errorf("%s %s", r.FunctionError, r.Payload)
	}
	if after := value[int](t, call(t, s, "f", "pid")); after == before {
		t.Errorf("process %d survived", after)
	}
}

func TestDeadline(t *testing.T) {
	t.Parallel()
	c := single("f")
	c.Timeout = 7 * time.Second
	s := start(t, Options{}, c)
	call(t, s, "f", "nil") // the clock starts after a cold init
	before := time.Now()
	deadline := time.UnixMicro(value[int64](t, call(t, s, "f", "deadline")))
	after := time.Now()
	if earliest, latest := before.Add(c.Timeout-50*time.Millisecond), after.Add(c.Timeout+50*time.Millisecond); deadline.Before(earliest) || deadline.After(latest) {
		t.Errorf("deadline %v, want %v to %v", deadline, earliest, latest)
	}
}

func TestTimeout(t *testing.T) {
	t.Parallel()
	c := single("f")
	c.Timeout = time.Second
	s := start(t, Options{}, c)
	tests := map[string]func(pid int){
		"endless loop": func(int) {},
		"stopped":      func(pid int) { _ = syscall.Kill(pid, syscall.SIGSTOP) },
	}
	for name, disturb := range tests {
		pid := value[int](t, call(t, s, "f", "pid"))
		value[any](t, call(t, s, "f", "write", "Text", name))
		before := s.Environments()[0]
		began := time.Now()
		answer := make(chan Response)
		go func() { answer <- call(t, s, "f", "spin") }()
		eventually(t, "handed over", func() bool {
			e := s.Environments()
			return len(e) == 1 && e[0].PID == pid && e[0].Invocations == before.Invocations+1
		})
		disturb(pid)
		r := <-answer
		if took := time.Since(began); took < c.Timeout {
			t.Errorf("%s: timed out after %v", name, took)
		}
		want := fmt.Sprintf(`{"errorType":"Sandbox.Timedout","errorMessage":"RequestId: %s Error: Task timed out after 1.00 seconds"}`, r.RequestID)
		if string(r.Payload) != want || r.FunctionError != "Unhandled" {
			t.Errorf("%s: %s\nwant %s", name, r.Payload, want)
		}
		if !gone(pid) {
			t.Errorf("%s: process %d still runs", name, pid)
		}
		if got := value[string](t, call(t, s, "f", "read")); got != name {
			t.Errorf("%s: the temporary directory holds %q", name, got)
		}
		if e := s.Environments(); len(e) != 1 || e[0].ID != before.ID {
			t.Errorf("%s: %+v is followed by %+v", name, before, e)
		}
	}
}

func TestResponseSize(t *testing.T) {
	t.Parallel()
	s := start(t, Options{}, single("f"))
	r := call(t, s, "f", "size", "N", 6_291_556)
	if len(r.Payload) != 6_291_556 || r.FunctionError != "" {
		t.Errorf("%d bytes, %s", len(r.Payload), r.FunctionError)
	}
	r = call(t, s, "f", "size", "N", 6_291_557)
	const want = `{"errorType":"Function.ResponseSizeTooLarge","errorMessage":"Response payload size exceeded maximum allowed payload size (6291556 bytes)."}`
	if string(r.Payload) != want || r.FunctionError != "Unhandled" {
		t.Errorf("%.200s %s", r.Payload, r.FunctionError)
	}
	// aws-lambda-go takes the refusal as fatal.
	if calls := value[int](t, call(t, s, "f", "calls")); calls != 1 {
		t.Errorf("%d calls in the process, want a new one", calls)
	}
}

func TestEnvironmentVariables(t *testing.T) {
	t.Setenv("AWS_PROFILE", "developer")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret of the developer")
	t.Setenv("HOME", "/home/developer")
	c := probe("orders")
	c.Handler, c.MemoryMB = "main.Handle", 256
	c.Env = map[string]string{"STAGE": "test", "TZ": "Europe/Berlin", "EMPTY": ""}
	s := start(t, Options{Region: "eu-central-1"}, c)
	got := map[string]string{}
	for _, variable := range value[[]string](t, call(t, s, "orders", "env")) {
		name, v, _ := strings.Cut(variable, "=")
		got[name] = v
	}
	id := s.Environments()[0].ID
	patterns := map[string]string{
		"AWS_LAMBDA_LOG_STREAM_NAME": `^\d{4}/\d\d/\d\d/\[\$LATEST\]` + id + `$`,
		"AWS_LAMBDA_RUNTIME_API":     `^127\.0\.0\.1:\d+/e/` + id + `$`,
		"TMPDIR":                     `^/.*/` + id + `$`,
		"_X_AMZN_TRACE_ID":           `^Root=`, // set by aws-lambda-go
		"AWS_ACCESS_KEY_ID":          `LOCALDEV`,
		"AWS_SECRET_ACCESS_KEY":      `localdev`,
		"AWS_SESSION_TOKEN":          `localdev`,
	}
	for name, pattern := range patterns {
		if !regexp.MustCompile(pattern).MatchString(got[name]) {
			t.Errorf("%s=%s does not match %s", name, got[name], pattern)
		}
		delete(got, name)
	}
	want := map[string]string{
		"AWS_REGION": "eu-central-1", "AWS_DEFAULT_REGION": "eu-central-1",
		"AWS_LAMBDA_FUNCTION_NAME": "orders", "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST", "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "256",
		"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand", "AWS_LAMBDA_LOG_GROUP_NAME": "/aws/lambda/orders",
		"AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR", "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
		"_AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1", "_AWS_XRAY_DAEMON_PORT": "2000",
		"LAMBDA_RUNTIME_DIR": "/var/runtime", "LAMBDA_TASK_ROOT": c.Dir, "LANG": "en_US.UTF-8",
		"LD_LIBRARY_PATH": "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:" + c.Dir + ":" + c.Dir + "/lib:/opt/lib",
		"PATH":            "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin", "_HANDLER": "main.Handle",
		"AWS_SAM_LOCAL": "true", "LOCALDEV": "true",
		"STAGE": "test", "TZ": "Europe/Berlin", "EMPTY": "",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if dir := value[string](t, call(t, s, "orders", "where")); dir != c.Dir {
		t.Errorf("working directory %s, want %s", dir, c.Dir)
	}
}
