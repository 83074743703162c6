package key

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-lambda-go/events"

	"photofinish/shared/claim"
)

// IdempotencyKey is the name of the header that clients send their key in.
const IdempotencyKey = "Idempotency-Key"

// Header takes the header Idempotency-Key of an HTTP request, in whatever case its
// name is written. A value in quotes, as a structured field has them, is the same
// as one without.
func Header[In HTTPRequest]() claim.Selector[In] { return HeaderNamed[In](IdempotencyKey) }

// HeaderNamed is Header for another name.
func HeaderNamed[In HTTPRequest](name string) claim.Selector[In] {
	s := claim.Selector[In]{Name: "the header " + name, Content: content[In]}
	if strings.TrimSpace(name) == "" {
		s.Err = errors.New("no name of a header is given")
		return s
	}
	s.Value = func(in In) (any, error) { return header(in, name) }
	return s
}

var errSeveral = errors.New("it comes with several values")

// header is the one value of a header, "" where there is none.
func header(in any, name string) (string, error) {
	single, multi := headers(in)
	var values []string
	for n, v := range single {
		if strings.EqualFold(n, name) {
			values = append(values, clean(v))
		}
	}
	for n, vs := range multi {
		if strings.EqualFold(n, name) {
			for _, v := range vs {
				values = append(values, clean(v))
			}
		}
	}
	slices.Sort(values)
	values = slices.Compact(values)
	switch len(values) {
	case 0:
		return "", nil
	case 1:
		return values[0], nil
	}
	return "", errSeveral
}

func headers(in any) (map[string]string, http.Header) {
	switch e := in.(type) {
	case events.APIGatewayProxyRequest:
		return e.Headers, e.MultiValueHeaders
	case events.APIGatewayV2HTTPRequest:
		return e.Headers, nil
	case events.ALBTargetGroupRequest:
		return e.Headers, e.MultiValueHeaders
	case events.LambdaFunctionURLRequest:
		return e.Headers, nil
	}
	return nil, nil
}

// clean is a value without spaces around it, and without the quotes of a string of
// a structured field (RFC 9651): in those a backslash goes before a quote or a
// backslash, and nowhere else.
func clean(value string) string {
	value = strings.Trim(value, " \t")
	inner, ok := strings.CutPrefix(value, `"`)
	if !ok {
		return value
	}
	var text strings.Builder
	for i := 0; i < len(inner); i++ {
		switch c := inner[i]; c {
		case '"':
			if i == len(inner)-1 {
				return text.String()
			}
			return value
		case '\\':
			i++
			if i == len(inner) || inner[i] != '"' && inner[i] != '\\' {
				return value
			}
			text.WriteByte(inner[i])
		default:
			text.WriteByte(c)
		}
	}
	return value
}
