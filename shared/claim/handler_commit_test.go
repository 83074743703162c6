package claim_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/redis/go-redis/v9"

	"photofinish/shared/claim"
	"photofinish/shared/redistest"
)

// withdraw is an effect: it checks before its first write.
var withdraw = claim.NewEffect("withdraw", `
	local amount = tonumber(ARGV[1])
	if not amount then error('the amount is no number') end
	local left = tonumber(redis.call('GET', KEYS[1]) or '0') - amount
	if left < 0 then return 'rejected', 'too little on the account' end
	redis.call('SET', KEYS[1], string.format('%d', left))
	if ARGV[2] == 'answer' then return 'settled', string.format('{"paid":%d,"fence":%s}', left, order.fence) end
	if ARGV[2] == 'nonsense' then return 'settled', 'nonsense' end
	return 'settled'`)

const account = "{main}:account"

// withdrawer commits the effect with further arguments.
func withdrawer(args ...any) payHandler {
	return func(ctx context.Context, p payment) (receipt, error) {
		return receipt{Paid: p.Amount}, claim.Commit(ctx, withdraw, []string{account}, append([]any{p.Amount}, args...)...)
	}
}

// eachAccount runs a test with 100 on the account.
func eachAccount(t *testing.T, test func(t *testing.T, e *claim.Engine, rdb *redis.Client)) {
	t.Helper()
	each(t, func(t *testing.T, e *claim.Engine, rdb *redis.Client) {
		if err := rdb.Set(t.Context(), account, 100, 0).Err(); err != nil {
			t.Fatal(err)
		}
		test(t, e, rdb)
	})
}

func left(t *testing.T, rdb *redis.Client, want string) {
	t.Helper()
	if got := rdb.Get(t.Context(), account).Val(); got != want {
		t.Errorf("%s on the account, want %s", got, want)
	}
}

func TestACommittedEffectHappensOnceForAllCalls(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, e *claim.Engine, rdb *redis.Client) {
		h := payer(t, e, payOptions{}, withdrawer())
		var wg sync.WaitGroup
		for range 16 {
			wg.Go(func() {
				r, err := h(t.Context(), payment{ID: "29", Amount: 30})
				if _, busy := errors.AsType[*claim.InProgressError](err); !busy && (err != nil || r.Paid != 30) {
					t.Errorf("%+v, %v", r, err)
				}
			})
		}
		wg.Wait()
		left(t, rdb, "70")
	})
}

func TestWhatAnEffectReturnsIsTheResponse(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, e *claim.Engine, rdb *redis.Client) {
		h := payer(t, e, payOptions{}, withdrawer("answer"))
		first, err := h(t.Context(), payment{ID: "29", Amount: 30})
		if err != nil || first.Paid != 70 || first.Fence == 0 {
			t.Errorf("%+v, %v, want what the effect says", first, err)
		}
		if again, err := h(t.Context(), payment{ID: "29", Amount: 30}); err != nil || again != first {
			t.Errorf("then %+v, %v, want %+v", again, err, first)
		}
		left(t, rdb, "70")
		h = payer(t, e, payOptions{}, withdrawer("nonsense"))
		for range 2 {
			_, err := h(t.Context(), payment{ID: "30", Amount: 30})
			if r := want[*claim.ResponseError](t, err); r.ID != "pay:30" {
				t.Errorf("%+v does not name the key", r)
			}
			left(t, rdb, "40")
		}
	})
}

func TestARejectionIsAnEnd(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, e *claim.Engine, rdb *redis.Client) {
		h := payer(t, e, payOptions{CacheSize: 1}, withdrawer())
		for range 3 {
			_, err := h(t.Context(), payment{ID: "29", Amount: 130})
			r := want[*claim.RejectedError](t, err)
			if r.ID != "pay:29" || r.Reason != "too little on the account" || claim.Unavailable(err) {
				t.Errorf("%+v", r)
			}
			rdb.Set(t.Context(), account, 1000, 0) // too late: it has ended
		}
		left(t, rdb, "1000")
	})
}

