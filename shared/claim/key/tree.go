package key

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"strconv"
	"strings"
)

// tree is a value as the expressions see it: the objects, lists and scalars of its
// JSON.
func tree(value any) (any, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	return parse(text)
}

func parse(text []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return nil, err
	}
	if d.More() {
		return nil, errors.New("more than one JSON value")
	}
	return numbers(v), nil
}

// numbers turns numbers into float64, which JMESPath computes with, where that
// keeps their digits. Two large ids that differ in their last digit must not
// become one: such numbers stay text.
func numbers(v any) any {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			v[name] = numbers(member)
		}
	case []any:
		for i, member := range v {
			v[i] = numbers(member)
		}
	case json.Number:
		if f, exact := float(v.String()); exact {
			return f
		}
	}
	return v
}

// float reads a number, and reports whether a float64 keeps all its digits: 15
// significant ones always fit, and integers up to 2^53.
func float(text string) (float64, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsInf(f, 0) {
		return 0, false
	}
	mantissa, _, _ := strings.Cut(strings.ToLower(strings.TrimPrefix(text, "-")), "e")
	digits := strings.TrimLeft(strings.Replace(mantissa, ".", "", 1), "0")
	if f == 0 || math.Abs(f) < 0x1p-1022 { // too small for all of its digits
		return f, digits == ""
	}
	if len(digits) <= 15 {
		return f, true
	}
	n, err := strconv.ParseInt(text, 10, 64)
	return f, err == nil && n >= -1<<53 && n <= 1<<53
}
