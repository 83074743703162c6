package template

import (
	"cmp"
	"fmt"
	"iter"
	"strings"
)

// Options are the facts of an emulator that a template may refer to.
type Options struct {
	// Parameters overrides defaults. A name the template does not declare is
	// an error.
	Parameters map[string]string
	// Cache is what the endpoint attributes of ElastiCache and MemoryDB
	// resources give.
	Cache Endpoint

	Region    string // us-east-1 if empty
	AccountID string // 123456789012 if empty
	StackName string // local if empty

	// Lenient turns what the emulator does not support into warnings, and
	// leaves it out. What CloudFormation would refuse stays an error.
	Lenient bool
}

// Endpoint is where a server listens.
type Endpoint struct {
	Host string
	Port int
}

// maxWork bounds the evaluation of a template, in nodes visited and bytes of
// text made. A template at CloudFormation's limits needs a fraction of it.
const maxWork = 16 << 20

// Resolve evaluates the template. The error is a Problems with everything
// that is wrong; App is then nil.
func (t *Template) Resolve(o Options) (*App, error) {
	o.Region = cmp.Or(o.Region, "us-east-1")
	o.AccountID = cmp.Or(o.AccountID, "123456789012")
	o.StackName = cmp.Or(o.StackName, "local")
	r := &resolver{
		Options:    o,
		dir:        t.dir,
		root:       t.root,
		report:     &report{file: t.path},
		work:       maxWork,
		hints:      maxWork,
		parameters: make(map[string]*parameter),
		conditions: make(map[string]*condition),
		resources:  make(map[string]*resource),
		routes:     make(map[string][]Route),
	}
	app := &App{Path: t.path, Dir: t.dir}
	r.readSections()
	r.readParameters()
	r.readConditions()
	r.readResources()
	r.readGlobals()
	app.Functions = r.functions()
	app.APIs = r.apis()
	r.checkCallers()
	r.checkCycles()
	if err := r.report.err(); err != nil {
		return nil, err
	}
	app.Warnings = r.report.warnings.sorted(r.report.file, "warnings")
	return app, nil
}

// resolver is the state of one run.
type resolver struct {
	Options
	dir    string
	root   *node
	report *report
	work   int // left to spend
	hints  int // left to spend on looking for names that resemble others

	parameters map[string]*parameter
	conditions map[string]*condition
	resources  map[string]*resource
	order      []*resource
	globals    map[string]*node // resource type → properties

	routes map[string][]Route // logical id of the API → routes
}

// scope is the place in the template on whose behalf values are evaluated:
// problems are reported against it.
type scope struct {
	*resolver
	resource string
	property string
	muted    bool // evaluate without reporting

	noResources bool // values here cannot refer to resources
}

func (r *resolver) in(resource string) scope { return scope{resolver: r, resource: resource} }

// at is the scope of a property below s.
func (s scope) at(property string) scope {
	if s.property != "" {
		property = s.property + "." + property
	}
	s.property = property
	return s
}

// fail reports what no emulator could run, and CloudFormation would refuse.
func (s scope) fail(line int, format string, args ...any) {
	if !s.muted {
		s.report.add(s.problem(line, format, args...))
	}
}

// refuse reports what this emulator does not support: a problem, or a warning
// if it was asked to be lenient.
func (s scope) refuse(line int, format string, args ...any) {
	if s.Lenient {
		s.warn(line, format, args...)
		return
	}
	s.fail(line, format, args...)
}

// warn reports what runs, but not as it would when deployed.
func (s scope) warn(line int, format string, args ...any) {
	if !s.muted {
		s.report.warn(s.problem(line, format, args...))
	}
}

func (s scope) problem(line int, format string, args ...any) Problem {
	const longest = 500 // a reason may quote the template
	reason := fmt.Sprintf(format, args...)
	if len(reason) > longest {
		reason = strings.ToValidUTF8(reason[:longest], "") + "…"
	}
	return Problem{Line: line, Resource: s.resource, Property: s.property, Reason: reason}
}

// didYouMean is the hint at a known name, as long as looking for it is cheap.
func (r *resolver) didYouMean(word string, known iter.Seq[string]) string {
	if r.hints <= 0 {
		return ""
	}
	hint, cost := nearest(word, known)
	r.hints -= cost
	return hint
}

// spend takes work from the budget. It reports, once, that nothing is left.
func (s scope) spend(line, work int) bool {
	if s.work <= 0 {
		return false
	}
	if s.work -= work; s.work <= 0 {
		s.report.add(s.problem(line, "evaluating the template takes too much work; it repeats itself through aliases or intrinsic functions"))
		return false
	}
	return true
}
