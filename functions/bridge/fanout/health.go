package fanout

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// serveHealth answers GET /healthz with 200 while all lanes give signs of life.
func serveHealth(ctx context.Context, addr string, lanes []*lane, log *slog.Logger) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return fmt.Errorf("config: HEALTH_ADDR: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) {
		for _, l := range lanes {
			if quiet := l.quiet(); quiet > beatTTL {
				http.Error(w, "no sign of life of warehouse "+l.engine.Keys().Partition(), http.StatusServiceUnavailable)
				return
			}
		}
		_, _ = fmt.Fprintln(w, "ok") // the client is gone if that fails
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 2 * time.Second}
	defer context.AfterFunc(ctx, func() { _ = server.Close() })()
	log.Info("health served", "addr", listener.Addr().String())
	if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("health: %w", err)
	}
	return nil
}

// quiet is how long ago Redis took the lane's last sign of life.
func (l *lane) quiet() time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return time.Since(l.beaten)
}
