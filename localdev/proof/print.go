package proof

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// printed is how many SKUs of a warehouse and findings are printed.
const printed = 30

// Print writes a report as a short table.
func (r Report) Print(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	if len(r.Warehouses) == 0 {
		fmt.Fprintln(t, "There are no orders and there is no stock.")
	}
	for _, h := range r.Warehouses {
		fmt.Fprintf(t, "warehouse %s\n", h.Name)
		fmt.Fprintln(t, "  placed\tsettled\trejected\tdead\twaiting\texpired\tlocks\t")
		fmt.Fprintf(t, "  %d\t%d\t%d\t%d\t%d\t%d\t%d\t\n\n", h.Placed, h.Settled, h.Rejected, h.Dead, h.Waiting, h.Expired, h.Locks)
		if h.Handlers > 0 {
			fmt.Fprintf(t, "  beside %d keys of idempotent handlers, which are no orders\n\n", h.Handlers)
		}
		if len(h.SKUs) > 0 {
			fmt.Fprintln(t, "  SKU\treceived\t− settled\t= on hand\t")
		}
		for i, s := range h.SKUs {
			if i == printed {
				fmt.Fprintf(t, "  … and %d more\n", len(h.SKUs)-printed)
				break
			}
			mark := ""
			if s.Received-s.Settled != s.OnHand {
				mark = "  ✗"
			}
			fmt.Fprintf(t, "  %s\t%d\t%d\t%d%s\t\n", s.ID, s.Received, s.Settled, s.OnHand, mark)
		}
		fmt.Fprintln(t)
	}
	if r.Holds() {
		fmt.Fprintln(t, "Exactly once: holds. Each order settled once, or is waiting, rejected or dead with its reason; the stock adds up.")
		return t.Flush()
	}
	fmt.Fprintf(t, "Exactly once: DOES NOT HOLD. %d findings:\n", len(r.Findings))
	for i, f := range r.Findings {
		if i == printed {
			fmt.Fprintf(t, "  … and %d more (--json has all)\n", len(r.Findings)-printed)
			break
		}
		fmt.Fprintf(t, "  %s\n", f)
	}
	return t.Flush()
}
