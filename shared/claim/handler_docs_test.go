package claim_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The Go and Lua in the pages about the library is code that the examples run: each
// block of a page is found in an example file, line for line.
func TestTheCodeInTheDocsIsThatOfTheExamples(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("example_*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("example files: %v, %v", files, err)
	}
	files = append(files, filepath.Join("batch", "example_test.go"), filepath.Join("..", "contender", "example_test.go"), filepath.Join("memory", "handler_test.go"))
	var examples strings.Builder
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		examples.WriteString(plainLines(string(text)))
	}
	for _, page := range []string{"idempotent-handlers.md", "atomic-effects.md"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", page))
		if err != nil {
			t.Fatal(err)
		}
		blocks := 0
		for i, part := range strings.Split(string(text), "```") {
			code, isGo := strings.CutPrefix(part, "go\n")
			if i%2 == 0 || !isGo {
				continue
			}
			blocks++
			if !strings.Contains(examples.String(), plainLines(code)) {
				t.Errorf("%s: no example has these lines one after the other:\n%s", page, code)
			}
		}
		if blocks == 0 {
			t.Errorf("%s has no Go in it", page)
		}
	}
}

// plainLines is code without its indentation and empty lines.
func plainLines(code string) string {
	var b strings.Builder
	for line := range strings.Lines(code) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}
