package key_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/jmespath/go-jmespath"

	"photofinish/shared/claim"
	"photofinish/shared/claim/key"
	"photofinish/shared/redistest"
)

// check requires that a key is refused with a *claim.KeyError, or has a valid id.
func check[In any](t *testing.T, e *claim.Engine, s claim.Selector[In], in In) {
	t.Helper()
	got, err := keyOf(t, e, s, in)
	if err != nil {
		if _, ok := errors.AsType[*claim.KeyError](err); !ok {
			t.Fatalf("%s: %T %v", s.Name, err, err)
		}
		return
	}
	if !claim.ValidID(got.ID) || got.Key == "" {
		t.Fatalf("%s: id %q, key %q", s.Name, got.ID, got.Key)
	}
}

// Events as the services send them, with expressions as people write them.
var bodies = []string{
	`{"orderId":"29","customer":{"id":7},"lines":[{"sku":"apple","n":2}]}`,
	`{"orderId":9007199254740993,"total":0.1,"big":1e400,"tiny":1e-400}`,
	`{"orderId":null,"a":[],"b":{},"c":""}`,
	`[1,"two",null,{"three":3},[4]]`,
	`"text"`, `29`, `-0`, `true`, `null`, ``, `{`, `{"a":1}{"b":2}`, "\xff",
	`{"user":{"uid":"BB0D045C-8878-40C8-889E-38B3CB0A61B1","name":"Foo"},"productId":10000}`,
	`{"a~b":{"m/n":{"":1}},"Unicode":"日本","escape":"\u0000\ud800"}`,
}

func FuzzJMESPath(f *testing.F) {
	e := engine(f, redistest.Embedded(f))
	for _, body := range bodies {
		for _, expression := range []string{"orderId", "[customer.id, orderId]", "{o: orderId, l: lines[*].sku}", "lines[?n > `1`].sku | [0]", "@", "sort_by(lines, &n)", "to_string(@)", "length(@)", "a[", "*", "[::-1]", "join(',', keys(@))", "max_by(lines, &n).sku", "total"} {
			f.Add(expression, body)
		}
	}
	f.Fuzz(func(t *testing.T, expression, body string) {
		s := key.BodyJMESPath[events.APIGatewayV2HTTPRequest](expression)
		known := s.Err == nil || !strings.Contains(s.Err.Error(), "unknown function")
		if _, err := jmespath.Compile(expression); known && (err != nil) != (s.Err != nil) {
			t.Fatalf("%q: %v, %v", expression, err, s.Err)
		}
		if s.Err != nil {
			return
		}
		check(t, e, s, events.APIGatewayV2HTTPRequest{Body: body})
		if json.Valid([]byte(body)) {
			check(t, e, key.JMESPath[json.RawMessage](expression), json.RawMessage(body))
		}
	})
}

func FuzzPointer(f *testing.F) {
	e := engine(f, redistest.Embedded(f))
	for _, body := range bodies {
		for _, pointer := range []string{"", "/orderId", "/customer/id", "/lines/0/sku", "/lines/-", "/lines/99999999999999999999", "/a~0b/m~1n/", "/~", "/-1", "orderId", "/0"} {
			f.Add(pointer, "/orderId", body)
		}
	}
	f.Fuzz(func(t *testing.T, a, b, body string) {
		s := key.BodyPointer[events.SQSMessage](a, b)
		if s.Err != nil {
			return
		}
		check(t, e, s, events.SQSMessage{Body: body})
		check(t, e, key.BodyPointer[events.SQSMessage](a), events.SQSMessage{Body: body})
	})
}

func FuzzHeader(f *testing.F) {
	e := engine(f, redistest.Embedded(f))
	for _, value := range []string{"8e03978e-40d5-43e8-bc93-6894a57f9324", `"8e03978e-40d5-43e8-bc93-6894a57f9324"`, `"a\"b\\"`, "a,b", "", " ", `"`, `"\`, "~a", "{main}", "\r\n", "日本", "\xff"} {
		f.Add("Idempotency-Key", value, "idempotency-key", "other")
		f.Add("idempotency-key", value, "x", value)
	}
	f.Fuzz(func(t *testing.T, name, value, name2, value2 string) {
		check(t, e, key.Header[events.APIGatewayProxyRequest](), events.APIGatewayProxyRequest{
			Headers: map[string]string{name: value}, MultiValueHeaders: map[string][]string{name2: {value2, value}},
		})
		// The same again is the same key.
		in := events.LambdaFunctionURLRequest{Headers: map[string]string{name: value}}
		a, errA := keyOf(t, e, key.Header[events.LambdaFunctionURLRequest](), in)
		b, errB := keyOf(t, e, key.Header[events.LambdaFunctionURLRequest](), in)
		if a.ID != b.ID || (errA == nil) != (errB == nil) {
			t.Fatalf("%q: %s, %v, then %s, %v", value, a.ID, errA, b.ID, errB)
		}
	})
}

// Numbers that differ make different keys, however large they are.
func FuzzNumbers(f *testing.F) {
	e := engine(f, redistest.Embedded(f))
	f.Add(int64(9007199254740992), int64(9007199254740993))
	f.Add(int64(-1), int64(0))
	f.Add(int64(1)<<62, int64(1)<<62+1)
	f.Add(int64(999999999999999), int64(1000000000000000))
	f.Fuzz(func(t *testing.T, a, b int64) {
		s := key.JMESPath[map[string]int64]("id")
		ka, err := keyOf(t, e, s, map[string]int64{"id": a})
		if err != nil {
			t.Fatal(err)
		}
		kb, err := keyOf(t, e, s, map[string]int64{"id": b})
		if err != nil {
			t.Fatal(err)
		}
		if (a == b) != (ka.ID == kb.ID) {
			t.Errorf("%d has the id %s, and %d has %s", a, ka.ID, b, kb.ID)
		}
	})
}
