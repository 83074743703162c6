package claim

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"log/slog"
	"os"
	"reflect"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

// Defaults of HandlerOptions.
const (
	// DefaultLease is the lease where the context has no deadline.
	DefaultLease       = time.Minute
	DefaultMaxResponse = 1 << 20
)

// longestInvocation is how long Lambda lets an invocation last, and the margin.
const longestInvocation = 15*time.Minute + leaseMargin

// Selector takes something from an event: the key, or the content that has to be
// equal under one key. The package key makes them from functions, JSON pointers,
// JMESPath expressions and headers.
type Selector[In any] struct {
	// Name is how errors call it, such as: the header Idempotency-Key.
	Name string
	// Value is called once for each invocation, before the handler. A nil, an
	// empty string, an empty list or an empty object is no key, and neither is a
	// list or an object with such a member. A string is the key as it is;
	// everything else is taken as its JSON.
	Value func(In) (any, error)
	// Content is what identifies the content of such events where nothing else is
	// chosen. It is for events that differ in each retry, such as those of an API
	// Gateway with their request ids. Nil: the whole event.
	Content func(In) (any, error)
	// Err is why the selector cannot be used, such as an expression that does not
	// parse; Handler returns it.
	Err error
}

// Fallback says what to do where a call cannot be guarded.
type Fallback string

const (
	// Fail refuses the call. This is what the zero value means.
	Fail Fallback = "fail"
	// Unguarded runs the handler without a claim, and logs that at WARN.
	Unguarded Fallback = "unguarded"
)

// HandlerOptions are the settings of Handler. All but Key have defaults.
type HandlerOptions[In, Out any] struct {
	// Key is where the key comes from.
	Key Selector[In]
	// Content is what has to be equal in all calls with the same key. The zero
	// value means the Content of Key.
	Content Selector[In]
	// Function is what separates the keys of different functions: 1 to 64 letters,
	// digits, - or _. The default is the name of the Lambda function.
	Function string
	// Prefix goes before the function's name, to separate stages or tenants: up to
	// 64 letters, digits and . _ -
	Prefix string
	// Hash is used for keys that are no ids, and for the content. The default is
	// SHA-256; 16 bytes are the least.
	Hash func() hash.Hash
	// Lease is how long a claim lives without being renewed, which happens each
	// third of it while the handler runs. It never goes beyond the deadline of the
	// context, by more than a margin. The zero value means up to that deadline, or
	// DefaultLease where there is none.
	Lease time.Duration
	// MaxResponse is how many bytes of JSON a response may have to be recorded.
	// After a larger one the key has ended all the same, and a later call is
	// refused with a *ResponseError.
	MaxResponse int
	// CacheSize is how many ended keys are remembered inside the process, each
	// with its response, so that Redis is not asked for them again. Zero: none.
	CacheSize int
	// WithoutKey says what to do with an event that has no key.
	WithoutKey Fallback
	// WithoutRedis says what to do when Redis cannot be reached at the start of a
	// call.
	WithoutRedis Fallback
	// Failed reports that a response says that the work failed, such as a status of
	// 500. It is returned but not recorded, and the key is free again.
	Failed func(Out) bool
	// Replayed may alter a response that is given again. The claim is that which
	// ended the key.
	Replayed func(Out, Claim) Out
	// OnError may turn what a call is refused with into a response. It is not
	// called for the handler's own errors. What it returns is not recorded.
	OnError func(context.Context, error) (Out, error)
	// Log takes what cannot be returned. It has to be set where a Fallback is
	// Unguarded. The default keeps nothing.
	Log *slog.Logger
}

// complete checks the options and fills in the defaults.
func (o HandlerOptions[In, Out]) complete() (HandlerOptions[In, Out], string, error) {
	if o.Key.Err == nil && o.Key.Value == nil {
		return o, "", errors.New("the option Key is not set")
	}
	if err := errors.Join(o.Key.Err, o.Content.Err); err != nil {
		return o, "", err
	}
	if o.Key.Name == "" {
		o.Key.Name = "the function of the option Key"
	}
	if o.Content.Value == nil {
		o.Content = Selector[In]{Name: "the content of the event", Value: o.Key.Content}
	}
	if o.Content.Value == nil {
		o.Content.Value = func(in In) (any, error) { return in, nil }
	}
	if o.Content.Name == "" {
		o.Content.Name = "the function of the option Content"
	}
	if o.Hash == nil {
		o.Hash = sha256.New
	}
	if n := o.Hash().Size(); n < 16 {
		return o, "", fmt.Errorf("the option Hash has %d bytes: 16 are the least", n)
	}
	if o.Lease != 0 && o.Lease < time.Millisecond {
		return o, "", fmt.Errorf("the option Lease is %v: has to be a millisecond or more", o.Lease)
	}
	if o.MaxResponse == 0 {
		o.MaxResponse = DefaultMaxResponse
	}
	if o.MaxResponse < 0 || o.CacheSize < 0 {
		return o, "", fmt.Errorf("the option MaxResponse is %d, CacheSize %d: cannot be under zero", o.MaxResponse, o.CacheSize)
	}
	for name, f := range map[string]Fallback{"WithoutKey": o.WithoutKey, "WithoutRedis": o.WithoutRedis} {
		if f != "" && f != Fail && f != Unguarded {
			return o, "", fmt.Errorf("the option %s is %q: has to be %q or %q", name, f, Fail, Unguarded)
		}
		if f == Unguarded && o.Log == nil {
			return o, "", fmt.Errorf("the option %s is %q, and Log is not set: nothing would tell of it", name, f)
		}
	}
	if o.Log == nil {
		o.Log = discard()
	}
	if reflect.TypeFor[Out]().Implements(reflect.TypeFor[io.Reader]()) {
		return o, "", fmt.Errorf("%v is a stream: it cannot be recorded and given again", reflect.TypeFor[Out]())
	}
	scope, err := o.scope()
	return o, scope, err
}

// scope is what ids start with. Neither part has a colon, and the function no
// dot: so no two pairs of them give the same.
func (o HandlerOptions[In, Out]) scope() (string, error) {
	function := o.Function
	if function == "" {
		function = os.Getenv("AWS_LAMBDA_FUNCTION_NAME")
	}
	if function == "" {
		return "", errors.New("the option Function is not set, and neither is AWS_LAMBDA_FUNCTION_NAME")
	}
	if !validPartition(function) {
		return "", fmt.Errorf("the function's name %q is not 1 to 64 letters, digits, - or _", function)
	}
	scope := function + ":"
	if o.Prefix != "" {
		if !ValidID(o.Prefix) || len(o.Prefix) > 64 || strings.ContainsAny(o.Prefix, ":~") {
			return "", fmt.Errorf("the option Prefix is %q, not up to 64 letters, digits and . _ -", o.Prefix)
		}
		scope = o.Prefix + "." + scope
	}
	if n := len(scope) + len("~~") + 2*o.Hash().Size(); n > maxID {
		return "", fmt.Errorf("prefix, function and hash make ids of %d characters: %d at most", n, maxID)
	}
	return scope, nil
}

// newOwner names one invocation. A request id alone would not do: Lambda uses it
// again when it repeats an asynchronous invocation.
func newOwner(ctx context.Context) string {
	if lc, ok := lambdacontext.FromContext(ctx); ok && lc.AwsRequestID != "" {
		return lc.AwsRequestID + "." + rand.Text()[:12]
	}
	return rand.Text()
}
