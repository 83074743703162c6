package fanout

import (
	"context"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
)

// Whatever a function answers, the bridge either takes it for the answer of a
// contender, about the orders that it was handed, or says what is wrong with it.
func FuzzAnswers(f *testing.F) {
	for _, s := range []string{
		`{"contender":"c.1","outcomes":[{"order":"29","entry":"1-1","outcome":"settled","status":"settled","fence":1,"owner":"c.1"}],"batchItemFailures":[]}`,
		`{"contender":"c.1","outcomes":[{"order":"29","entry":"1-1","outcome":"busy","owner":"1:d.1","leftMs":-9223372036854775808}]}`,
		`{"outcomes":[{"entry":"9-9","outcome":"already"}]}`,
		`{"outcomes":[{"entry":"1-1","outcome":"failed","fence":-1,"reason":"\u0000"}]}`,
		`{"errorType":"UnavailableError","errorMessage":"redis is not available"}`,
		`{"errorMessage":"2030-01-01 Task timed out after 3.00 seconds"}`,
		`null`, `[]`, `{}`, ``, `{"outcomes":null}`, `{"outcomes":[null]}`,
	} {
		f.Add([]byte(s), false)
		f.Add([]byte(s), true)
	}
	b := delivery.Batch{Warehouse: "main", Contenders: 1, Deliveries: []claim.Delivery{{Entry: "1-1", ID: "29", Count: 1}}}
	f.Fuzz(func(t *testing.T, payload []byte, failed bool) {
		c := newContenders(func(context.Context, []byte) (*lambda.InvokeOutput, error) {
			out := &lambda.InvokeOutput{Payload: payload}
			if failed {
				out.FunctionError = aws.String("Unhandled")
			}
			return out, nil
		}, quick())
		answer, err := c.race(t.Context(), b)
		if failed && err == nil {
			t.Fatalf("an error of the function counts as the answer %+v", answer)
		}
		if err == nil && len(answer.Outcomes) != len(b.Deliveries) {
			t.Fatalf("%d outcomes for %d orders", len(answer.Outcomes), len(b.Deliveries))
		}
		verdicts, _, _ := tally(b.Deliveries, []result{{answer, err, time.Now()}})
		if len(verdicts) != 1 || verdicts["1-1"] == nil {
			t.Fatalf("verdicts on %v, and only 1-1 was handed out", verdicts)
		}
		if left := verdicts["1-1"].left(); left < 0 {
			t.Fatalf("%v are left of a lease", left)
		}
	})
}
