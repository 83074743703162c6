package template

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// jsonError is a mistake in JSON text and its line.
type jsonError struct {
	line   int
	reason string
}

// loadJSON builds nodes from JSON. The YAML parser could read most of it, but
// not, for one, surrogate pairs in \u escapes.
func loadJSON(data []byte, rep *report) (*node, *jsonError) {
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	var raw json.RawMessage
	if err := json.Unmarshal(data, &raw); err != nil {
		line := 1 + bytes.Count(data, []byte("\n"))
		if syntax := new(json.SyntaxError); errors.As(err, &syntax) {
			line = 1 + bytes.Count(data[:syntax.Offset], []byte("\n"))
		}
		return nil, &jsonError{line, "not valid JSON: " + err.Error()}
	}
	l := &jsonLoader{dec: json.NewDecoder(bytes.NewReader(data)), data: data, report: rep, line: 1}
	l.dec.UseNumber()
	return l.node(0), nil
}

type jsonLoader struct {
	dec    *json.Decoder
	data   []byte
	report *report
	offset int // up to which line has been counted
	line   int
}

// token reads the next token and moves line to it.
func (l *jsonLoader) token() json.Token {
	t, err := l.dec.Token()
	if err != nil { // the text is valid JSON: this cannot happen
		return nil
	}
	end := int(l.dec.InputOffset())
	l.line += bytes.Count(l.data[l.offset:end], []byte("\n"))
	l.offset = end
	return t
}

func (l *jsonLoader) node(depth int) *node {
	t := l.token()
	line := l.line
	if depth > maxDepth {
		l.report.add(Problem{Line: line, Reason: fmt.Sprintf("values are nested more than %d levels deep", maxDepth)})
		l.skip(t)
		return newBroken(line)
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '[' {
			return l.list(line, depth)
		}
		return l.mapping(line, depth)
	case string:
		return newText(line, t)
	case json.Number:
		return newText(line, t.String())
	case bool:
		return newText(line, fmt.Sprint(t))
	}
	return &node{kind: kindNull, line: line}
}

func (l *jsonLoader) list(line, depth int) *node {
	n := &node{kind: kindList, line: line}
	for l.dec.More() {
		n.append(key{}, l.node(depth+1))
	}
	l.token()
	return n
}

func (l *jsonLoader) mapping(line, depth int) *node {
	n := &node{kind: kindMapping, line: line}
	lines := make(map[string]int)
	for l.dec.More() {
		name, _ := l.token().(string)
		at := l.line
		item := l.node(depth + 1)
		if first := lines[name]; first != 0 {
			l.report.add(Problem{Line: at, Reason: fmt.Sprintf("key %s is already set in line %d", name, first)})
			continue
		}
		lines[name] = at
		n.append(key{name, at}, item)
	}
	l.token()
	return n
}

// skip reads to the end of the list or object that t opens.
func (l *jsonLoader) skip(t json.Token) {
	for open := 0; ; t = l.token() {
		switch t {
		case json.Delim('['), json.Delim('{'):
			open++
		case json.Delim(']'), json.Delim('}'):
			open--
		}
		if open <= 0 {
			return
		}
	}
}
