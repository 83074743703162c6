package lambda

import (
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// client speaks the Runtime API in the place of a function made by byHand.
type client struct {
	t    *testing.T
	base string
	http *http.Client
}

// startByHand waits for the nth process, from 1, and takes its part.
func startByHand(t *testing.T, rec *recorder, nth int) *client {
	t.Helper()
	seen := 0
	var address string
	eventually(t, "the address", func() bool {
		seen = 0
		for _, l := range rec.all() {
			if a, ok := strings.CutPrefix(l.Text, "API "); ok {
				seen++
				address = a
			}
		}
		return seen == nth
	})
	c := &client{t, "http://" + address, &http.Client{Transport: &http.Transport{}}}
	t.Cleanup(c.http.CloseIdleConnections)
	return c
}

// byHand is a function whose processes only tell the address and sleep.
func byHand(t *testing.T) Config {
	t.Helper()
	dir := t.TempDir()
	script := "#!/bin/sh\necho \"API $AWS_LAMBDA_RUNTIME_API\"\nexec sleep 1000\n"
	if err := os.WriteFile(filepath.Join(dir, "bootstrap"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	c := single("f")
	c.Dir = dir
	return c
}

// do returns status and body; headers and trailers come as pairs.
func (c *client) do(method, path, body string, headers ...string) (int, string, http.Header) {
	c.t.Helper()
	r, err := http.NewRequest(method, c.base+path, strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Set(headers[i], headers[i+1])
	}
	return c.send(r)
}

func (c *client) send(r *http.Request) (int, string, http.Header) {
	c.t.Helper()
	response, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	b, err := io.ReadAll(response.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return response.StatusCode, string(b), response.Header
}

// want fails the test unless the answer is the given one.
func (c *client) want(wantStatus int, wantBody, method, path, body string, headers ...string) {
	c.t.Helper()
	status, got, h := c.do(method, path, body, headers...)
	if status != wantStatus || got != wantBody || h.Get("Content-Type") != "application/json" {
		c.t.Errorf("%s %s: %d %s %s\nwant %d %s", method, path, status, h.Get("Content-Type"), got, wantStatus, wantBody)
	}
}

// next returns the id and the payload of the next invocation.
func (c *client) next() (id, payload string) {
	c.t.Helper()
	status, body, h := c.do("GET", "/2018-06-01/runtime/invocation/next", "")
	if status != http.StatusOK {
		c.t.Fatalf("next: %d %s", status, body)
	}
	return h.Get("Lambda-Runtime-Aws-Request-Id"), body
}

const (
	invocationPath = "/2018-06-01/runtime/invocation/"
	accepts        = "{\"status\":\"OK\"}\n"
	wrongID        = `{"errorMessage":"Invalid request ID","errorType":"InvalidRequestID"}`
)

// invokeLater invokes without waiting.
func invokeLater(t *testing.T, s *Service, r Request) <-chan Response {
	t.Helper()
	answer := make(chan Response, 1)
	go func() {
		response, err := s.Invoke(t.Context(), r)
		if err != nil {
			t.Error(err)
		}
		answer <- response
	}()
	return answer
}

func TestRuntimeAPI(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, Options{Output: rec.output}, byHand(t))
	first := invokeLater(t, s, Request{Function: "f", Payload: []byte(`{"n": 1}`), ClientContext: []byte(`{"a": 1}`)})
	c := startByHand(t, rec, 1)

	if status, body, _ := c.do("GET", "/2018-06-01/ping", ""); status != http.StatusOK || body != "pong" {
		t.Errorf("ping: %d %s", status, body)
	}
	c.want(400, wrongID, "POST", invocationPath+"x/response", "1") // nothing is under way

	status, body, h := c.do("GET", invocationPath+"next", "")
	id := h.Get("Lambda-Runtime-Aws-Request-Id")
	wantHeader := http.Header{
		"Content-Type": {"application/json"}, "Content-Length": {"8"},
		"Lambda-Runtime-Aws-Request-Id":       {id},
		"Lambda-Runtime-Invoked-Function-Arn": {"arn:aws:lambda:us-east-1:123456789012:function:f"},
		"Lambda-Runtime-Client-Context":       {`{"a":1}`},
		"Lambda-Runtime-Deadline-Ms":          h["Lambda-Runtime-Deadline-Ms"],
		"Lambda-Runtime-Trace-Id":             h["Lambda-Runtime-Trace-Id"],
	}
	if diff := cmp.Diff(wantHeader, h); status != 200 || body != `{"n": 1}` || diff != "" {
		t.Errorf("next: %d %s (-want +got):\n%s", status, body, diff)
	}

	const transition = `{"errorMessage":"Transition from %s to %s is not allowed.","errorType":"InvalidStateTransition"}`
	c.want(403, fmt.Sprintf(transition, "InvocationResponse", "Ready"), "GET", invocationPath+"next", "")
	c.want(403, fmt.Sprintf(transition, "Ready", "InitError"), "POST", "/2018-06-01/runtime/init/error", "{}")
	c.want(400, wrongID, "POST", invocationPath+"other/response", "1")
	c.want(400, `{"errorMessage":"Invalid function response mode","errorType":"InvalidFunctionResponseMode"}`,
		"POST", invocationPath+id+"/response", "1", "Lambda-Runtime-Function-Response-Mode", "buffered")
	c.want(202, accepts, "POST", invocationPath+id+"/response", `{"ok":1}`, "Lambda-Runtime-Function-Response-Mode", "streaming", "Content-Type", "x/y")
	if r := <-first; string(r.Payload) != `{"ok":1}` || r.ContentType != "x/y" || r.RequestID != id {
		t.Errorf("%+v", r)
	}
	c.want(400, wrongID, "POST", invocationPath+id+"/response", "1")
	c.want(400, wrongID, "POST", invocationPath+id+"/error", "{}")

	errorBody := `{"errorMessage":"boom","errorType":"E","stackTrace":["a"],"errorCause":"secret"}`
	for contentType, want := range map[string]string{
		"application/json": errorBody,
		"application/vnd.aws.lambda.error.cause+json": `{"errorMessage":"boom","errorType":"E","stackTrace":["a"]}`,
	} {
		answer := invokeLater(t, s, Request{Function: "f"})
		id, payload := c.next()
		if payload != "{}" {
			t.Errorf("no payload came as %s", payload)
		}
		c.want(202, accepts, "POST", invocationPath+id+"/error", errorBody, "Content-Type", contentType, "Lambda-Runtime-Function-Xray-Error-Cause", strings.Repeat("x", 1<<20))
		if r := <-answer; string(r.Payload) != want || r.FunctionError != "Unhandled" {
			t.Errorf("%s: %s %s", contentType, r.FunctionError, r.Payload)
		}
	}

	// Too large a response is refused, and told to the invoker.
	answer := invokeLater(t, s, Request{Function: "f"})
	id, _ = c.next()
	c.want(413, `{"errorMessage":"Exceeded maximum allowed payload size (6291556 bytes).","errorType":"RequestEntityTooLarge"}`,
		"POST", invocationPath+id+"/response", strings.Repeat("x", 20<<20))
	if r := <-answer; !strings.HasPrefix(string(r.Payload), `{"errorType":"Function.ResponseSizeTooLarge"`) {
		t.Errorf("%s", r.Payload)
	}
	// A runtime that bears it goes on in the same process.
	answer = invokeLater(t, s, Request{Function: "f"})
	id, _ = c.next()
	c.want(202, accepts, "POST", invocationPath+id+"/response", "")
	if r := <-answer; len(r.Payload) != 0 || r.FunctionError != "" {
		t.Errorf("an empty response: %+v", r)
	}
	if e := s.Environments(); len(e) != 1 || e[0].Invocations != 5 {
		t.Errorf("%+v", e)
	}

	for _, path := range []string{"/2018-06-01/runtime/restore/next", "/2018-06-01/runtime/invocation/1/other", "/other", ""} {
		status, body, _ := c.do("GET", path, "")
		if status != http.StatusNotFound || !strings.Contains(body, `"errorType":"NotSupported"`) {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
	root, _, _ := strings.Cut(c.base, "/e/")
	c.base = root + "/e/unknown"
	c.want(404, `{"errorMessage":"There is no execution environment with this address.","errorType":"UnknownEnvironment"}`, "GET", invocationPath+"next", "")
}

func TestErrorInATrailer(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, Options{Output: rec.output}, byHand(t))
	tests := map[string]struct{ errorType, body, want, wantError string }{
		"described":   {"Function.Broken", base64.StdEncoding.EncodeToString([]byte(`{"errorType":"Broken"}`)), `{"errorType":"Broken"}`, "Unhandled"},
		"undescribed": {"Function.Broken", "", "half", "Unhandled"},
		"no error":    {"", "", "half", ""},
	}
	var c *client
	for name, tt := range tests {
		answer := invokeLater(t, s, Request{Function: "f"})
		if c == nil {
			c = startByHand(t, rec, 1)
		}
		id, _ := c.next()
		r, err := http.NewRequest("POST", c.base+invocationPath+id+"/response", io.NopCloser(strings.NewReader("half")))
		if err != nil {
			t.Fatal(err)
		}
		r.Trailer = http.Header{"Lambda-Runtime-Function-Error-Type": {tt.errorType}, "Lambda-Runtime-Function-Error-Body": {tt.body}}
		if status, body, _ := c.send(r); status != 202 {
			t.Errorf("%s: %d %s", name, status, body)
		}
		if a := <-answer; string(a.Payload) != tt.want || a.FunctionError != tt.wantError {
			t.Errorf("%s: %q %s", name, a.FunctionError, a.Payload)
		}
	}
}

func TestInitError(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, Options{Output: rec.output}, byHand(t))
	answer := invokeLater(t, s, Request{Function: "f"})
	const body = `{"errorMessage":"no database","errorType":"E"}`
	for i, phase := range []string{"init", "invoke"} { // it is tried twice
		c := startByHand(t, rec, i+1)
		c.want(202, accepts, "POST", "/2018-06-01/runtime/init/error", body, "Lambda-Runtime-Function-Error-Type", "Runtime.NoDatabase")
		rec.until(t, phase, func(l Line) bool {
			return strings.HasPrefix(l.Text, "INIT_REPORT") && strings.HasSuffix(l.Text, "\tPhase: "+phase+"\tStatus: error\tError Type: Runtime.NoDatabase")
		})
	}
	if r := <-answer; string(r.Payload) != body || r.FunctionError != "Unhandled" {
		t.Errorf("%s %s", r.FunctionError, r.Payload)
	}
}

func TestExtensions(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, Options{Output: rec.output}, byHand(t))
	answer := invokeLater(t, s, Request{Function: "f"})
	c := startByHand(t, rec, 1)
	const register, nextEvent = "/2020-01-01/extension/register", "/2020-01-01/extension/event/next"

	wantError := func(status int, errorType, method, path, body string, headers ...string) {
		t.Helper()
		got, answer, _ := c.do(method, path, body, headers...)
		if got != status || !strings.Contains(answer, `"errorType":"`+errorType+`"`) {
			t.Errorf("%s %s %v: %d %s, want %d %s", method, path, headers, got, answer, status, errorType)
		}
	}
	wantError(403, "Extension.InvalidExtensionName", "POST", register, "{}")
	wantError(400, "Extension.InvalidRequestFormat", "POST", register, "x", "Lambda-Extension-Name", "a")
	wantError(400, "Extension.InvalidEventType", "POST", register, `{"events":["SHUTDOWN"]}`, "Lambda-Extension-Name", "a")
	wantError(400, "Extension.InvalidEventType", "POST", register, `{"events":["INVOKE"]}`, "Lambda-Extension-Name", "a")

	status, body, h := c.do("POST", register, `{"events":null}`, "Lambda-Extension-Name", "a", "Lambda-Extension-Accept-Feature", "accountId")
	if want := `{"functionName":"f","functionVersion":"$LATEST","handler":"bootstrap","accountId":"123456789012"}`; status != 200 || body != want {
		t.Errorf("register: %d %s", status, body)
	}
	id := h.Get("Lambda-Extension-Identifier")
	wantError(403, "Extension.AlreadyRegistered", "POST", register, "{}", "Lambda-Extension-Name", "a")
	for i := range 9 {
		if status, body, _ := c.do("POST", register, "{}", "Lambda-Extension-Name", fmt.Sprint("b", i)); status != 200 {
			t.Errorf("register: %d %s", status, body)
		}
	}
	wantError(403, "Extension.TooManyExtensions", "POST", register, "{}", "Lambda-Extension-Name", "c")
	wantError(403, "Extension.MissingHeader", "GET", nextEvent, "")
	wantError(403, "Extension.UnknownExtensionIdentifier", "GET", nextEvent, "", "Lambda-Extension-Identifier", "x")
	wantError(202, "Telemetry.NotSupported", "PUT", "/2022-07-01/telemetry", "{}")
	wantError(202, "Logs.NotSupported", "PUT", "/2020-08-15/logs", "{}")

	const exitError = "/2020-01-01/extension/exit/error"
	wantError(403, "Extension.MissingHeader", "POST", exitError, "{}", "Lambda-Extension-Identifier", id)
	broken := func() { // ends the init, which is tried twice
		t.Helper()
		c.want(202, accepts, "POST", exitError, "{}", "Lambda-Extension-Identifier", id, "Lambda-Extension-Function-Error-Type", "Extension.Broken")
	}
	broken()
	c = startByHand(t, rec, 2)
	_, _, h = c.do("POST", register, "{}", "Lambda-Extension-Name", "a")
	id = h.Get("Lambda-Extension-Identifier")
	broken()
	r := <-answer
	if want := `{"errorType":"Extension.Broken","errorMessage":"RequestId: ` + r.RequestID + ` Error: Extension.Broken"}`; string(r.Payload) != want {
		t.Errorf("%s\nwant %s", r.Payload, want)
	}
}

// The init is complete when the runtime and all extensions wait.
func TestInitWaitsForExtensions(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, Options{Output: rec.output}, byHand(t))
	answer := invokeLater(t, s, Request{Function: "f"})
	c := startByHand(t, rec, 1)
	_, _, h := c.do("POST", "/2020-01-01/extension/register", "{}", "Lambda-Extension-Name", "a")
	got := make(chan string)
	go func() {
		id, _ := c.next()
		got <- id
	}()
	f := s.functions["f"]
	eventually(t, "the runtime waits", func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, e := range f.envs {
			return e.polling
		}
		return false
	})
	if e := s.Environments(); e[0].State != Starting {
		t.Errorf("the environment is %s", e[0].State)
	}
	status, body, _ := c.do("POST", "/2020-01-01/extension/register", "{}", "Lambda-Extension-Name", "late")
	if status != 403 || !strings.Contains(body, "Extension.RegistrationClosed") {
		t.Errorf("late registration: %d %s", status, body)
	}
	go func() { // never answered
		r, err := http.NewRequest("GET", c.base+"/2020-01-01/extension/event/next", nil)
		if err != nil {
			t.Error(err)
			return
		}
		r.Header.Set("Lambda-Extension-Identifier", h.Get("Lambda-Extension-Identifier"))
		if response, err := c.http.Do(r); err == nil { // the client tries again once the process has gone
			if response.StatusCode != http.StatusNotFound {
				t.Errorf("an event: %d", response.StatusCode)
			}
			_ = response.Body.Close()
		}
	}()
	c.want(202, accepts, "POST", invocationPath+<-got+"/response", "1")
	<-answer
}

