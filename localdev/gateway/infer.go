package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
)

// ErrMalformedResponse is wrapped by every error of Infer. The gateway answers
// it with 500.
var ErrMalformedResponse = errors.New("gateway: malformed function response")

// Response is a function's answer as HTTP.
type Response struct {
	// Status is 200 to 599.
	Status int
	// Header has a Content-Type, canonical names, and none of the headers that
	// are the gateway's own to set.
	Header http.Header
	// Body may share memory with the payload.
	Body []byte
	// Warning says, if not empty, what in the answer works here but is not sure
	// to work on AWS.
	Warning string
}

// Infer turns what a function returned into a response, by the rules of payload
// format 2.0: a JSON object with the exact key statusCode describes the
// response; any other payload, even one that is not JSON, is itself the body of
// a 200. A described response that breaks the rules is an ErrMalformedResponse
// that names the field.
func Infer(payload []byte) (Response, error) {
	fields, ok := structured(payload)
	if !ok {
		return inferred(payload), nil
	}
	var (
		r   Response
		err error
	)
	if r.Status, r.Warning, err = statusCode(fields["statusCode"]); err != nil {
		return Response{}, err
	}
	if r.Header, err = responseHeader(fields["cookies"], fields["headers"]); err != nil {
		return Response{}, err
	}
	if r.Body, err = responseBody(fields["body"], fields["isBase64Encoded"]); err != nil {
		return Response{}, err
	}
	if _, ok := r.Header["Content-Type"]; !ok {
		r.Header["Content-Type"] = []string{"text/plain; charset=utf-8"}
	}
	return r, nil
}

// structured decodes a payload that is an object with a statusCode. A map, not a
// struct, since encoding/json would match a struct's keys in any case.
func structured(payload []byte) (map[string]json.RawMessage, bool) {
	if trimmed := bytes.TrimLeft(payload, " \t\r\n"); len(trimmed) == 0 || trimmed[0] != '{' {
		return nil, false
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(payload, &fields) != nil {
		return nil, false
	}
	_, ok := fields["statusCode"]
	return fields, ok
}

func inferred(payload []byte) Response {
	r := Response{
		Status: http.StatusOK,
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   payload,
	}
	switch trimmed := bytes.TrimSpace(payload); {
	case len(trimmed) == 0:
		r.Body = []byte("null")
	case trimmed[0] == '"':
		var s string
		if json.Unmarshal(trimmed, &s) == nil {
			r.Body = []byte(s)
		}
	}
	return r
}

func malformed(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrMalformedResponse, fmt.Sprintf(format, args...))
}

func statusCode(raw json.RawMessage) (status int, warning string, err error) {
	digits := string(raw)
	if raw[0] == '"' {
		if err := json.Unmarshal(raw, &digits); err != nil {
			return 0, "", malformed("statusCode %s", brief(raw))
		}
		warning = "statusCode is a string; AWS documents a number"
	}
	if len(digits) != 3 {
		return 0, "", malformed("statusCode %s is not a whole number from 200 to 599", brief(raw))
	}
	for _, c := range []byte(digits) {
		if c < '0' || c > '9' {
			return 0, "", malformed("statusCode %s is not a whole number from 200 to 599", brief(raw))
		}
		status = status*10 + int(c-'0')
	}
	if status < 200 || status > 599 {
		return 0, "", malformed("statusCode %d is not a whole number from 200 to 599", status)
	}
	return status, warning, nil
}

func responseHeader(rawCookies, rawHeaders json.RawMessage) (http.Header, error) {
	h := make(http.Header, 4)
	var cookies []*string // pointers, since null is not a cookie
	if err := unmarshalIfSet(rawCookies, &cookies); err != nil {
		return nil, malformed("cookies is not an array of strings")
	}
	for i, c := range cookies {
		if c == nil || !validHeaderValue(*c) {
			return nil, malformed("cookies[%d] is not a header value", i)
		}
		h.Add("Set-Cookie", *c)
	}
	var headers map[string]json.RawMessage
	if err := unmarshalIfSet(rawHeaders, &headers); err != nil {
		return nil, malformed("headers is not an object")
	}
	for _, name := range slices.Sorted(maps.Keys(headers)) { // sorted, so that two spellings of a name have one winner
		raw := headers[name]
		if isNull(raw) {
			continue
		}
		value, ok := headerValue(raw)
		if !ok || !validHeaderName(name) || !validHeaderValue(value) {
			return nil, malformed("headers[%s] cannot be sent as a header", brief([]byte(name)))
		}
		switch canonical := http.CanonicalHeaderKey(name); {
		case gatewayOwned(canonical):
		case canonical == "Set-Cookie":
			h.Add(canonical, value)
		default:
			h[canonical] = []string{value}
		}
	}
	return h, nil
}

// gatewayOwned are response headers a function cannot set: those of the
// connection, and those the gateway writes itself.
func gatewayOwned(canonical string) bool {
	switch canonical {
	case "Content-Length", "Trailer", requestIDHeader:
		return true
	}
	return isHopByHop(canonical)
}

// headerValue takes a string, and the text of a number or a boolean.
func headerValue(raw json.RawMessage) (string, bool) {
	switch raw[0] {
	case '{', '[':
		return "", false
	case '"':
		var s string
		err := json.Unmarshal(raw, &s)
		return s, err == nil
	}
	return string(raw), true
}

func responseBody(raw, rawBase64 json.RawMessage) ([]byte, error) {
	var isBase64 bool
	if err := unmarshalIfSet(rawBase64, &isBase64); err != nil {
		return nil, malformed("isBase64Encoded is not true or false")
	}
	if len(raw) == 0 || isNull(raw) {
		return nil, nil
	}
	if raw[0] != '"' {
		return nil, malformed("body is not a string")
	}
	if isBase64 {
		var b []byte // encoding/json reads a string into bytes as base64
		if err := json.Unmarshal(raw, &b); err != nil {
			return nil, malformed("body is not base64")
		}
		return b, nil
	}
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, malformed("body is not a string")
	}
	return []byte(s), nil
}

func unmarshalIfSet(raw json.RawMessage, into any) error {
	if len(raw) == 0 {
		return nil
	}
	return json.Unmarshal(raw, into)
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

func validHeaderName(name string) bool {
	for _, c := range []byte(name) {
		letterOrDigit := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9'
		if !letterOrDigit && strings.IndexByte("!#$%&'*+-.^_`|~", c) < 0 {
			return false
		}
	}
	return name != ""
}

// validHeaderValue keeps control characters out: a line break would let a value
// write further headers.
func validHeaderValue(v string) bool {
	for _, c := range []byte(v) {
		if c < ' ' && c != '\t' || c == 0x7f {
			return false
		}
	}
	return true
}

// brief quotes the start of a function's own text for an error message.
func brief(raw []byte) string {
	const most = 40
	if len(raw) > most {
		return fmt.Sprintf("%q…", raw[:most])
	}
	return fmt.Sprintf("%q", raw)
}
