// Package build compiles Go functions for the machine at hand, as sam build
// does for Lambda: each into a folder of its own, as the program bootstrap.
package build

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"
)

// Function is what to build.
type Function struct {
	Name string
	Dir  string // of its main package
}

// ErrNoGo says that there is no Go to build with.
var ErrNoGo = errors.New("build: the command go is not on PATH: functions are built with it")

// Error is a function that does not compile.
type Error struct {
	Function string
	Output   string // what the compiler said
}

func (e *Error) Error() string {
	return fmt.Sprintf("build: %s does not compile:\n%s", e.Function, e.Output)
}

// All builds functions into folders below out, and returns the folder of each by
// its name. Go itself builds in parallel, so they go one after another. done is
// called after each, and may be nil.
func All(ctx context.Context, out string, functions []Function, done func(Function, time.Duration)) (map[string]string, error) {
	goTool, err := exec.LookPath("go")
	if err != nil {
		return nil, ErrNoGo
	}
	dirs := make(map[string]string, len(functions))
	for _, f := range functions {
		start := time.Now()
		dir := filepath.Join(out, f.Name)
		if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // programs, for all to run
			return nil, fmt.Errorf("build: %w", err)
		}
		if err := one(ctx, goTool, f, filepath.Join(dir, "bootstrap")); err != nil {
			return nil, err
		}
		dirs[f.Name] = dir
		if done != nil {
			done(f, time.Since(start))
		}
	}
	return dirs, nil
}

// one builds a function as it is built for Lambda, but for this machine.
func one(ctx context.Context, goTool string, f Function, program string) error {
	cmd := exec.CommandContext(ctx, goTool, "build", "-o", program, ".") //nolint:gosec // the project's own code
	cmd.Dir = f.Dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	err := cmd.Run()
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("build: %s: %w", f.Name, context.Cause(ctx))
	default:
		return &Error{Function: f.Name, Output: output.String()}
	}
}