// A runtime that hangs up and asks anew gets the invocation all the same.
func TestRuntimeThatHangsUp(t *testing.T) {
	t.Parallel()
	rec := &recorder{}
	s := start(t, Options{Output: rec.output}, byHand(t))
	answer := invokeLater(t, s, Request{Function: "f"})
	c := startByHand(t, rec, 1)
	id, _ := c.next()
	c.want(202, accepts, "POST", invocationPath+id+"/response", "1")
	<-answer

	f := s.functions["f"]
	request := func() chan struct{} { // the request that waits
		f.mu.Lock()
		defer f.mu.Unlock()
		for _, e := range f.envs {
			if e.polling {
				return e.superseded
			}
		}
		return nil
	}
	host, path, _ := strings.Cut(strings.TrimPrefix(c.base, "http://"), "/")
	for _, again := range []bool{true, false} { // asks anew before, or after, the invocation is there
		conn, err := net.Dial("tcp", host)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := fmt.Fprintf(conn, "GET /%s%snext HTTP/1.1\r\nHost: x\r\n\r\n", path, invocationPath); err != nil {
			t.Fatal(err)
		}
		eventually(t, "the first request", func() bool { return request() != nil })
		first := request()
		if err := conn.Close(); err != nil {
			t.Fatal(err)
		}

		ids := make(chan string)
		next := func() { id, _ := c.next(); ids <- id }
		if again {
			go next()
			eventually(t, "the second request", func() bool { return request() != first })
		}
		answer := invokeLater(t, s, Request{Function: "f"})
		if !again {
			eventually(t, "taken back", func() bool {
				f.mu.Lock()
				defer f.mu.Unlock()
				return len(f.waiting) == 1
			})
			go next()
		}
		c.want(202, accepts, "POST", invocationPath+<-ids+"/response", "2")
		if r := <-answer; string(r.Payload) != "2" {
			t.Errorf("%s", r.Payload)
		}
	}
}
