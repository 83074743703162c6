package telemetry_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
	"github.com/google/go-cmp/cmp"

	"photofinish/shared/config"
	"photofinish/shared/telemetry"
)

// lines reads what was logged, one JSON object a line.
func lines(t *testing.T, out *bytes.Buffer) (all []map[string]any) {
	t.Helper()
	for text := range strings.Lines(out.String()) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		at, _ := line["time"].(string)
		if _, err := time.Parse(time.RFC3339Nano, at); err != nil {
			t.Errorf("no time: %s", text)
		}
		delete(line, "time")
		all = append(all, line)
	}
	return all
}

func TestLines(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := telemetry.New(&out, "order", telemetry.Settings{})
	ctx := lambdacontext.NewContext(t.Context(), &lambdacontext.LambdaContext{AwsRequestID: "req-1"})
	log.InfoContext(ctx, "placed\nand more", "order", "29", "n", 3)
	log.With("contender", "a.1").WarnContext(ctx, "failed", "error", errors.New("no luck"))
	log.Info("outside an invocation")
	want := []map[string]any{
		{"level": "INFO", "msg": "placed\nand more", "function": "order", "order": "29", "n": 3.0, "requestId": "req-1"},
		{"level": "WARN", "msg": "failed", "function": "order", "contender": "a.1", "error": "no luck", "requestId": "req-1"},
		{"level": "INFO", "msg": "outside an invocation", "function": "order"},
	}
	if diff := cmp.Diff(want, lines(t, &out)); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}

func TestLevels(t *testing.T) {
	t.Parallel()
	for variable, want := range map[string]int{"": 3, "LOG_LEVEL=": 3, "LOG_LEVEL=debug": 4, "LOG_LEVEL=INFO": 3, "LOG_LEVEL=WARN": 2, "LOG_LEVEL=ERROR": 1, "LOG_LEVEL=ERROR+1": 0} {
		s, err := config.Load[telemetry.Settings]([]string{variable})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		log := telemetry.New(&out, "x", s)
		for _, level := range []slog.Level{slog.LevelDebug, slog.LevelInfo, slog.LevelWarn, slog.LevelError} {
			log.WithGroup("g").Log(t.Context(), level, "said", "k", "v")
		}
		if got := len(lines(t, &out)); got != want {
			t.Errorf("%s: %d lines, want %d", variable, got, want)
		}
	}
	if _, err := config.Load[telemetry.Settings]([]string{"LOG_LEVEL=loud"}); err == nil || !strings.Contains(err.Error(), "LOG_LEVEL") {
		t.Errorf("%v, want an error that names LOG_LEVEL", err)
	}
}
