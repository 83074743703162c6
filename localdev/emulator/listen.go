package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"syscall"
)

// listener is a port of the loopback interface.
type listener struct{ net.Listener }

// PortTakenError says that another program listens on a port.
type PortTakenError struct {
	Flag string // that chooses another
	Port int
}

func (e *PortTakenError) Error() string {
	return fmt.Sprintf("emulator: port %d is taken by another program (is a second emulator running?); choose another with %s, 0 takes any free one", e.Port, e.Flag)
}

func listen(ctx context.Context, flag string, port int) (*listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, &PortTakenError{flag, port}
	case errors.Is(err, syscall.EACCES):
		return nil, fmt.Errorf("emulator: port %d may only be used by root; choose another with %s", port, flag)
	case err != nil:
		return nil, fmt.Errorf("emulator: %s %d: %w", flag, port, err)
	}
	return &listener{l}, nil
}

// Listen takes a port of the loopback interface, 0 for any free one. The flag is
// named in errors.
func Listen(ctx context.Context, flag string, port int) (net.Listener, error) {
	return listen(ctx, flag, port)
}

func (l *listener) url() string { return "http://" + l.Addr().String() }
