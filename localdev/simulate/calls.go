package simulate

import (
	"cmp"
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

const (
	forever   = math.MaxInt
	foreverAt = time.Duration(math.MaxInt64)
)

// Call is what one caller asked the engine to do with one order, and what it was
// answered.
type Call struct {
	Step   string // the script
	Order  string
	Caller string // the process
	Owner  string
	Fence  string
	Print  string // fingerprint, of place
	Lease  time.Duration

	answer    []string
	known     bool // the caller has had the answer
	call, ret int  // after which step it was sent, odd, and in which answered, even
	from, to  time.Duration
}

// word is a part of the answer.
func (c *Call) word(i int) string {
	if i < len(c.answer) {
		return c.answer[i]
	}
	return ""
}

func (c *Call) String() string {
	got := "an answer that was lost"
	if c.known {
		got = strings.Join(c.answer, " ")
	}
	return fmt.Sprintf("%s %s by %s fence %q, steps %d to %s: %s", c.Step, c.Order, cmp.Or(c.Owner, c.Caller), c.Fence, c.call/2+1, c.end(), got)
}

func (c *Call) end() string {
	if !c.known {
		return "ever"
	}
	return strconv.Itoa(c.ret / 2)
}

// callsOf reads the calls out of a command that runs a script, and their answers
// out of its reply. See the heads of the scripts for their forms.
func callsOf(script string, cmd []string, reply any) []*Call {
	rows, _ := reply.([]any)
	if len(cmd) < 3 || rows == nil {
		return nil
	}
	n, err := strconv.Atoi(cmd[2])
	if err != nil {
		return nil
	}
	keys, argv := cmd[3:3+n], cmd[3+n:]
	var calls []*Call
	add := func(c *Call, row any) {
		c.Step, c.answer = script, words(row)
		calls = append(calls, c)
	}
	switch script {
	case "place":
		add(&Call{Order: argv[0], Print: argv[1]}, rows)
	case "claim":
		for i, row := range rows {
			add(&Call{Order: argv[2+2*i], Owner: argv[0], Lease: ms(argv[1])}, row)
		}
	case "renew":
		for i, row := range rows {
			add(&Call{Order: keys[i][strings.LastIndexByte(keys[i], ':')+1:], Owner: argv[0], Lease: ms(argv[1]), Fence: argv[2+i]}, row)
		}
	case "settle":
		at := 3
		for _, row := range rows {
			add(&Call{Order: argv[at], Owner: argv[1], Fence: argv[at+1]}, row)
			args, err := strconv.Atoi(argv[at+4])
			if err != nil {
				panic(err)
			}
			at += 5 + args
		}
	case "release":
		for i, row := range rows {
			add(&Call{Order: argv[3+3*i], Owner: argv[1], Fence: argv[4+3*i]}, row)
		}
	case "deadletter":
		add(&Call{Order: argv[1]}, rows)
	}
	return calls
}

func ms(text string) time.Duration {
	n, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return time.Duration(n) * time.Millisecond
}

func words(v any) []string {
	row, ok := v.([]any)
	if !ok {
		row = []any{v}
	}
	w := make([]string, len(row))
	for i, x := range row {
		switch x := x.(type) {
		case string:
			w[i] = x
		case int64:
			w[i] = strconv.FormatInt(x, 10)
		}
	}
	return w
}
