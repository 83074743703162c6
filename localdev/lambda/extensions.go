package lambda

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/google/uuid"
)

const (
	maxExtensions       = 10
	headerExtensionName = "Lambda-Extension-Name"
	headerExtensionID   = "Lambda-Extension-Identifier"
	headerExtensionErr  = "Lambda-Extension-Function-Error-Type"
	headerExtensionWant = "Lambda-Extension-Accept-Feature"
)

// extension is an internal extension: a part of the function's own process that
// registered itself, for which the process gets a SIGTERM before its end.
// External extensions come with layers, which are not emulated.
type extension struct {
	name    string
	waiting bool // has asked for an event
}

func (e *environment) serveExtensionCall(w *reply, r *http.Request, path string) {
	switch r.Method + " " + path {
	case "POST 2020-01-01/extension/register":
		e.register(w, r)
	case "GET 2020-01-01/extension/event/next":
		e.nextEvent(w, r)
	case "POST 2020-01-01/extension/init/error", "POST 2020-01-01/extension/exit/error":
		e.extensionError(w, r)
	case "PUT 2020-08-15/logs":
		runtimeError(w, http.StatusAccepted, "Logs.NotSupported", "Logs API is not supported")
	case "PUT 2022-07-01/telemetry":
		runtimeError(w, http.StatusAccepted, "Telemetry.NotSupported", "Telemetry API is not supported")
	default:
		notSupported(w, r)
	}
}

// register adds an extension during the init.
func (e *environment) register(w *reply, r *http.Request) {
	name := r.Header.Get(headerExtensionName)
	if name == "" {
		runtimeError(w, http.StatusForbidden, "Extension.InvalidExtensionName", "Empty extension name")
		return
	}
	body, err := readAtMost(r.Body, r.ContentLength, maxResponse)
	var request struct {
		Events []string `json:"events"`
	}
	if err != nil || json.Unmarshal(body, &request) != nil {
		runtimeError(w, http.StatusBadRequest, "Extension.InvalidRequestFormat", "Request body is not valid JSON")
		return
	}
	if len(request.Events) > 0 {
		runtimeError(w, http.StatusBadRequest, "Extension.InvalidEventType",
			strings.Join(request.Events, ", ")+": internal extensions may not ask for SHUTDOWN, and this emulator does not send INVOKE to them.")
		return
	}
	id, refusal := e.addExtension(name)
	if refusal != "" {
		runtimeError(w, http.StatusForbidden, refusal, "Extension "+name+" cannot be registered: "+refusal)
		return
	}
	c := e.function.config
	answer := struct {
		FunctionName    string `json:"functionName"`
		FunctionVersion string `json:"functionVersion"`
		Handler         string `json:"handler"`
		AccountID       string `json:"accountId,omitempty"`
	}{FunctionName: c.Name, FunctionVersion: latest, Handler: c.Handler}
	if r.Header.Get(headerExtensionWant) == "accountId" {
		answer.AccountID = e.function.service.account
	}
	w.Header().Set(headerExtensionID, id)
	writeJSON(w, http.StatusOK, answer)
}

func (e *environment) addExtension(name string) (id, refusal string) {
	f := e.function
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case e.ready || e.polling:
		return "", "Extension.RegistrationClosed"
	case len(e.extensions) >= maxExtensions:
		return "", "Extension.TooManyExtensions"
	}
	for _, x := range e.extensions {
		if x.name == name {
			return "", "Extension.AlreadyRegistered"
		}
	}
	if e.extensions == nil {
		e.extensions = map[string]*extension{}
	}
	id = uuid.NewString()
	e.extensions[id] = &extension{name: name}
	return id, ""
}

// known finds the extension that a request comes from, or answers it.
func (e *environment) known(w *reply, r *http.Request) bool {
	id := r.Header.Get(headerExtensionID)
	if id == "" {
		runtimeError(w, http.StatusForbidden, "Extension.MissingHeader", "Missing "+headerExtensionID+" header")
		return false
	}
	f := e.function
	f.mu.Lock()
	_, ok := e.extensions[id]
	f.mu.Unlock()
	if !ok {
		runtimeError(w, http.StatusForbidden, "Extension.UnknownExtensionIdentifier", "Unknown extension "+id)
	}
	return ok
}

// nextEvent tells that the extension is ready. As no internal extension can ask
// for an event here, there never is one.
func (e *environment) nextEvent(w *reply, r *http.Request) {
	if !e.known(w, r) {
		return
	}
	<-e.launched
	f := e.function
	f.mu.Lock()
	e.extensions[r.Header.Get(headerExtensionID)].waiting = true
	e.initialize()
	f.mu.Unlock()
	select {
	case <-e.gone:
	case <-f.service.runtime.done:
	}
	w.drop()
}

// extensionError ends the environment, as an extension's failure does.
func (e *environment) extensionError(w *reply, r *http.Request) {
	if !e.known(w, r) {
		return
	}
	errorType := r.Header.Get(headerExtensionErr)
	if errorType == "" {
		runtimeError(w, http.StatusForbidden, "Extension.MissingHeader", "Missing "+headerExtensionErr+" header")
		return
	}
	accepted(w)
	_ = w.send() // before the process goes
	<-e.launched
	f := e.function
	f.mu.Lock()
	if e.fault == nil && e.state != Stopping {
		e.fault = &fault{errorType: errorType}
	}
	f.mu.Unlock()
	e.kill()
}
