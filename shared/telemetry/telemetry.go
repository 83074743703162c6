// Package telemetry makes the loggers of the functions: one JSON object a line,
// as CloudWatch and every log collector reads it.
package telemetry

import (
	"context"
	"io"
	"log/slog"

	"github.com/aws/aws-lambda-go/lambdacontext"

	"photofinish/shared/claim/emf"
)

// Settings are the variables that every program reads.
type Settings struct {
	LogLevel slog.Level `env:"LOG_LEVEL" envDefault:"INFO"`
}

// MetricsSettings are the variables of programs that write metrics.
type MetricsSettings struct {
	// Namespace is that of CloudWatch; without one no metrics are written.
	Namespace string `env:"METRICS_NAMESPACE"`
}

// Metrics makes a recorder of what the engine does, among the lines of the log, or
// nil where no metrics are asked for.
func Metrics(w io.Writer, program string, s MetricsSettings) *emf.Recorder {
	if s.Namespace == "" {
		return nil
	}
	return emf.New(w, s.Namespace, program)
}

// New makes a logger that names the program in every line.
func New(w io.Writer, program string, s Settings) *slog.Logger {
	return slog.New(requestHandler{slog.NewJSONHandler(w, &slog.HandlerOptions{Level: s.LogLevel})}).With("function", program)
}

// requestHandler adds the request id of the invocation that a line belongs to.
type requestHandler struct{ slog.Handler }

func (h requestHandler) Handle(ctx context.Context, r slog.Record) error {
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		r.AddAttrs(slog.String("requestId", lc.AwsRequestID))
	}
	return h.Handler.Handle(ctx, r)
}

func (h requestHandler) WithAttrs(as []slog.Attr) slog.Handler {
	return requestHandler{h.Handler.WithAttrs(as)}
}

func (h requestHandler) WithGroup(name string) slog.Handler {
	return requestHandler{h.Handler.WithGroup(name)}
}
