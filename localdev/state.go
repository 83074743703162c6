package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// state is where a running emulator can be found, for the other commands.
type state struct {
	PID    int    `json:"pid"`
	API    string `json:"api"`
	Lambda string `json:"lambda"`
	Page   string `json:"page"`
	Redis  string `json:"redis"`
}

// stateDir is where the emulator keeps what it has built, and where it can be
// found, for a template in the folder dir.
func stateDir(dir string) string { return filepath.Join(dir, ".localdev") }

func statePath(dir string) string { return filepath.Join(dir, "up.json") }

// remember writes the state into a folder, unless another emulator that is up is
// remembered there. The function it returns takes
// it away again.
func remember(dir string, s state) (forget func(), err error) {
	path := statePath(dir)
	if other, err := recall(dir); err == nil && other.PID != s.PID {
		return func() {}, nil
	}
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil { //nolint:gosec // holds no secret
		return nil, fmt.Errorf("remember where everything is: %w", err)
	}
	if err := os.WriteFile(path, append(b, '\n'), 0o600); err != nil {
		return nil, fmt.Errorf("remember where everything is: %w", err)
	}
	return func() {
		if now, err := recall(dir); err == nil && now.PID == s.PID { // else a second copy has taken over
			_ = os.Remove(path)
		}
	}, nil
}

var errNotUp = errors.New("no emulator is up in this folder")

// recall finds the emulator that runs here.
func recall(dir string) (state, error) {
	b, err := os.ReadFile(statePath(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, errNotUp
	}
	if err != nil {
		return state{}, err
	}
	var s state
	if err := json.Unmarshal(b, &s); err != nil {
		return state{}, fmt.Errorf("%s: %w", statePath(dir), err)
	}
	if syscall.Kill(s.PID, 0) != nil { // it was killed
		return state{}, errNotUp
	}
	return s, nil
}
