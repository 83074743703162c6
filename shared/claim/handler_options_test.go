package claim_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

func TestHandlerRefusesOptionsThatCannotWork(t *testing.T) {
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "")
	e := plainEngine(t, redistest.Embedded(t))
	good := payOptions{Key: byID, Function: "pay"}
	for want, change := range map[string]func(*payOptions){
		"the option Key is not set":            func(o *payOptions) { o.Key = claim.Selector[payment]{} },
		"no such expression":                   func(o *payOptions) { o.Key.Err = errors.New("no such expression") },
		"no such content":                      func(o *payOptions) { o.Content.Err = errors.New("no such content") },
		"AWS_LAMBDA_FUNCTION_NAME":             func(o *payOptions) { o.Function = "" },
		`the function's name "a:b"`:            func(o *payOptions) { o.Function = "a:b" },
		`the option Prefix is "a:b"`:           func(o *payOptions) { o.Prefix = "a:b" },
		"the option Lease is 1ns":              func(o *payOptions) { o.Lease = 1 },
		"MaxResponse is -1":                    func(o *payOptions) { o.MaxResponse = -1 },
		"CacheSize -1":                         func(o *payOptions) { o.CacheSize = -1 },
		`the option WithoutKey is "sometimes"`: func(o *payOptions) { o.WithoutKey = "sometimes" },
		"and Log is not set":                   func(o *payOptions) { o.WithoutRedis = claim.Unguarded },
		"the option Hash has 4 bytes":          func(o *payOptions) { o.Hash = newCRC },
	} {
		o := good
		change(&o)
		if _, err := claim.Handler(e, o, new(till).pay); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want an error with %q", err, want)
		}
	}
	if _, err := claim.Handler(e, good, nil); err == nil {
		t.Error("a handler without a function is taken")
	}
	stream := claim.HandlerOptions[payment, *bytes.Buffer]{Key: byID, Function: "pay"}
	if _, err := claim.Handler(e, stream, func(context.Context, payment) (*bytes.Buffer, error) { return nil, nil }); err == nil {
		t.Error("a stream is taken for a response")
	}
	t.Setenv("AWS_LAMBDA_FUNCTION_NAME", "from-env")
	o := good
	o.Function = ""
	h, err := claim.Handler(e, o, new(till).pay)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h(t.Context(), payment{ID: "29"}); err != nil {
		t.Fatal(err)
	}
	if _, ok, err := e.Lookup(t.Context(), "from-env:29"); !ok || err != nil {
		t.Errorf("no record under the function's name: %v", err)
	}
}

func TestHooksAlterWhatIsReplayedAndWhatIsRefused(t *testing.T) {
	t.Parallel()
	var s till
	var refusals []error
	e := plainEngine(t, redistest.Embedded(t))
	o := payOptions{
		Replayed: func(r receipt, c claim.Claim) receipt {
			if c.Fence != r.Fence || c.ID != "pay:29" || c.Key != "29" || c.Owner == "" {
				t.Errorf("replayed for %+v, want the claim that paid %+v", c, r)
			}
			r.Fence = -1
			return r
		},
		OnError: func(_ context.Context, err error) (receipt, error) {
			refusals = append(refusals, err)
			return receipt{Paid: -1}, nil
		},
	}
	h := payer(t, e, o, func(ctx context.Context, p payment) (receipt, error) {
		if p.Amount == 0 {
			return receipt{}, errDeclined
		}
		return s.pay(ctx, p)
	})
	var got []receipt
	for _, p := range []payment{{ID: "29", Amount: 5}, {ID: "29", Amount: 5}, {ID: "29", Amount: 6}, {}} {
		r, err := h(t.Context(), p)
		if err != nil {
			t.Error(err)
		}
		got = append(got, r)
	}
	got[0].Fence = 0
	if diff := cmp.Diff([]receipt{{5, 0}, {5, -1}, {-1, 0}, {-1, 0}}, got); diff != "" {
		t.Error(diff)
	}
	if len(refusals) != 2 {
		t.Fatalf("refusals %v, want a conflict and a missing key", refusals)
	}
	_ = want[*claim.ConflictError](t, refusals[0])
	_ = want[*claim.KeyError](t, refusals[1])
	if _, err := h(t.Context(), payment{ID: "30"}); !errors.Is(err, errDeclined) || len(refusals) != 2 {
		t.Errorf("%v: the handler's own error is not left alone", err)
	}
}

func TestAResponseThatSaysThatTheWorkFailedFreesTheKey(t *testing.T) {
	t.Parallel()
	e := plainEngine(t, redistest.Embedded(t))
	times := 0
	h := payer(t, e, payOptions{Failed: func(r receipt) bool { return r.Paid == 500 }}, func(context.Context, payment) (receipt, error) {
		times++
		return receipt{Paid: 500 * (2 - times)}, nil
	})
	for _, want := range []int{500, 0, 0} {
		if r, err := h(t.Context(), payment{ID: "29"}); err != nil || r.Paid != want {
			t.Errorf("%+v, %v, want %d", r, err, want)
		}
	}
	if times != 2 {
		t.Errorf("worked %d times, want 2", times)
	}
}

func TestTheKeyIsInEveryLogLine(t *testing.T) {
	t.Parallel()
	rdb := redistest.Embedded(t)
	e := plainEngine(t, rdb)
	var lines bytes.Buffer
	log := slog.New(slog.NewTextHandler(&lines, nil))
	for _, h := range []payHandler{
		payer(t, e, payOptions{Log: log}, func(context.Context, payment) (receipt, error) { return receipt{}, errDeclined }),
		payer(t, e, payOptions{Log: log, MaxResponse: 1}, new(till).pay),
		payer(t, e, payOptions{Log: log}, func(ctx context.Context, _ payment) (receipt, error) {
			rdb.FlushAll(ctx)
			return receipt{}, errDeclined
		}),
	} {
		lines.Reset()
		_, _ = h(t.Context(), payment{ID: "29"})
		if n := strings.Count(lines.String(), "key=pay:29"); n != 1 || strings.Count(lines.String(), "\n") != 1 {
			t.Errorf("logged, want one line with the key:\n%s", lines.String())
		}
		rdb.FlushAll(t.Context())
	}
}
