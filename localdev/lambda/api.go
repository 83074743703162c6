package lambda

import (
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"
)

const functionsPath = "/2015-03-31/functions"

// Handler serves the part of the Lambda API that callers of functions need:
// Invoke, ListFunctions and GetFunctionConfiguration. Everything else is
// answered with 404 and a JSON error. Signatures are not checked.
func (s *Service) Handler() http.Handler { return http.HandlerFunc(s.serveAPI) }

func (s *Service) serveAPI(w http.ResponseWriter, r *http.Request) {
	path, ok := strings.CutPrefix(r.URL.EscapedPath()+"/", functionsPath+"/")
	name, call, _ := strings.Cut(strings.TrimSuffix(path, "/"), "/")
	name, err := url.PathUnescape(name) // ARNs come as one segment, with %3A
	switch {
	case !ok || err != nil:
	case r.Method == http.MethodPost && name != "" && call == "invocations":
		s.serveInvoke(w, r, name)
		return
	case r.Method == http.MethodGet && name == "" && call == "":
		s.listFunctions(w)
		return
	case r.Method == http.MethodGet && name != "" && call == "configuration":
		s.getConfiguration(w, r, name)
		return
	}
	apiError{http.StatusNotFound, "UnknownOperationException", upperBody{
		"This emulator does not answer " + r.Method + " " + r.URL.Path, "User",
	}}.write(w, uuid.NewString())
}

func (s *Service) serveInvoke(w http.ResponseWriter, r *http.Request, name string) {
	request := Request{
		Function: name, Qualifier: r.URL.Query().Get("Qualifier"),
		TraceID: r.Header.Get("X-Amzn-Trace-Id"), RequestID: uuid.NewString(),
	}
	dryRun, err := request.readHeaders(r.Header)
	if err == nil {
		request.Payload, err = readPayload(r)
	}
	if err == nil && dryRun {
		if _, _, err = s.resolve(request.Function, request.Qualifier); err == nil {
			w.Header()["X-Amzn-Requestid"] = []string{request.RequestID}
			w.WriteHeader(http.StatusNoContent)
			return
		}
	}
	var response Response
	if err == nil {
		response, err = s.Invoke(r.Context(), request)
	}
	if err != nil {
		if r.Context().Err() == nil { // else nobody is there to read it
			describe(err).write(w, request.RequestID)
		}
		return
	}
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Connection"] = []string{"keep-alive"}
	h["X-Amzn-Requestid"] = []string{response.RequestID}
	h["X-Amzn-Remapped-Content-Length"] = []string{"0"}
	h["X-Amz-Executed-Version"] = []string{response.ExecutedVersion}
	h["X-Amzn-Trace-Id"] = []string{response.TraceID}
	if response.FunctionError != "" {
		h["X-Amz-Function-Error"] = []string{response.FunctionError}
	}
	if request.Tail {
		h["X-Amz-Log-Result"] = []string{base64.StdEncoding.EncodeToString(response.LogTail)}
	}
	_, _ = w.Write(response.Payload) // the client may have gone
}

// readHeaders takes over what Invoke's headers ask for.
func (q *Request) readHeaders(h http.Header) (dryRun bool, err error) {
	switch kind := h.Get("X-Amz-Invocation-Type"); kind {
	case "", "RequestResponse":
	case "DryRun":
		dryRun = true
	case "Event":
		return false, &InvalidParameterError{"InvocationType Event: this emulator does not do asynchronous invocation yet."}
	default:
		return false, &InvalidParameterError{"InvocationType " + kind + ": must be RequestResponse, Event or DryRun."}
	}
	switch kind := h.Get("X-Amz-Log-Type"); kind {
	case "", "None":
	case "Tail":
		q.Tail = true
	default:
		return false, &InvalidParameterError{"LogType " + kind + ": must be None or Tail."}
	}
	if encoded := h.Get("X-Amz-Client-Context"); encoded != "" {
		if len(encoded) > maxClientContext {
			return false, &InvalidContentError{"Client context must be no more than 3583 bytes when base64-encoded."}
		}
		if q.ClientContext, err = base64.StdEncoding.DecodeString(encoded); err != nil {
			return false, errClientContext()
		}
	}
	return dryRun, nil
}

func readPayload(r *http.Request) ([]byte, error) {
	payload, err := readAtMost(r.Body, r.ContentLength, maxRequest)
	switch {
	case errors.Is(err, errTooLarge):
		return nil, &TooLargeError{Limit: maxRequest}
	case err != nil:
		return nil, &InvalidContentError{"Could not read the request body: " + err.Error()}
	}
	return payload, nil
}

// functionConfiguration is what the API tells about a function.
type functionConfiguration struct {
	FunctionName     string
	FunctionArn      string
	Runtime          string
	Handler          string
	Timeout          int
	MemorySize       int
	LastModified     string
	Version          string
	State            string
	LastUpdateStatus string
	PackageType      string
	Architectures    []string
	Environment      struct {
		Variables map[string]string
	}
	EphemeralStorage struct {
		Size int
	}
}

func (f *function) configuration(arn string) functionConfiguration {
	c := functionConfiguration{
		FunctionName: f.config.Name, FunctionArn: arn, Runtime: "provided.al2023", Handler: f.config.Handler,
		Timeout: int((f.config.Timeout + time.Second - 1) / time.Second), MemorySize: f.config.MemoryMB,
		Version: latest, State: "Active", LastUpdateStatus: "Successful", PackageType: "Zip", Architectures: []string{"x86_64"},
	}
	if runtime.GOARCH == "arm64" {
		c.Architectures[0] = "arm64"
	}
	if c.Environment.Variables = f.config.Env; c.Environment.Variables == nil {
		c.Environment.Variables = map[string]string{}
	}
	c.EphemeralStorage.Size = f.config.EphemeralStorageMB
	if info, err := os.Stat(filepath.Join(f.config.Dir, "bootstrap")); err == nil { //nolint:gosec // the folder is the configuration's
		c.LastModified = info.ModTime().UTC().Format("2006-01-02T15:04:05.000-0700")
	}
	return c
}

func (s *Service) listFunctions(w http.ResponseWriter) {
	list := struct {
		Functions  []functionConfiguration
		NextMarker *string
	}{Functions: []functionConfiguration{}}
	for _, f := range s.functions {
		list.Functions = append(list.Functions, f.configuration(f.arn))
	}
	slices.SortFunc(list.Functions, func(a, b functionConfiguration) int { return strings.Compare(a.FunctionName, b.FunctionName) })
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	writeJSON(w, http.StatusOK, list)
}

func (s *Service) getConfiguration(w http.ResponseWriter, r *http.Request, name string) {
	f, arn, err := s.resolve(name, r.URL.Query().Get("Qualifier"))
	if err != nil {
		describe(err).write(w, uuid.NewString())
		return
	}
	w.Header().Set("X-Amzn-Requestid", uuid.NewString())
	writeJSON(w, http.StatusOK, f.configuration(arn))
}
