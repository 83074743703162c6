package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"photofinish/localdev/emulator"
)

// terminal returns the file of a writer that is a terminal, else nil.
func terminal(w io.Writer) *os.File {
	if f, ok := w.(*os.File); ok && term.IsTerminal(int(f.Fd())) {
		return f
	}
	return nil
}

// printer prints the lines of functions and services, one at a time.
type printer struct {
	mu     sync.Mutex
	w      io.Writer
	mode   string // pretty, json or off
	colour bool
}

func newPrinter(w io.Writer, mode string) (*printer, error) {
	p := &printer{w: w, mode: mode, colour: terminal(w) != nil && os.Getenv("NO_COLOR") == ""}
	switch {
	case mode == "auto" && terminal(w) != nil:
		p.mode = "pretty"
	case mode == "auto":
		p.mode = "json"
	case mode != "pretty" && mode != "json" && mode != "off":
		return nil, fmt.Errorf("--logs %s: has to be auto, pretty, json or off", mode)
	}
	return p, nil
}

// print prints a line. What the platform says of a function is left out: it is
// on the page. So are metrics where people read: they are for CloudWatch.
func (p *printer) print(l emulator.Line) {
	if p.mode == "off" || l.Platform || p.mode == "pretty" && strings.Contains(l.Text, `"CloudWatchMetrics":[`) {
		return
	}
	text := l.Text + "\n"
	if p.mode == "pretty" {
		text = p.pretty(l)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = io.WriteString(p.w, text) // nobody is left to tell
}

// pretty writes a JSON line as its message and attributes, in the order in which
// they came. What is on every line is shown once, before it.
func (p *printer) pretty(l emulator.Line) string {
	source := strings.ToLower(strings.TrimSuffix(l.Source, "Function"))
	head := fmt.Sprintf("%s %s ", l.Time.Local().Format("15:04:05.000"), p.paint(source, fmt.Sprintf("%-9s %6s", source, short(l.Environment))))
	pairs, ok := fields([]byte(l.Text))
	if !ok {
		return head + printable(l.Text) + "\n"
	}
	var message, level string
	var rest []string
	for _, f := range pairs {
		switch f.name {
		case "msg":
			message = f.value
		case "level":
			level = f.value
		case "time", "function", "requestId", "warehouse", "bridge":
		default:
			rest = append(rest, f.name+"="+f.value)
		}
	}
	if level == "WARN" || level == "ERROR" {
		message = p.paint(level, level+" "+message)
	} else if message == "won" {
		message = p.paint("won", message)
	}
	return head + message + " " + strings.Join(rest, " ") + "\n"
}

// short is how an execution environment is called: by the end of its id, with
// which its log stream's name ends and a contender's name begins.
func short(environment string) string { return environment[max(0, len(environment)-6):] }

type field struct{ name, value string }

// fields reads a JSON object without nested values into its fields, in order.
func fields(line []byte) ([]field, bool) {
	dec := json.NewDecoder(bytes.NewReader(line))
	dec.UseNumber()
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, false
	}
	var all []field
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			return nil, false
		}
		var value json.RawMessage
		if dec.Decode(&value) != nil {
			return nil, false
		}
		text := string(value)
		var s string
		if json.Unmarshal(value, &s) == nil {
			if text = printable(s); strings.ContainsAny(s, " \t\"=") && name != "msg" {
				text = fmt.Sprintf("%q", s)
			}
		}
		all = append(all, field{fmt.Sprint(name), text})
	}
	return all, true
}

// printable takes out what could command the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\t' || r == 0x7f {
			return '·'
		}
		return r
	}, s)
}

func (p *printer) paint(what, text string) string {
	if !p.colour {
		return text
	}
	colours := map[string]int{"order": 36, "stock": 34, "inventory": 33, "bridge": 35, "won": 32, "WARN": 33, "ERROR": 31}
	code, ok := colours[what]
	if !ok {
		code = 37
	}
	return fmt.Sprintf("\x1b[%dm%s\x1b[0m", code, text)
}

// steps shows what the start is doing: a bar on a terminal, else a line each.
type steps struct {
	w   io.Writer
	bar *progressbar.ProgressBar
}

func newSteps(w io.Writer) *steps {
	s := &steps{w: w}
	if terminal(w) != nil {
		s.bar = progressbar.NewOptions(-1,
			progressbar.OptionSetWriter(w), progressbar.OptionSetDescription("building the functions"),
			progressbar.OptionSetWidth(20), progressbar.OptionClearOnFinish(), progressbar.OptionShowCount(),
			progressbar.OptionThrottle(50*time.Millisecond))
	}
	return s
}

func (s *steps) show(step emulator.Step) {
	if s.bar == nil {
		fmt.Fprintf(s.w, "%-5s %s (%s)\n", step.Name, step.Text, step.Took.Round(time.Millisecond))
		return
	}
	if step.Total > 0 {
		s.bar.ChangeMax(step.Total)
		_ = s.bar.Set(step.Done)
	}
	s.bar.Describe(step.Name + " " + step.Text)
}

func (s *steps) end() {
	if s.bar != nil {
		_ = s.bar.Finish()
	}
}

func banner(w io.Writer, e *emulator.Emulator, page string, took time.Duration) {
	fmt.Fprintf(w, "\nup in %s\n\n", took.Round(10*time.Millisecond))
	if e.URL() != "" {
		fmt.Fprintf(w, "  API      %s\n", e.URL())
	}
	fmt.Fprintf(w, "  Lambda   %s\n", e.LambdaURL())
	fmt.Fprintf(w, "  Page     http://%s\n", page)
	fmt.Fprintf(w, "  Redis    %s (%s)\n", e.Redis.Addr(), e.Redis.Kind())
	if lacks := e.Redis.Lacks(); lacks != "" {
		fmt.Fprintf(w, "           %s\n", lacks)
	}
	if serves(e, "POST", "/orders") {
		fmt.Fprintf(w, "\n  curl --json '{\"orderId\":\"29\",\"items\":[{\"id\":\"001\",\"quantity\":2},{\"id\":\"002\",\"quantity\":1}]}' %s/orders\n", e.URL())
	}
	fmt.Fprint(w, "\nCtrl-C stops everything.\n\n")
}
