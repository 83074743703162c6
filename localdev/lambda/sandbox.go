package lambda

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// sandbox is what of an execution environment survives its process: identity,
// temporary directory and log stream.
type sandbox struct {
	id        string // 32 hexadecimal digits; nobody else can guess its Runtime API address
	tmp       string
	logStream string
}

func (s *Service) newSandbox() *sandbox {
	id := randomHex(16)
	return &sandbox{
		id:        id,
		tmp:       filepath.Join(s.root, id),
		logStream: time.Now().UTC().Format("2006/01/02") + "/[" + latest + "]" + id,
	}
}

func randomHex(bytes int) string {
	b := make([]byte, bytes)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// prepare makes the temporary directory, unless a former process of the sandbox
// has used it already.
func (b *sandbox) prepare() error {
	if err := os.MkdirAll(b.tmp, 0o700); err != nil {
		return fmt.Errorf("lambda: temporary directory: %w", err)
	}
	return nil
}

// variables are a process's whole environment: what Lambda's provided.al2023
// sets, the emulator's own marks, TMPDIR and the function's variables. Nothing
// of this machine gets in, neither credentials nor anything that the real
// function would miss.
func (b *sandbox) variables(s *Service, c Config) []string {
	xrayHost, xrayPort := "127.0.0.1", "2000" // nobody listens: X-Ray is not emulated, and nothing leaves the machine
	set := map[string]string{                 //nolint:gosec // they are no credentials, and say so
		"AWS_ACCESS_KEY_ID":               "AKIDLOCALDEV00000000",
		"AWS_SECRET_ACCESS_KEY":           "localdev-has-no-secret-access-key",
		"AWS_SESSION_TOKEN":               "localdev-has-no-session-token",
		"AWS_REGION":                      s.region,
		"AWS_DEFAULT_REGION":              s.region,
		"AWS_LAMBDA_FUNCTION_NAME":        c.Name,
		"AWS_LAMBDA_FUNCTION_VERSION":     latest,
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE": strconv.Itoa(c.MemoryMB),
		"AWS_LAMBDA_INITIALIZATION_TYPE":  "on-demand",
		"AWS_LAMBDA_LOG_GROUP_NAME":       "/aws/lambda/" + c.Name,
		"AWS_LAMBDA_LOG_STREAM_NAME":      b.logStream,
		"AWS_LAMBDA_RUNTIME_API":          s.runtime.addr() + runtimePrefix + b.id,
		"AWS_XRAY_CONTEXT_MISSING":        "LOG_ERROR",
		"AWS_XRAY_DAEMON_ADDRESS":         net.JoinHostPort(xrayHost, xrayPort),
		"_AWS_XRAY_DAEMON_ADDRESS":        xrayHost,
		"_AWS_XRAY_DAEMON_PORT":           xrayPort,
		"LAMBDA_RUNTIME_DIR":              "/var/runtime",
		"LAMBDA_TASK_ROOT":                c.Dir,
		"LANG":                            "en_US.UTF-8",
		"LD_LIBRARY_PATH":                 "/var/lang/lib:/lib64:/usr/lib64:/var/runtime:/var/runtime/lib:" + c.Dir + ":" + c.Dir + "/lib:/opt/lib",
		"PATH":                            "/var/lang/bin:/usr/local/bin:/usr/bin/:/bin:/opt/bin",
		"TZ":                              ":UTC",
		"_HANDLER":                        c.Handler,
		"TMPDIR":                          b.tmp,
		"AWS_SAM_LOCAL":                   "true",
		"LOCALDEV":                        "true",
	}
	for name, value := range c.Env {
		set[name] = value
	}
	list := make([]string, 0, len(set))
	for name, value := range set {
		list = append(list, name+"="+value)
	}
	return list
}
