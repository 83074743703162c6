// Package template reads an AWS SAM template and resolves it to what a local
// emulator needs: functions with their environment, HTTP APIs with their
// routes, and schedules.
//
// It works the way a deployment does: parameters, mappings, conditions,
// intrinsic functions and the Globals section are evaluated, but only as far
// as something the emulator needs depends on them, so a parameter that only
// names a subnet may stay without a value. What the emulator cannot do is
// refused with file, line, resource and property, never silently left out;
// every problem of a template is reported in one go.
package template

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// maxBytes is CloudFormation's own limit for a template body.
const maxBytes = 1 << 20

// Template is a template that has been read but not yet evaluated. It is
// immutable, so it may be resolved many times, with different options and
// from several goroutines.
type Template struct {
	path string
	dir  string
	root *node
}

// Parse reads the YAML or JSON template at path. The error is a Problems if
// the text is malformed; it wraps fs.ErrNotExist if there is no such file.
// Templates of more than 1 MiB are refused, as CloudFormation refuses them.
func Parse(path string) (*Template, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return nil, fmt.Errorf("template: directory of %s: %w", path, err)
	}
	return parse(path, dir, data)
}

func parse(path, dir string, data []byte) (*Template, error) {
	rep := &report{file: path}
	root := load(path, data, rep)
	if len(rep.problems.kept) == 0 && root.kind != kindMapping {
		rep.add(Problem{Line: root.line, Reason: "a template must be a mapping with a Resources section, not " + root.kind.String()})
	}
	if err := rep.err(); err != nil {
		return nil, err
	}
	return &Template{path: path, dir: dir, root: root}, nil
}

// readFile reads a regular file of at most maxBytes, so that neither a device
// nor a pipe nor a huge file can hold the caller up.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("template: %s is not a regular file", path)
	}
	f, err := os.Open(path) //nolint:gosec // the caller chooses which file to read
	if err != nil {
		return nil, fmt.Errorf("template: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return nil, fmt.Errorf("template: read %s: %w", path, err)
	}
	if len(data) > maxBytes {
		return nil, fmt.Errorf("template: %s is larger than %d bytes", path, maxBytes)
	}
	return data, nil
}
