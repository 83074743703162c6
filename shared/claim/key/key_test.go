package key_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-lambda-go/events"
	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/claim/key"
	"photofinish/shared/redistest"
)

type order struct {
	ID       string            `json:"orderId"`
	Number   json.Number       `json:"number,omitempty"`
	Customer map[string]string `json:"customer,omitempty"`
	Lines    []line            `json:"lines,omitempty"`
}

type line struct {
	SKU string `json:"sku"`
	N   int    `json:"n"`
}

func engine(t testing.TB, rdb redis.UniversalClient) *claim.Engine {
	t.Helper()
	e, err := claim.Open(rdb, "main", claim.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return e
}

var errStop = errors.New("stop")

// keyOf is the key that a handler runs with.
func keyOf[In any](t testing.TB, e *claim.Engine, s claim.Selector[In], in In) (got claim.Claim, err error) {
	t.Helper()
	h, err := claim.Handler(e, claim.HandlerOptions[In, int]{Key: s, Function: "f"}, func(ctx context.Context, _ In) (int, error) {
		got, _ = claim.FromContext(ctx)
		return 0, errStop // so that the key is free again
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err = h(context.Background(), in); errors.Is(err, errStop) {
		err = nil
	}
	return got, err
}

func TestKeysFromTheEvent(t *testing.T) {
	t.Parallel()
	e := engine(t, redistest.Embedded(t))
	o := order{ID: "29", Number: "9007199254740993", Customer: map[string]string{"id": "c-1", "a/b": "slash"}, Lines: []line{{"apple", 2}, {"pear", 3}}}
	for _, c := range []struct {
		s    claim.Selector[order]
		want string
	}{
		{key.Func(func(o order) string { return "o-" + o.ID }), "o-29"},
		{key.JMESPath[order]("orderId"), "29"},
		{key.JMESPath[order]("number"), "9007199254740993"},
		{key.JMESPath[order]("lines[?n > `2`].sku | [0]"), "pear"},
		{key.JMESPath[order]("sum(lines[].n)"), "5"},
		{key.JMESPath[order]("[customer.id, orderId]"), `["c-1","29"]`},
		{key.JMESPath[order]("{o: orderId, c: customer.id}"), `{"c":"c-1","o":"29"}`},
		{key.Pointer[order]("/orderId"), "29"},
		{key.Pointer[order]("/lines/1/sku"), "pear"},
		{key.Pointer[order]("/customer/a~1b"), "slash"},
		{key.Pointer[order]("/number"), "9007199254740993"},
		{key.Pointer[order]("/customer/id", "/orderId"), `["c-1","29"]`},
	} {
		if got, err := keyOf(t, e, c.s, o); err != nil || got.Key != c.want {
			t.Errorf("%s: %q, %v, want %q", c.s.Name, got.Key, err, c.want)
		}
	}
}

func TestAKeyThatIsNotThereIsReportedByName(t *testing.T) {
	t.Parallel()
	e := engine(t, redistest.Embedded(t))
	for want, s := range map[string]claim.Selector[order]{
		`the JMESPath expression "nothing" on the event`:            key.JMESPath[order]("nothing"),
		`the JMESPath expression "orderId" on the event`:            key.JMESPath[order]("orderId"),
		`the JMESPath expression "[orderId, 'x']" on the event`:     key.JMESPath[order]("[orderId, 'x']"),
		`the JMESPath expression "lines[].sku" on the event`:        key.JMESPath[order]("lines[].sku"),
		`the JSON pointer /nothing/at/all on the event`:             key.Pointer[order]("/nothing/at/all"),
		`the JSON pointer /orderId/deeper on the event`:             key.Pointer[order]("/orderId/deeper"),
		`the JSON pointer /number, /orderId on the event: ` + noKey: key.Pointer[order]("/number", "/orderId"),
		"the key function": key.Func(func(o order) string { return o.ID }),
	} {
		_, err := keyOf(t, e, s, order{Number: "1"})
		if _, ok := errors.AsType[*claim.KeyError](err); !ok || !errors.Is(err, claim.ErrNoKey) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want that there is no key at %s", err, want)
		}
	}
	_, err := keyOf(t, e, key.JMESPath[order]("sum(orderId)"), order{ID: "29"})
	if _, ok := errors.AsType[*claim.KeyError](err); !ok || errors.Is(err, claim.ErrNoKey) {
		t.Errorf("%v, want that the expression failed", err)
	}
}

const noKey = "claim: there is no idempotency key"

func TestAnExpressionThatCannotBeUsedEndsTheStart(t *testing.T) {
	t.Parallel()
	e := engine(t, redistest.Embedded(t))
	for want, s := range map[string]claim.Selector[order]{
		`the JMESPath expression "a["`: key.JMESPath[order]("a["),
		`the JSON pointer "a"`:         key.Pointer[order]("/b", "a"),
		"no JSON pointer":              key.Pointer[order](),
	} {
		for _, o := range []claim.HandlerOptions[order, int]{{Key: s}, {Key: key.JMESPath[order]("orderId"), Content: s}} {
			o.Function = "f"
			_, err := claim.Handler(e, o, func(context.Context, order) (int, error) { return 0, nil })
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v, want %s", err, want)
			}
		}
	}
	_, err := claim.Handler(e, claim.HandlerOptions[events.ALBTargetGroupRequest, int]{Key: key.HeaderNamed[events.ALBTargetGroupRequest](" "), Function: "f"},
		func(context.Context, events.ALBTargetGroupRequest) (int, error) { return 0, nil })
	if err == nil {
		t.Error("a header without a name is taken")
	}
}

func TestTheHeaderOfEveryKindOfHTTPEvent(t *testing.T) {
	t.Parallel()
	e := engine(t, redistest.Embedded(t))
	for name, want := range map[string]string{"Idempotency-Key": "k-1", "idempotency-key": "k-1", "IDEMPOTENCY-KEY": "k-1", "X-Idempotency-Key": ""} {
		single := map[string]string{"Content-Type": "application/json", name: "k-1"}
		multi := map[string][]string{name: {"k-1", " \"k-1\""}}
		keys := map[string]func() (claim.Claim, error){
			"v1": func() (claim.Claim, error) {
				return keyOf(t, e, key.Header[events.APIGatewayProxyRequest](), events.APIGatewayProxyRequest{Headers: single, MultiValueHeaders: multi})
			},
			"v2": func() (claim.Claim, error) {
				return keyOf(t, e, key.Header[events.APIGatewayV2HTTPRequest](), events.APIGatewayV2HTTPRequest{Headers: single})
			},
			"alb": func() (claim.Claim, error) {
				return keyOf(t, e, key.Header[events.ALBTargetGroupRequest](), events.ALBTargetGroupRequest{Headers: single})
			},
			"alb, several values": func() (claim.Claim, error) {
				return keyOf(t, e, key.Header[events.ALBTargetGroupRequest](), events.ALBTargetGroupRequest{MultiValueHeaders: multi})
			},
			"url": func() (claim.Claim, error) {
				return keyOf(t, e, key.Header[events.LambdaFunctionURLRequest](), events.LambdaFunctionURLRequest{Headers: single})
			},
		}
		for kind, get := range keys {
			got, err := get()
			if got.Key != want || (err != nil) != (want == "") || err != nil && !strings.Contains(err.Error(), "the header Idempotency-Key") {
				t.Errorf("%s, header %s: %q, %v, want %q", kind, name, got.Key, err, want)
			}
		}
	}
}

func TestTheValueOfTheHeader(t *testing.T) {
	t.Parallel()
	e := engine(t, redistest.Embedded(t))
	for value, want := range map[string]string{
		"8e03978e-40d5":     "8e03978e-40d5",
		`"8e03978e-40d5"`:   "8e03978e-40d5",
		" \t k-1 ":          "k-1",
		`"a \"b\" \\ c"`:    `a "b" \ c`,
		`"open`:             `"open`,
		`"a" "b"`:           `"a" "b"`,
		`"a\n"`:             `"a\n"`,
		`"a\`:               `"a\`,
		"a,b":               "a,b",
		"\x00\r\nInjected:": "\x00\r\nInjected:",
		"":                  "",
		`""`:                "",
		" ":                 "",
	} {
		got, err := keyOf(t, e, key.Header[events.APIGatewayV2HTTPRequest](), events.APIGatewayV2HTTPRequest{Headers: map[string]string{"idempotency-key": value}})
		if got.Key != want || errors.Is(err, claim.ErrNoKey) != (want == "") {
			t.Errorf("%q: %q, %v, want %q", value, got.Key, err, want)
		}
	}
	in := events.APIGatewayProxyRequest{MultiValueHeaders: map[string][]string{"Idempotency-Key": {"a"}, "idempotency-key": {"b"}}}
	if _, err := keyOf(t, e, key.Header[events.APIGatewayProxyRequest](), in); err == nil || errors.Is(err, claim.ErrNoKey) || !strings.Contains(err.Error(), "several values") {
		t.Errorf("%v, want that there are several", err)
	}
}

func TestKeysFromTheBody(t *testing.T) {
	t.Parallel()
	e := engine(t, redistest.Embedded(t))
	const text = `{"orderId": "29", "customer": {"id": 7}}`
	if got, err := keyOf(t, e, key.BodyJMESPath[events.APIGatewayV2HTTPRequest]("orderId"), events.APIGatewayV2HTTPRequest{Body: text}); err != nil || got.Key != "29" {
		t.Errorf("%q, %v", got.Key, err)
	}
	if got, err := keyOf(t, e, key.BodyPointer[events.APIGatewayProxyRequest]("/customer/id"), events.APIGatewayProxyRequest{Body: text}); err != nil || got.Key != "7" {
		t.Errorf("%q, %v", got.Key, err)
	}
	in := events.LambdaFunctionURLRequest{Body: "eyJvcmRlcklkIjoiMjkifQ==", IsBase64Encoded: true}
	if got, err := keyOf(t, e, key.BodyPointer[events.LambdaFunctionURLRequest]("/orderId"), in); err != nil || got.Key != "29" {
		t.Errorf("%q, %v", got.Key, err)
	}
	if got, err := keyOf(t, e, key.BodyJMESPath[events.SQSMessage]("orderId"), events.SQSMessage{Body: text}); err != nil || got.Key != "29" {
		t.Errorf("%q, %v", got.Key, err)
	}
	record := events.KinesisEventRecord{Kinesis: events.KinesisRecord{Data: []byte(text)}}
	if got, err := keyOf(t, e, key.BodyJMESPath[events.KinesisEventRecord]("customer.id"), record); err != nil || got.Key != "7" {
		t.Errorf("%q, %v", got.Key, err)
	}
	if got, err := keyOf(t, e, key.Body[events.ALBTargetGroupRequest](), events.ALBTargetGroupRequest{Body: "29"}); err != nil || got.Key != "29" {
		t.Errorf("%q, %v", got.Key, err)
	}
	for body, want := range map[string]string{"": noKey, "no JSON": "it is not JSON", `{} {}`: "it is not JSON", `{"orderId":null}`: noKey} {
		_, err := keyOf(t, e, key.BodyJMESPath[events.APIGatewayV2HTTPRequest]("orderId"), events.APIGatewayV2HTTPRequest{Body: body})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "on the body") {
			t.Errorf("body %q: %v, want %s", body, err, want)
		}
	}
	in.Body = "%"
	if _, err := keyOf(t, e, key.Body[events.LambdaFunctionURLRequest](), in); err == nil || !strings.Contains(err.Error(), "not Base64") {
		t.Errorf("%v, want that the body is not Base64", err)
	}
}

