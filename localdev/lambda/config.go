package lambda

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"
)

const (
	defaultTimeout   = 3 * time.Second
	maxTimeout       = 900 * time.Second
	defaultMemoryMB  = 128
	maxMemoryMB      = 10240
	defaultStorageMB = 512
	maxStorageMB     = 10240
	defaultHandler   = "bootstrap"
	// maxVariables is the most that a function's own variables, names and
	// values, may take, in bytes.
	maxVariables = 4096
)

// Config describes one function.
type Config struct {
	Name string
	// Dir is the deployment package: it holds the program, named bootstrap. It
	// is looked at anew whenever an environment starts.
	Dir string
	// Handler is passed to the runtime as _HANDLER; default bootstrap.
	Handler string
	// Env are the function's own variables. They win over those Lambda sets,
	// but may not touch the ones Lambda reserves.
	Env map[string]string
	// Timeout of one invocation, from its hand-over to an environment; default
	// 3 s, at most 900 s.
	Timeout time.Duration
	// MemoryMB is reported to the function and in the logs; default 128.
	MemoryMB int
	// ReservedConcurrency is how many invocations may run or wait at once; nil
	// shares what the account's 1000 leave, 0 refuses every invocation.
	ReservedConcurrency *int
	// EphemeralStorageMB is only reported; default 512.
	EphemeralStorageMB int
}

var (
	functionName = regexp.MustCompile(`^[a-zA-Z0-9-_]{1,64}$`)
	variableName = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]+$`)
)

// reservedVariables can't be set by a function's configuration; a deployment
// that tries is refused by Lambda.
func reservedVariables() []string {
	return []string{
		"_HANDLER", "_X_AMZN_TRACE_ID", "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION",
		"AWS_LAMBDA_INITIALIZATION_TYPE", "AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_MAX_CONCURRENCY",
		"AWS_LAMBDA_RUNTIME_API", "AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT",
	}
}

// checked returns the configuration with its defaults filled in.
func (c Config) checked() (Config, error) {
	fail := func(format string, args ...any) (Config, error) {
		return Config{}, fmt.Errorf("lambda: function %s: "+format, append([]any{c.Name}, args...)...)
	}
	if !functionName.MatchString(c.Name) {
		return Config{}, fmt.Errorf("lambda: function name %q: must be 1 to 64 letters, digits, hyphens and underscores", c.Name)
	}
	if c.Dir == "" {
		return fail("Dir: must name the directory of the bootstrap")
	}
	dir, err := filepath.Abs(c.Dir)
	if err != nil {
		return fail("Dir %s: %w", c.Dir, err)
	}
	c.Dir = dir
	if c.Handler == "" {
		c.Handler = defaultHandler
	}
	if c.Timeout == 0 {
		c.Timeout = defaultTimeout
	}
	if c.Timeout < time.Millisecond || c.Timeout > maxTimeout {
		return fail("Timeout %v: must be from 1ms to %v", c.Timeout, maxTimeout)
	}
	if c.MemoryMB == 0 {
		c.MemoryMB = defaultMemoryMB
	}
	if c.MemoryMB < defaultMemoryMB || c.MemoryMB > maxMemoryMB {
		return fail("MemoryMB %d: must be from %d to %d", c.MemoryMB, defaultMemoryMB, maxMemoryMB)
	}
	if c.EphemeralStorageMB == 0 {
		c.EphemeralStorageMB = defaultStorageMB
	}
	if c.EphemeralStorageMB < defaultStorageMB || c.EphemeralStorageMB > maxStorageMB {
		return fail("EphemeralStorageMB %d: must be from %d to %d", c.EphemeralStorageMB, defaultStorageMB, maxStorageMB)
	}
	if r := c.ReservedConcurrency; r != nil && *r < 0 {
		return fail("ReservedConcurrency %d: must not be negative", *r)
	}
	size := 0
	for name, value := range c.Env {
		size += len(name) + len(value)
		switch {
		case slices.Contains(reservedVariables(), name):
			return fail("Env %s: Lambda reserves this variable; a deployment that sets it is refused", name)
		case !variableName.MatchString(name):
			return fail("Env %q: a name is a letter followed by at least one letter, digit or underscore", name)
		case strings.ContainsRune(value, 0):
			return fail("Env %s: the value holds a NUL byte", name)
		}
	}
	if size > maxVariables {
		return fail("Env: %d bytes of names and values, more than the %d that Lambda allows", size, maxVariables)
	}
	return c, nil
}
