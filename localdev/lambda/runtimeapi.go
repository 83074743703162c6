package lambda

import (
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// One listener serves all environments; the first two segments of the path tell
// which: /e/ID/2018-06-01/runtime/….
const runtimePrefix = "/e/"

// serveRuntime answers the Runtime API and what there is of the Extensions API.
func (s *Service) serveRuntime(w *reply, r *http.Request) {
	id, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, runtimePrefix), "/")
	known, ok := s.envs.Load(id)
	if !ok {
		runtimeError(w, http.StatusNotFound, "UnknownEnvironment", "There is no execution environment with this address.")
		return
	}
	e := known.(*environment)
	if call, ok := strings.CutPrefix(path, "2018-06-01/"); ok {
		e.serveRuntimeCall(w, r, call)
		return
	}
	e.serveExtensionCall(w, r, path)
}

func (e *environment) serveRuntimeCall(w *reply, r *http.Request, call string) {
	if rest, ok := strings.CutPrefix(call, "runtime/invocation/"); ok {
		if rest == "next" && r.Method == http.MethodGet {
			e.next(w)
			return
		}
		id, verb, _ := strings.Cut(rest, "/")
		switch {
		case verb == "response" && r.Method == http.MethodPost:
			e.answer(w, r, id, e.readResponse)
			return
		case verb == "error" && r.Method == http.MethodPost:
			e.answer(w, r, id, e.readError)
			return
		}
	}
	switch {
	case call == "runtime/init/error" && r.Method == http.MethodPost:
		e.initError(w, r)
	case call == "ping" && r.Method == http.MethodGet:
		_, _ = io.WriteString(w, "pong")
	default:
		notSupported(w, r)
	}
}

func notSupported(w http.ResponseWriter, r *http.Request) {
	runtimeError(w, http.StatusNotFound, "NotSupported", "This emulator does not answer "+r.Method+" "+r.URL.Path+".")
}

func runtimeError(w http.ResponseWriter, status int, errorType, message string) {
	writeJSON(w, status, struct {
		Message string `json:"errorMessage"`
		Type    string `json:"errorType"`
	}{message, errorType})
}

func invalidRequestID(w http.ResponseWriter) {
	runtimeError(w, http.StatusBadRequest, "InvalidRequestID", "Invalid request ID")
}

func invalidTransition(w http.ResponseWriter, from, to string) {
	runtimeError(w, http.StatusForbidden, "InvalidStateTransition", "Transition from "+from+" to "+to+" is not allowed.")
}

func accepted(w http.ResponseWriter) {
	w.Header()["Content-Type"] = []string{"application/json"}
	w.WriteHeader(http.StatusAccepted)
	_, _ = io.WriteString(w, "{\"status\":\"OK\"}\n")
}

// next completes the invocation before, and waits for one.
func (e *environment) next(w *reply) {
	<-e.launched
	f := e.function
	f.mu.Lock()
	if before := e.current; before != nil && e.ready && e.state != Stopping {
		if !before.done {
			f.mu.Unlock()
			invalidTransition(w, "InvocationResponse", "Ready")
			return
		}
		e.current = nil
		before.timer.Stop()
		init := e.initTook
		e.initTook = 0
		f.mu.Unlock()
		var o outcome
		if before.errorType != "" {
			o = outcome{status: "error", errorType: before.errorType}
		}
		e.finish(before, init, o)
		f.mu.Lock()
	}
	superseded := e.poll()
	f.mu.Unlock()

	select {
	case inv := <-e.deliver: // one was waiting already
		e.send(w, inv)
		return
	default:
	}
	select {
	case inv := <-e.deliver:
		if w.hungUp() {
			e.takeBack(inv)
			w.drop()
			return
		}
		e.send(w, inv)
	case <-superseded:
		w.drop()
	case <-e.gone:
		w.drop()
	case <-e.function.service.runtime.done:
		w.drop()
	}
}

// poll notes that the runtime waits for an invocation, now with this request; a
// former one, that it must have given up, ends. Call it with the lock held.
func (e *environment) poll() (superseded <-chan struct{}) {
	if e.polling {
		close(e.superseded)
	}
	e.polling, e.superseded = true, make(chan struct{})
	switch {
	case e.state == Stopping: // the process is about to be gone
	case !e.ready:
		e.initialize()
	case e.state == Busy && e.current == nil:
		e.becomeIdle()
		e.function.schedule()
	}
	return e.superseded
}

// initialize completes the init once the runtime and all extensions wait. Call
// it with the lock held.
func (e *environment) initialize() {
	for _, x := range e.extensions {
		if !x.waiting {
			return
		}
	}
	if !e.polling || e.ready || e.state == Stopping {
		return
	}
	e.ready = true
	e.measure()  // in case the first invocation ends the process
	if !e.cold { // bound to its first invocation, whose clock is running
		e.state = Busy
		e.polling = false
		e.deliver <- e.current
		return
	}
	e.initTimer.Stop()
	e.initTook = time.Since(e.started)
	e.function.starting--
	e.becomeIdle()
	e.function.schedule()
}

// send writes the event. Once it has left for a runtime that may be alive, the
// invocation is not given to another one.
func (e *environment) send(w *reply, inv *invocation) {
	e.logStart(inv)
	deadline := inv.start.Add(e.function.config.Timeout)
	h := w.Header()
	h["Content-Type"] = []string{"application/json"}
	h["Lambda-Runtime-Aws-Request-Id"] = []string{inv.id}
	h["Lambda-Runtime-Deadline-Ms"] = []string{strconv.FormatInt(deadline.UnixMilli(), 10)}
	h["Lambda-Runtime-Invoked-Function-Arn"] = []string{inv.arn}
	h["Lambda-Runtime-Trace-Id"] = []string{inv.traceID}
	if inv.clientContext != "" {
		h["Lambda-Runtime-Client-Context"] = []string{inv.clientContext}
	}
	_, _ = w.Write(inv.payload) // send tells
	if w.send() != nil {
		e.takeBack(inv)
		w.drop()
	}
}
