package simulate

import (
	"bytes"
	"fmt"
	"strconv"
)

// commands reads what a client sends: commands as arrays of bulk strings.
func commands(b []byte) [][]string {
	var all [][]string
	for len(b) > 0 {
		v, rest := value(b)
		parts := v.([]any)
		args := make([]string, len(parts))
		for i, p := range parts {
			args[i] = p.(string)
		}
		all, b = append(all, args), rest
	}
	return all
}

// encode is the inverse of commands, for one.
func encode(args []string) []byte {
	b := fmt.Appendf(nil, "*%d\r\n", len(args))
	for _, a := range args {
		b = fmt.Appendf(b, "$%d\r\n%s\r\n", len(a), a)
	}
	return b
}

// failure is an error that Redis answers.
type failure string

// value reads one value of RESP 2: a string, failure, int64, nil or []any.
func value(b []byte) (v any, rest []byte) {
	line, rest, ok := bytes.Cut(b, []byte("\r\n"))
	if !ok || len(line) == 0 {
		panic(fmt.Sprintf("simulate: not RESP: %q", b))
	}
	text := string(line[1:])
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case line[0] == '+':
		return text, rest
	case line[0] == '-':
		return failure(text), rest
	case err != nil:
		panic(fmt.Sprintf("simulate: not RESP: %q", line))
	case line[0] == ':':
		return n, rest
	case n < 0:
		return nil, rest
	case line[0] == '$':
		return string(rest[:n]), rest[n+2:]
	}
	array := make([]any, n)
	for i := range array {
		array[i], rest = value(rest)
	}
	return array, rest
}

func isNil(reply []byte) bool {
	return bytes.HasPrefix(reply, []byte("*-1\r\n")) || bytes.HasPrefix(reply, []byte("$-1\r\n"))
}