func TestAnEffectThatFailsFreesTheKey(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, e *claim.Engine, rdb *redis.Client) {
		broken := payer(t, e, payOptions{}, func(ctx context.Context, _ payment) (receipt, error) {
			return receipt{}, claim.Commit(ctx, withdraw, []string{account}, "much")
		})
		_, err := broken(t.Context(), payment{ID: "29", Amount: 30})
		if f := want[*claim.EffectError](t, err); f.ID != "pay:29" || !strings.Contains(f.Reason, "the amount is no number") {
			t.Errorf("%+v", f)
		}
		left(t, rdb, "100")
		if _, err := payer(t, e, payOptions{}, withdrawer())(t.Context(), payment{ID: "29", Amount: 30}); err != nil {
			t.Error(err)
		}
		left(t, rdb, "70")
	})
}

func TestAnEffectDoesNotHappenWhereTheHandlerFailsOrHasLost(t *testing.T) {
	t.Parallel()
	eachAccount(t, func(t *testing.T, e *claim.Engine, rdb *redis.Client) {
		for name, then := range map[string]func() error{
			"an error":     func() error { return errDeclined },
			"a lost claim": func() error { return rdb.Del(t.Context(), e.Keys().Lock("pay:29")).Err() },
		} {
			h := payer(t, e, payOptions{}, func(ctx context.Context, p payment) (receipt, error) {
				if _, err := withdrawer()(ctx, p); err != nil {
					t.Error(err)
				}
				return receipt{}, then()
			})
			if _, err := h(t.Context(), payment{ID: "29", Amount: 30}); err == nil {
				t.Errorf("after %s there is no error", name)
			}
			left(t, rdb, "100")
		}
	})
}

func TestCommitRefusesWhatCannotBeAppliedWithTheEnd(t *testing.T) {
	t.Parallel()
	e := plainEngine(t, redistest.Embedded(t))
	if err := claim.Commit(t.Context(), withdraw, nil); !errors.Is(err, claim.ErrNoClaim) {
		t.Errorf("outside of a handler: %v", err)
	}
	var late context.Context
	h := payer(t, e, payOptions{}, func(ctx context.Context, _ payment) (receipt, error) {
		late = ctx
		for want, err := range map[string]error{
			"the effect is nil":                         claim.Commit(ctx, nil, nil),
			`"account" has not the hash tag {main}`:     claim.Commit(ctx, withdraw, []string{account, "account"}),
			`"{other}:{main}" has not the hash tag`:     claim.Commit(ctx, withdraw, []string{"{other}:{main}"}),
			`"{main" has not the hash tag`:              claim.Commit(ctx, withdraw, []string{"{main"}),
			"argument 2 of effect withdraw: struct {}":  claim.Commit(ctx, withdraw, []string{account}, 1, struct{}{}),
			"argument 1 of effect withdraw: <nil> is n": claim.Commit(ctx, withdraw, []string{account}, nil),
		} {
			if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "pay:29") {
				t.Errorf("%v, want an error with %q and the key", err, want)
			}
		}
		if err := claim.Commit(ctx, claim.Respond, nil); err != nil {
			t.Error(err)
		}
		if err := claim.Commit(ctx, withdraw, nil); err == nil || !strings.Contains(err.Error(), "respond") {
			t.Errorf("a second effect: %v", err)
		}
		return receipt{}, nil
	})
	if _, err := h(t.Context(), payment{ID: "29"}); err != nil {
		t.Fatal(err)
	}
	if err := claim.Commit(late, withdraw, nil); !errors.Is(err, claim.ErrNoClaim) {
		t.Errorf("after the handler has returned: %v", err)
	}
}

// The arguments are those at the time of the call.
func TestCommitCopiesItsArguments(t *testing.T) {
	t.Parallel()
	rdb := redistest.Embedded(t)
	push := claim.NewEffect("push", `for _, a in ipairs(ARGV) do redis.call('RPUSH', KEYS[1], a) end return 'settled'`)
	h := payer(t, plainEngine(t, rdb), payOptions{}, func(ctx context.Context, _ payment) (receipt, error) {
		keys, text := []string{"{main}:list"}, []byte("text")
		err := claim.Commit(ctx, push, keys, text, "s", 1, int64(-2), uint8(3), 1.5, float32(2.5), 1e21, true, false)
		keys[0], text[0] = "{main}:other", 'x'
		return receipt{}, err
	})
	if _, err := h(t.Context(), payment{ID: "29"}); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(rdb.LRange(t.Context(), "{main}:list", 0, -1).Val(), " "); got != "text s 1 -2 3 1.5 2.5 1000000000000000000000 1 0" {
		t.Errorf("the effect was given %s", got)
	}
}
