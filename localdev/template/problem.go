package template

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxProblems bounds what one run reports; nobody reads more, and a hostile
// template could otherwise produce one for every few bytes.
const maxProblems = 200

// Problem is one thing in a template that keeps it from running locally or,
// as a warning, makes it run differently from a deployment.
type Problem struct {
	File     string // as given to Parse or ReadConfig
	Line     int    // 1-based; 0 if it belongs to no line
	Resource string // logical id, or the section of the template; may be empty
	Property string // path below Resource, such as "Environment.Variables.A"; may be empty
	Reason   string
}

// Error gives "file:line: Resource.Property: reason".
func (p Problem) Error() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	where := p.Resource
	if p.Property != "" {
		where = strings.TrimPrefix(where+"."+p.Property, ".")
	}
	if where != "" {
		b.WriteString(": " + where)
	}
	b.WriteString(": " + p.Reason)
	return b.String()
}

// Problems is every problem found in one run, in the order of their lines.
type Problems []Problem

// Error gives one line for each problem.
func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap lets errors.As find a Problem.
func (ps Problems) Unwrap() []error {
	errs := make([]error, len(ps))
	for i, p := range ps {
		errs[i] = p
	}
	return errs
}

// report collects the problems and warnings of one run.
type report struct {
	file     string
	problems heap
	warnings heap
	seen     map[Problem]bool
}

// heap holds at most maxProblems.
type heap struct {
	kept    Problems
	dropped int
}

func (r *report) add(p Problem)  { r.put(&r.problems, p) }
func (r *report) warn(p Problem) { r.put(&r.warnings, p) }

// put keeps a problem unless the same one is known. A value from Globals is
// evaluated for every function; what is wrong with it is one problem.
func (r *report) put(to *heap, p Problem) {
	same := p
	if p.Line > 0 {
		same.Resource = ""
	}
	if r.seen[same] {
		return
	}
	if to.full() {
		to.dropped++
		return
	}
	if r.seen == nil {
		r.seen = make(map[Problem]bool)
	}
	r.seen[same] = true
	p.File = r.file
	to.kept = append(to.kept, p)
}

func (h *heap) full() bool { return len(h.kept) >= maxProblems }

// sorted gives what was kept by line, and says how many were not.
func (h *heap) sorted(file, what string) Problems {
	slices.SortStableFunc(h.kept, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), strings.Compare(a.Resource, b.Resource), strings.Compare(a.Property, b.Property))
	})
	if h.dropped > 0 {
		return append(h.kept, Problem{File: file, Reason: fmt.Sprintf("%d more %s are not shown", h.dropped, what)})
	}
	return h.kept
}

// err is nil, or the Problems.
func (r *report) err() error {
	if len(r.problems.kept) == 0 {
		return nil
	}
	return r.problems.sorted(r.file, "problems")
}
