package gateway

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
)

const (
	// DefaultStage is the stage that leaves no trace in paths.
	DefaultStage = "$default"

	// RequestHost as Config.Domain stands for the Host header of each request.
	RequestHost = "$host"

	requestIDHeader = "Apigw-Requestid"
)

// Config describes one HTTP API.
type Config struct {
	// Stage is the one stage served. Empty means DefaultStage; a named stage is
	// the first segment of every path.
	Stage string
	// StageVariables are handed to functions; may be nil.
	StageVariables map[string]string
	Routes         []Route
	// CORS may be nil: then OPTIONS is a method like any other.
	CORS *CORS
	// Invoke runs a function and must be safe for concurrent use. The event is
	// Invoke's to keep. The context does not end when the client goes away or
	// the integration times out, since a function runs to its end on AWS as well;
	// it ends when Close runs out of patience, and Invoke must then return.
	// An ErrThrottled is answered with 503, any other error with 500.
	Invoke func(ctx context.Context, function string, event []byte) (Result, error)
	// Domain is the domain name in events; RequestHost uses the request's own,
	// empty means APIID.execute-api.Region.amazonaws.com.
	Domain string
	// APIID, AccountID and Region appear in events; they have defaults.
	APIID, AccountID, Region string
	// Logger gets why a request failed on the gateway's side; may be nil.
	Logger *slog.Logger
}

// Result is what a function returned.
type Result struct {
	Payload []byte
	// FunctionError is true if the function failed; Payload then describes how.
	FunctionError bool
}

// ErrThrottled is what Config.Invoke returns, wrapped or not, when the function
// is at its concurrency limit.
var ErrThrottled = errors.New("gateway: function throttled")

// Handler serves one HTTP API. Close it after the HTTP server that uses it.
type Handler struct {
	cfg    Config
	router *Router
	prefix string // "" or "/stage"
	log    *slog.Logger
	calls  invocations
}

// New checks the configuration and builds a handler. The errors wrap ErrRoute,
// ErrCORS, or name the field.
func New(cfg Config) (*Handler, error) {
	if cfg.Invoke == nil {
		return nil, errors.New("gateway: Config.Invoke is nil")
	}
	router, err := NewRouter(cfg.Routes)
	if err != nil {
		return nil, err
	}
	if cfg.CORS != nil {
		if err := cfg.CORS.check(); err != nil {
			return nil, err
		}
	}
	setDefault(&cfg.Stage, DefaultStage)
	setDefault(&cfg.APIID, "localapi00")
	setDefault(&cfg.AccountID, "123456789012")
	setDefault(&cfg.Region, "us-east-1")
	setDefault(&cfg.Domain, cfg.APIID+".execute-api."+cfg.Region+".amazonaws.com")
	prefix := ""
	if cfg.Stage != DefaultStage {
		for _, c := range cfg.Stage {
			if !isNameRune(c) || c == '.' {
				return nil, fmt.Errorf("gateway: Config.Stage %q may hold only letters, digits, _ and -", cfg.Stage)
			}
		}
		prefix = "/" + cfg.Stage
	}
	h := &Handler{cfg: cfg, router: router, prefix: prefix, log: cfg.Logger}
	h.calls.ctx, h.calls.cancel = context.WithCancel(context.Background())
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	return h, nil
}

func setDefault(s *string, value string) {
	if *s == "" {
		*s = value
	}
}
