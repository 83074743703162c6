// Package key says where in an event the idempotency key is, and the content that
// goes with it: by a Go function, a JSON pointer, a JMESPath expression, or an
// HTTP header.
//
// What it makes are claim.Selectors: they serve as the Key of claim.HandlerOptions
// and as its Content alike. An expression that cannot be used is reported by
// claim.Handler, at the start of the program.
//
// Some events differ in each retry: those of an API Gateway have a request id,
// messages of SQS a receipt handle. As long as no Content is chosen, what counts
// as the content of such an event is what its sender said:
//
//   - HTTP requests (API Gateway, HTTP API, load balancer, function URL): method,
//     path, query and body.
//   - SQS messages: body and message attributes.
//   - Kinesis records: the data.
//   - DynamoDB stream records: kind of change, keys and images.
//   - Everything else: the whole event.
package key

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-openapi/jsonpointer"
	"github.com/jmespath/go-jmespath"

	"photofinish/shared/claim"
)

// Func takes what a function returns: a string is the key as it is, "" is none.
func Func[In any](f func(In) string) claim.Selector[In] {
	if f == nil {
		return claim.Selector[In]{Name: "the key function", Err: errors.New("the key function is nil")}
	}
	return claim.Selector[In]{
		Name:    "the key function",
		Value:   func(in In) (any, error) { return f(in), nil },
		Content: content[In],
	}
}

// JMESPath takes what an expression gives on the event as JSON, such as orderId,
// or [customer.id, orderId] for several values, each of which has to be there.
func JMESPath[In any](expression string) claim.Selector[In] {
	return jmes(expression, "the event", func(in In) (any, error) { return tree(in) })
}

// Pointer takes what JSON pointers (RFC 6901) give on the event as JSON, such as
// /orderId. With several, each has to be there.
func Pointer[In any](pointers ...string) claim.Selector[In] {
	return point(pointers, "the event", func(in In) (any, error) { return tree(in) })
}

// BodyJMESPath is JMESPath on the body of the event, which has to be JSON.
func BodyJMESPath[In WithBody](expression string) claim.Selector[In] {
	return jmes(expression, "the body", bodyTree[In])
}

// BodyPointer is Pointer on the body of the event, which has to be JSON.
func BodyPointer[In WithBody](pointers ...string) claim.Selector[In] {
	return point(pointers, "the body", bodyTree[In])
}

// Body takes the whole body of the event, decoded where it is in Base64.
func Body[In WithBody]() claim.Selector[In] {
	return claim.Selector[In]{
		Name:    "the body",
		Value:   func(in In) (any, error) { return body(in) },
		Content: content[In],
	}
}

func jmes[In any](expression, what string, of func(In) (any, error)) claim.Selector[In] {
	s := claim.Selector[In]{Name: fmt.Sprintf("the JMESPath expression %q on %s", expression, what), Content: content[In]}
	compiled, err := jmespath.Compile(expression)
	if err == nil { // functions are only looked up when they are called
		if _, call := compiled.Search(map[string]any{}); call != nil && strings.Contains(call.Error(), "unknown function") {
			err = call
		}
	}
	if err != nil {
		s.Err = fmt.Errorf("the JMESPath expression %q: %w", expression, err)
		return s
	}
	s.Value = func(in In) (any, error) {
		tree, err := of(in)
		if err != nil {
			return nil, err
		}
		return compiled.Search(tree)
	}
	return s
}

func point[In any](pointers []string, what string, of func(In) (any, error)) claim.Selector[In] {
	s := claim.Selector[In]{Name: fmt.Sprintf("the JSON pointer %s on %s", strings.Join(pointers, ", "), what), Content: content[In]}
	if len(pointers) == 0 {
		s.Err = errors.New("no JSON pointer is given")
		return s
	}
	parsed := make([]jsonpointer.Pointer, len(pointers))
	for i, text := range pointers {
		var err error
		if parsed[i], err = jsonpointer.New(text); err != nil {
			s.Err = fmt.Errorf("the JSON pointer %q: %w", text, err)
			return s
		}
	}
	s.Value = func(in In) (any, error) {
		tree, err := of(in)
		if err != nil {
			return nil, err
		}
		values := make([]any, len(parsed))
		for i, p := range parsed {
			if v, _, err := p.Get(tree); err == nil { // else it is not there
				values[i] = v
			}
		}
		if len(values) == 1 {
			return values[0], nil
		}
		return values, nil
	}
	return s
}