// A retry brings an event that differs in what the service adds. It is the same
// content; another body, path or method is not.
func TestWhatTheServiceAddsIsNoContent(t *testing.T) {
	t.Parallel()
	e := engine(t, redistest.Embedded(t))
	first := events.APIGatewayV2HTTPRequest{RawPath: "/orders", RawQueryString: "a=1", Body: "{}", Headers: map[string]string{"idempotency-key": "v2"}}
	first.RequestContext.HTTP.Method, first.RequestContext.RequestID = "POST", "r-1"
	again, path, method, query, body := first, first, first, first, first
	again.RequestContext.RequestID, again.RequestContext.TimeEpoch = "r-2", 2
	path.RawPath, method.RequestContext.HTTP.Method, query.RawQueryString, body.Body = "/o", "PUT", "a=2", "[]"
	same(t, e, key.Header[events.APIGatewayV2HTTPRequest](), first, again, path, method, query, body)

	rest := events.APIGatewayProxyRequest{HTTPMethod: "POST", Path: "/orders", Body: "{}", Headers: map[string]string{"idempotency-key": "v1"}}
	restAgain, restBody := rest, rest
	restAgain.RequestContext.RequestID = "r-2"
	restBody.Body = "[]"
	same(t, e, key.JMESPath[events.APIGatewayProxyRequest](`headers."idempotency-key"`), rest, restAgain, restBody)

	url := events.LambdaFunctionURLRequest{RawPath: "/orders", Body: "{}", Headers: map[string]string{"idempotency-key": "url"}}
	urlAgain, urlPath := url, url
	urlAgain.RequestContext.RequestID = "r-2"
	urlPath.RawPath = "/o"
	same(t, e, key.Header[events.LambdaFunctionURLRequest](), url, urlAgain, urlPath)

	alb := events.ALBTargetGroupRequest{HTTPMethod: "POST", Path: "/orders", Body: "{}", Headers: map[string]string{"Idempotency-Key": "alb", "x-amzn-trace-id": "1"}}
	albAgain, albMethod := alb, alb
	albAgain.Headers = map[string]string{"Idempotency-Key": "alb", "x-amzn-trace-id": "2"}
	albMethod.HTTPMethod = "PUT"
	same(t, e, key.Header[events.ALBTargetGroupRequest](), alb, albAgain, albMethod)

	message := events.SQSMessage{MessageId: "m-1", ReceiptHandle: "1", Body: `{"orderId":"sqs"}`, Attributes: map[string]string{"ApproximateReceiveCount": "1"}}
	messageAgain, messageBody := message, message
	messageAgain.ReceiptHandle, messageAgain.Attributes, messageAgain.MessageId = "2", map[string]string{"ApproximateReceiveCount": "2"}, "m-2"
	messageBody.Body = `{"orderId":"sqs","n":1}`
	same(t, e, key.BodyJMESPath[events.SQSMessage]("orderId"), message, messageAgain, messageBody)

	record := events.KinesisEventRecord{EventID: "shard:1", Kinesis: events.KinesisRecord{Data: []byte(`{"orderId":"kinesis"}`), SequenceNumber: "1"}}
	recordAgain, recordData := record, record
	recordAgain.EventID, recordAgain.Kinesis.SequenceNumber = "shard:2", "2"
	recordData.Kinesis.Data = []byte(`{"orderId":"kinesis","n":1}`)
	same(t, e, key.BodyJMESPath[events.KinesisEventRecord]("orderId"), record, recordAgain, recordData)

	change := events.DynamoDBEventRecord{EventID: "1", EventName: "INSERT", Change: events.DynamoDBStreamRecord{
		Keys:     map[string]events.DynamoDBAttributeValue{"id": events.NewStringAttribute("dynamodb")},
		NewImage: map[string]events.DynamoDBAttributeValue{"id": events.NewStringAttribute("dynamodb"), "b": events.NewBinaryAttribute([]byte{1})},
	}}
	changeAgain, changeName := change, change
	changeAgain.EventID, changeAgain.Change.SequenceNumber = "2", "2"
	changeName.EventName = "REMOVE"
	same(t, e, key.JMESPath[events.DynamoDBEventRecord]("dynamodb.Keys.id.S"), change, changeAgain, changeName)

	o := order{ID: "plain"}
	oOther := order{ID: "plain", Number: "1"}
	same(t, e, key.Func(func(o order) string { return o.ID }), o, o, oOther)
}

// same requires that again is the same call as first, and the others are not.
func same[In any](t *testing.T, e *claim.Engine, s claim.Selector[In], first, again In, others ...In) {
	t.Helper()
	times := 0
	h, err := claim.Handler(e, claim.HandlerOptions[In, int]{Key: s, Function: "same"}, func(context.Context, In) (int, error) {
		times++
		return times, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, in := range []In{first, again} {
		if n, err := h(t.Context(), in); err != nil || n != 1 {
			t.Errorf("%T: %d, %v, want the first response", in, n, err)
		}
	}
	for i, in := range others {
		_, err := h(t.Context(), in)
		if _, ok := errors.AsType[*claim.ConflictError](err); !ok {
			t.Errorf("%T, other content %d: %v, want a conflict", in, i, err)
		}
	}
}
