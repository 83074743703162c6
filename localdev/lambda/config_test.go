package lambda

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestInvalidConfigurations(t *testing.T) {
	t.Parallel()
	minus := -1
	tests := map[string]struct {
		change func(*Config)
		want   string
	}{
		"no name":           {func(c *Config) { c.Name = "" }, `lambda: function name ""`},
		"bad name":          {func(c *Config) { c.Name = "a/b" }, `lambda: function name "a/b"`},
		"no directory":      {func(c *Config) { c.Dir = "" }, "lambda: function f: Dir: "},
		"negative timeout":  {func(c *Config) { c.Timeout = -1 }, "lambda: function f: Timeout -1ns: "},
		"long timeout":      {func(c *Config) { c.Timeout = 901 * time.Second }, "lambda: function f: Timeout 15m1s: "},
		"little memory":     {func(c *Config) { c.MemoryMB = 64 }, "lambda: function f: MemoryMB 64: "},
		"much memory":       {func(c *Config) { c.MemoryMB = 10241 }, "lambda: function f: MemoryMB 10241: "},
		"little storage":    {func(c *Config) { c.EphemeralStorageMB = 511 }, "lambda: function f: EphemeralStorageMB 511: "},
		"negative reserve":  {func(c *Config) { c.ReservedConcurrency = &minus }, "lambda: function f: ReservedConcurrency -1: "},
		"reserved variable": {func(c *Config) { c.Env = map[string]string{"AWS_REGION": "x"} }, "lambda: function f: Env AWS_REGION: Lambda reserves"},
		"variable name":     {func(c *Config) { c.Env = map[string]string{"A=B": "x"} }, `lambda: function f: Env "A=B": `},
		"short variable":    {func(c *Config) { c.Env = map[string]string{"A": "x"} }, `lambda: function f: Env "A": `},
		"NUL in a variable": {func(c *Config) { c.Env = map[string]string{"AB": "\x00"} }, "lambda: function f: Env AB: "},
		"large variables":   {func(c *Config) { c.Env = map[string]string{"AB": strings.Repeat("x", 4095)} }, "lambda: function f: Env: 4097 bytes"},
	}
	for name, tt := range tests {
		c := Config{Name: "f", Dir: "."}
		tt.change(&c)
		s, err := New(Options{TempDir: t.TempDir()}, []Config{c})
		if s != nil || err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %s…", name, err, tt.want)
		}
	}
	if _, err := New(Options{}, []Config{{Name: "f", Dir: "."}, {Name: "f", Dir: "."}}); err == nil || err.Error() != "lambda: function f: configured twice" {
		t.Errorf("twice: %v", err)
	}
	if _, err := New(Options{TempDir: "/nonexistent"}, nil); err == nil || !strings.HasPrefix(err.Error(), "lambda: temporary directory: ") {
		t.Errorf("temporary directory: %v", err)
	}
}

func TestDefaults(t *testing.T) {
	t.Parallel()
	got, err := Config{Name: "f", Dir: "/x/../y"}.checked()
	if err != nil {
		t.Fatal(err)
	}
	want := Config{Name: "f", Dir: "/y", Handler: "bootstrap", Timeout: 3 * time.Second, MemoryMB: 128, EphemeralStorageMB: 512}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
