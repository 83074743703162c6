package contender

import (
	"context"
	"log/slog"

	"photofinish/shared/claim"
	"photofinish/shared/delivery"
)

// lost is the outcome of a claim that was not won.
func lost(d claim.Delivery, c claim.Claimed) delivery.Outcome {
	out := delivery.Outcome{Order: d.ID, Entry: d.Entry, Outcome: c.Outcome, Status: c.State, Fence: c.Fence, Owner: c.Holder, LeftMS: c.Left.Milliseconds()}
	switch c.Outcome {
	case claim.Busy:
		out.Reason = "held by " + c.Holder
	case claim.Already:
		out.Reason = "ended as " + string(c.State) + " before"
	case claim.NoOrder:
		out.Reason = "there is no record of this order"
	}
	return out
}

// finished is the outcome of a settlement that did not fail.
func finished(d claim.Delivery, owner string, fence int64, end claim.Ended) delivery.Outcome {
	out := delivery.Outcome{Order: d.ID, Entry: d.Entry, Outcome: end.Outcome, Status: end.State, Fence: fence, Owner: owner}
	switch end.Outcome {
	case claim.Already:
		out.Fence, out.Owner, out.Reason = end.Fence, end.Owner, "ended as "+string(end.State)+" before"
	case claim.Lost:
		out.Reason = "the lease ended before the work was settled"
	}
	if end.State == claim.Rejected {
		out.Reason = "rejected: " + end.Result
	}
	return out
}

// report adds an outcome to the answer, and logs who won, who skipped and why:
// one line for each order and contender.
func (r *invocation) report(ctx context.Context, out delivery.Outcome) {
	r.answer.Outcomes = append(r.answer.Outcomes, out)
	switch {
	case out.Outcome == claim.Done, out.Outcome == claim.Already, out.Status == claim.Dead:
	default:
		r.answer.BatchItemFailures = append(r.answer.BatchItemFailures, delivery.ItemFailure{ItemIdentifier: out.Entry})
	}
	level, message := slog.LevelInfo, "skipped"
	switch out.Outcome {
	case claim.Done:
		message = "won"
	case claim.Failed, claim.Lost, claim.NoOrder:
		level, message = slog.LevelWarn, string(out.Outcome)
	}
	attrs := []slog.Attr{
		slog.String("order", out.Order), slog.String("outcome", string(out.Outcome)),
		slog.String("contender", r.owner), slog.String("warehouse", r.warehouse),
	}
	if out.Status != "" {
		attrs = append(attrs, slog.String("status", string(out.Status)))
	}
	if out.Fence != 0 {
		attrs = append(attrs, slog.Int64("fence", out.Fence))
	}
	if out.Reason != "" {
		attrs = append(attrs, slog.String("reason", out.Reason))
	}
	if trace := r.traces[out.Order]; trace != "" {
		attrs = append(attrs, slog.String("trace", trace))
	}
	r.Log.LogAttrs(ctx, level, message, attrs...)
}
