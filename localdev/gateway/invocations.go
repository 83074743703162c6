package gateway

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Why an invocation gave no result in time; all are answered with 503.
var (
	errTimeout = errors.New("gateway: integration timeout")
	errGone    = errors.New("gateway: request ended before the function")
	errClosed  = errors.New("gateway: closed")
)

// invocations keeps track of functions, which may outlive their requests.
type invocations struct {
	ctx     context.Context // what every function gets; ends only in Close
	cancel  context.CancelFunc
	mu      sync.Mutex
	closed  bool
	running sync.WaitGroup
}

func (i *invocations) begin() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.closed {
		return false
	}
	i.running.Add(1)
	return true
}

// invoke runs the function and waits for it until the request ends or the
// integration times out. Neither stops the function.
func (h *Handler) invoke(request context.Context, match Match, event []byte) (Result, error) {
	if !h.calls.begin() {
		return Result{}, errClosed
	}
	type answer struct {
		result Result
		err    error
	}
	answers := make(chan answer, 1)
	go func() {
		defer h.calls.running.Done()
		result, err := h.cfg.Invoke(h.calls.ctx, match.Function, event)
		answers <- answer{result, err}
	}()
	timeout := time.NewTimer(match.Timeout)
	defer timeout.Stop()
	select {
	case a := <-answers:
		return a.result, a.err
	case <-timeout.C:
		return Result{}, fmt.Errorf("%w after %v", errTimeout, match.Timeout)
	case <-request.Done():
		return Result{}, errGone
	}
}

// Close refuses further requests with 503 and waits for the functions that run.
// When ctx ends first, it cancels what Config.Invoke was given, waits for the
// calls to return, and returns ctx's error.
func (h *Handler) Close(ctx context.Context) error {
	h.calls.mu.Lock()
	h.calls.closed = true
	h.calls.mu.Unlock()
	defer h.calls.cancel()
	idle := make(chan struct{})
	go func() {
		h.calls.running.Wait()
		close(idle)
	}()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		h.calls.cancel()
		<-idle
		return fmt.Errorf("gateway: functions still running at close: %w", ctx.Err())
	}
}
