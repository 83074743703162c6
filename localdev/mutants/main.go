// Command mutants puts known bugs back into the code, one at a time, and requires
// that the tests notice each. It changes no file: the Go command is given the
// broken text in place of the file.
//
//	go run ./localdev/mutants [name…]
package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"time"

	"go.yaml.in/yaml/v4"
)

//go:embed mutants.yaml
var list []byte

// mutant is a bug and the tests that have to notice it.
type mutant struct {
	Name  string
	Known string
	Edits []struct{ File, Old, New string }
	Tests struct{ Package, Run string }
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "mutants:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, names []string, stdout io.Writer) error {
	mutants, err := choose(names)
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "mutants-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir) //nolint:errcheck // what is left is in the temporary folder
	survivors := 0
	for i, m := range mutants {
		start := time.Now()
		killers, err := m.test(ctx, dir)
		if err != nil {
			return fmt.Errorf("%s: %w", m.Name, err)
		}
		verdict := "killed by " + killers
		if killers == "" {
			survivors++
			verdict = fmt.Sprintf("SURVIVED: go test -run '%s' %s passes with it", m.Tests.Run, m.Tests.Package)
		}
		if m.Known != "" {
			m.Name += " (" + m.Known + ")"
		}
		fmt.Fprintf(stdout, "%2d/%d %4.1fs  %s: %s\n", i+1, len(mutants), time.Since(start).Seconds(), m.Name, verdict)
	}
	if survivors > 0 {
		return fmt.Errorf("%d of %d bugs are not noticed by the tests", survivors, len(mutants))
	}
	fmt.Fprintf(stdout, "all %d bugs are noticed by the tests\n", len(mutants))
	return nil
}

func choose(names []string) ([]mutant, error) {
	var all, chosen []mutant
	if err := yaml.Unmarshal(list, &all); err != nil {
		return nil, fmt.Errorf("mutants.yaml: %w", err)
	}
	for _, m := range all {
		if len(names) == 0 || slices.Contains(names, m.Name) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 || len(chosen) < len(names) {
		return nil, fmt.Errorf("mutants.yaml: has not all of %q", names)
	}
	return chosen, nil
}

// test runs the tests on the broken code, and returns the names of those that
// fail: none if the bug is not noticed.
func (m mutant) test(ctx context.Context, dir string) (killers string, err error) {
	overlay, err := m.overlay(dir)
	if err != nil {
		return "", err
	}
	//nolint:gosec // the arguments are those of mutants.yaml
	cmd := exec.CommandContext(ctx, "go", "test", "-vet=off", "-count=1", "-failfast", "-timeout=5m", "-overlay", overlay, "-run", m.Tests.Run, m.Tests.Package)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	if strings.Contains(out.String(), "no tests to run") {
		return "", fmt.Errorf("no test of %s is called %s", m.Tests.Package, m.Tests.Run)
	}
	if err == nil {
		return "", nil
	}
	failed := failure.FindAllStringSubmatch(out.String(), -1)
	if len(failed) == 0 { // it does not build, or a test does not end
		return "", fmt.Errorf("%w\n%s", err, out.String())
	}
	return failed[len(failed)-1][1], nil
}

// failure is the line of a test that failed. The last is the innermost of the
// first to fail.
var failure = regexp.MustCompile(`--- FAIL: (\S+)`)

// overlay writes the broken files and what tells the Go command of them.
func (m mutant) overlay(dir string) (string, error) {
	replace := map[string]string{}
	texts := map[string]string{}
	for _, e := range m.Edits {
		path, err := filepath.Abs(e.File)
		if err != nil {
			return "", err
		}
		if _, ok := texts[path]; !ok {
			b, err := os.ReadFile(path) //nolint:gosec // a file of mutants.yaml
			if err != nil {
				return "", err
			}
			texts[path] = string(b)
		}
		if n := strings.Count(texts[path], e.Old); n != 1 {
			return "", fmt.Errorf("%s has this %d times, not once: %q", e.File, n, e.Old)
		}
		texts[path] = strings.Replace(texts[path], e.Old, e.New, 1)
	}
	if len(texts) == 0 {
		return "", errors.New("nothing is edited")
	}
	for path, text := range texts {
		broken := filepath.Join(dir, strings.ReplaceAll(strings.TrimPrefix(path, "/"), "/", "_"))
		if err := os.WriteFile(broken, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[path] = broken
	}
	b, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "overlay.json")
	return path, os.WriteFile(path, b, 0o600)
}
