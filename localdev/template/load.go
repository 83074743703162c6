package template

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
	"go.yaml.in/yaml/v4/plugin/loaderlimits"
)

// load turns the text of a template into nodes; what is wrong with it goes to
// the report.
func load(path string, data []byte, rep *report) *node {
	if line, what := badByte(data); line > 0 {
		rep.add(Problem{Line: line, Reason: what})
		return newBroken(line)
	}
	if trimmed := bytes.TrimLeft(data, " \t\r\n\ufeff"); bytes.HasPrefix(trimmed, []byte("{")) {
		if root, err := loadJSON(data, rep); err == nil {
			return root
		} else if strings.EqualFold(filepath.Ext(path), ".json") {
			rep.add(Problem{Line: err.line, Reason: err.reason})
			return newBroken(err.line)
		} // else it is YAML in flow style
	}
	var doc yaml.Node
	if err := yaml.Load(data, &doc, yaml.WithPlugin(loaderlimits.New(loaderlimits.DepthValue(maxDepth)))); err != nil {
		rep.add(syntaxProblem(err))
		return newBroken(0)
	}
	l := &yamlLoader{report: rep, shared: make(map[*yaml.Node]*node), open: make(map[*yaml.Node]bool)}
	return l.node(doc.Content[0])
}

// badByte finds what no YAML or JSON file may contain; the parser would
// report it without a line.
func badByte(data []byte) (line int, what string) {
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && size == 1 {
			return 1 + bytes.Count(data[:i], []byte("\n")), "the file is not valid UTF-8"
		}
		if r < ' ' && r != '\t' && r != '\n' && r != '\r' {
			return 1 + bytes.Count(data[:i], []byte("\n")), fmt.Sprintf("control character %U is not allowed", r)
		}
		i += size
	}
	return 0, ""
}

func syntaxProblem(err error) Problem {
	var many *yaml.LoadErrors
	if errors.As(err, &many) && strings.Contains(err.Error(), "no documents") {
		return Problem{Reason: "the template is empty"}
	}
	var one *yaml.LoadError
	if !errors.As(err, &one) {
		return Problem{Reason: err.Error()}
	}
	reason := strings.TrimPrefix(one.Message, "yaml: ")
	if one.ContextMsg != "" {
		reason = one.ContextMsg + ": " + reason
	}
	return Problem{Line: one.Mark.Line, Reason: reason}
}
