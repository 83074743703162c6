package template

import (
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
)

// SAM and CloudFormation read YAML 1.1. What they take for a boolean or a
// number reaches a function in its canonical form: yes as true, 012 as 10,
// 1.10 as 1.1.
var (
	yamlInt   = regexp.MustCompile(`^[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$`)
	yamlBase  = regexp.MustCompile(`^[-+]?[1-9][0-9_]*(:[0-5]?[0-9])+$`)
	yamlFloat = regexp.MustCompile(`^[-+]?([0-9][0-9_]*\.[0-9_]*|\.[0-9][0-9_]*)([eE][-+][0-9]+)?$`)
)

// plainScalar is the node for an unquoted scalar.
func plainScalar(line int, s string) *node {
	switch s {
	case "", "~", "null", "Null", "NULL":
		return &node{kind: kindNull, line: line}
	case "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON":
		return canonical(line, s, "true")
	case "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF":
		return canonical(line, s, "false")
	}
	const longest = 64 // longer digit strings are no numbers anybody means
	if len(s) > longest {
		return newText(line, s)
	}
	digits := strings.ReplaceAll(s, "_", "")
	switch {
	case yamlInt.MatchString(s):
		return canonical(line, s, integerText(digits))
	case yamlBase.MatchString(s):
		return canonical(line, s, sexagesimalText(digits))
	case yamlFloat.MatchString(s):
		return canonical(line, s, floatText(digits))
	}
	return newText(line, s)
}

func canonical(line int, written, canon string) *node {
	n := newText(line, canon)
	if written != canon {
		n.written = written
	}
	return n
}

func integerText(s string) string {
	// Base 0 knows the prefixes, and a leading 0 as octal.
	n, ok := new(big.Int).SetString(s, 0)
	if !ok {
		return s
	}
	return n.String()
}

// sexagesimalText reads 1:30 as 90: base 60, which turns an unquoted time of
// day or port mapping into a number.
func sexagesimalText(s string) string {
	sign, rest := int64(1), strings.TrimPrefix(s, "+")
	if after, negative := strings.CutPrefix(rest, "-"); negative {
		sign, rest = -1, after
	}
	total := new(big.Int)
	for part := range strings.SplitSeq(rest, ":") {
		digit, ok := new(big.Int).SetString(part, 10)
		if !ok {
			return s
		}
		total.Mul(total, big.NewInt(60)).Add(total, digit)
	}
	return total.Mul(total, big.NewInt(sign)).String()
}

func floatText(s string) string {
	f, err := strconv.ParseFloat(s, 64)
	if err != nil {
		return s
	}
	format := byte('f')
	if abs := math.Abs(f); abs != 0 && (abs < 1e-4 || abs >= 1e16) {
		format = 'e'
	}
	out := strconv.FormatFloat(f, format, -1, 64)
	if !strings.ContainsAny(out, ".e") {
		out += ".0"
	}
	return out
}
