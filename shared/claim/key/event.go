package key

import (
	"encoding/base64"
	"fmt"

	"github.com/aws/aws-lambda-go/events"
)

// HTTPRequest is an event that is an HTTP request.
type HTTPRequest interface {
	events.APIGatewayProxyRequest | events.APIGatewayV2HTTPRequest | events.ALBTargetGroupRequest | events.LambdaFunctionURLRequest
}

// WithBody is an event with a body: an HTTP request, a message of SQS, or a record
// of Kinesis, whose data are meant then.
type WithBody interface {
	HTTPRequest | events.SQSMessage | events.KinesisEventRecord
}

func bodyTree[In WithBody](in In) (any, error) {
	text, err := body(in)
	if err != nil || text == "" {
		return nil, err
	}
	v, err := parse([]byte(text))
	if err != nil {
		return nil, fmt.Errorf("it is not JSON: %w", err)
	}
	return v, nil
}

// body is the body of an event that has one.
func body(in any) (string, error) {
	switch e := in.(type) {
	case events.APIGatewayProxyRequest:
		return decoded(e.Body, e.IsBase64Encoded)
	case events.APIGatewayV2HTTPRequest:
		return decoded(e.Body, e.IsBase64Encoded)
	case events.ALBTargetGroupRequest:
		return decoded(e.Body, e.IsBase64Encoded)
	case events.LambdaFunctionURLRequest:
		return decoded(e.Body, e.IsBase64Encoded)
	case events.SQSMessage:
		return e.Body, nil
	case events.KinesisEventRecord:
		return string(e.Kinesis.Data), nil
	}
	return "", fmt.Errorf("a %T has no body", in)
}

func decoded(body string, isBase64 bool) (string, error) {
	if !isBase64 {
		return body, nil
	}
	b, err := base64.StdEncoding.DecodeString(body)
	if err != nil {
		return "", fmt.Errorf("it is not Base64: %w", err)
	}
	return string(b), nil
}

// content is what identifies the content of an event: what its sender said, where
// the service adds what differs in each retry; else all of it.
func content[In any](in In) (any, error) {
	switch e := any(in).(type) {
	case events.APIGatewayProxyRequest:
		return request(e.HTTPMethod, e.Path, []any{e.QueryStringParameters, e.MultiValueQueryStringParameters}, e)
	case events.APIGatewayV2HTTPRequest:
		return request(e.RequestContext.HTTP.Method, e.RawPath, e.RawQueryString, e)
	case events.ALBTargetGroupRequest:
		return request(e.HTTPMethod, e.Path, []any{e.QueryStringParameters, e.MultiValueQueryStringParameters}, e)
	case events.LambdaFunctionURLRequest:
		return request(e.RequestContext.HTTP.Method, e.RawPath, e.RawQueryString, e)
	case events.SQSMessage:
		return []any{e.Body, e.MessageAttributes}, nil
	case events.KinesisEventRecord:
		return e.Kinesis.Data, nil
	case events.DynamoDBEventRecord:
		return []any{e.EventName, e.Change.Keys, e.Change.NewImage, e.Change.OldImage}, nil
	}
	return in, nil
}

func request(method, path string, query any, event any) (any, error) {
	text, err := body(event)
	return []any{method, path, query, []byte(text)}, err
}
