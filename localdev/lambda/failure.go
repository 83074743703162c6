package lambda

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

const unhandled = "Unhandled"

// The error types that the emulator itself reports.
const (
	errorTimeout    = "Sandbox.Timedout"
	errorExit       = "Runtime.ExitError"
	errorEntrypoint = "Runtime.InvalidEntrypoint"
	errorTooLarge   = "Function.ResponseSizeTooLarge"
)

// fault is a failure that a runtime or an extension reported itself.
type fault struct {
	errorType string
	payload   []byte
}

// failurePayload is the error an invoker sees.
func failurePayload(errorType, message string) []byte {
	b, err := json.Marshal(struct {
		Type    string `json:"errorType"`
		Message string `json:"errorMessage"`
	}{errorType, message})
	if err != nil { // two strings
		return []byte("{}")
	}
	return b
}

// ended draws the consequences of the process's end: the invocation it had
// fails, an init that failed is retried for the next one that waits, and the
// sandbox is kept for that.
func (e *environment) ended() {
	f := e.function
	f.mu.Lock()
	f.retire(e)
	delete(f.envs, e.box.id)
	f.service.envs.Delete(e.box.id)
	inv, ready, init := e.current, e.ready, e.initTook
	e.current, e.initTook = nil, 0
	if e.initTimer != nil {
		e.initTimer.Stop()
	}
	f.mu.Unlock()

	if !ready && !e.unwanted {
		e.reportInit()
	}
	var response Response
	var err error
	if inv != nil {
		inv.timer.Stop()
		var o outcome
		response, o = e.failure(inv)
		e.finish(inv, init, o)
		if e.unwanted {
			response, err = Response{}, ErrClosed
		}
	}

	f.mu.Lock()
	keep := !e.unwanted && !f.closed
	if keep { // before the answer, so that the next invocation finds it
		f.resets = append(f.resets, reset{e.box, time.Now()})
	}
	if inv != nil {
		f.settle(inv, response, err)
	}
	f.schedule()
	f.mu.Unlock()
	if !keep {
		f.service.discard(e.box)
	}
}

// reportInit logs an init that failed.
func (e *environment) reportInit() {
	o := outcome{status: "error", errorType: e.endType()}
	if e.initTimeout {
		o = outcome{status: "timeout"}
	}
	phase := "invoke"
	if e.cold {
		phase = "init"
	}
	if e.startErr != nil {
		e.platform(nil, e.startErr.Error())
	}
	e.platform(nil, initReportLine(time.Since(e.started), phase, o))
}

// failure is the answer to the invocation that the process's end cut short.
func (e *environment) failure(inv *invocation) (Response, outcome) {
	prefix := "RequestId: " + inv.id + " Error: "
	fail := func(payload []byte, o outcome) (Response, outcome) {
		return Response{Payload: payload, FunctionError: unhandled}, o
	}
	errorType := e.endType()
	o := outcome{status: "error", errorType: errorType}
	switch {
	case inv.timedOut:
		message := fmt.Sprintf("Task timed out after %.2f seconds", e.function.config.Timeout.Seconds())
		return fail(failurePayload(errorTimeout, prefix+message), outcome{status: "timeout"})
	case inv.errorType != "":
		return fail(nil, outcome{status: "error", errorType: inv.errorType}) // answered already
	case e.fault != nil && e.fault.payload != nil:
		return fail(e.fault.payload, o)
	case e.fault != nil:
		return fail(failurePayload(errorType, prefix+errorType), o)
	case errorType == errorEntrypoint:
		return fail(failurePayload(errorType, prefix+"Couldn't find valid bootstrap(s): [/var/task/bootstrap /opt/bootstrap]"), o)
	case e.startErr != nil:
		return fail(failurePayload(errorType, prefix+"Runtime failed to start: "+e.startErr.Error()), o)
	case e.proc.ExitText() == "exit status 0":
		return fail(failurePayload(errorType, prefix+"Runtime exited without providing a reason"), o)
	default:
		return fail(failurePayload(errorType, prefix+"Runtime exited with error: "+e.proc.ExitText()), o)
	}
}

// endType classifies the process's end.
func (e *environment) endType() string {
	switch {
	case e.fault != nil:
		return e.fault.errorType
	case errors.Is(e.startErr, fs.ErrNotExist), errors.Is(e.startErr, fs.ErrPermission):
		return errorEntrypoint
	default:
		return errorExit
	}
}

// discard removes a sandbox for good.
func (s *Service) discard(box *sandbox) {
	if err := os.RemoveAll(box.tmp); err != nil {
		s.log.Warn("lambda: remove temporary directory", "error", err)
	}
}
