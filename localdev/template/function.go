package template

import (
	"regexp"
	"time"
)

var functionNameRule = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// functions resolves every function whose condition holds.
func (r *resolver) functions() []Function {
	var out []Function
	named := make(map[string]string)
	for _, res := range r.order {
		s := r.in(res.id)
		if res.role != roleFunction {
			continue
		}
		if present, ok := s.present(res); !ok || !present {
			continue
		}
		fn, runs := s.function(res)
		if !runs {
			if r.Lenient {
				s.warn(res.line, "the function is left out")
			}
			continue
		}
		if other := named[fn.Name]; other != "" {
			s.at("FunctionName").fail(res.line, "%s already has the name %s", other, fn.Name)
		}
		named[fn.Name] = fn.LogicalID
		out = append(out, fn)
	}
	return out
}

// function resolves one function; runs is false if the emulator cannot run
// it, which has been reported.
func (s scope) function(res *resource) (fn Function, runs bool) {
	s.checkProperties(res)
	props := s.properties(res)
	fn = Function{
		LogicalID:          res.id,
		Line:               res.line,
		Architecture:       "x86_64",
		Timeout:            3 * time.Second,
		MemoryMB:           128,
		EphemeralStorageMB: 512,
		Service:            s.runsAsService(res.body),
	}
	fn.Name, _ = s.functionName(res)
	runs = s.code(&fn, props) && s.build(&fn, res)
	s.sizes(&fn, props)
	s.environment(&fn, props)
	s.invokeConfig(fn, props)
	if runs || !s.Lenient {
		s.events(&fn, props)
	}
	return fn, runs
}

// functionName is the name a function is invoked by. It is evaluated once, on
// demand, since other resources may refer to it.
func (s scope) functionName(res *resource) (string, bool) {
	switch res.nameState {
	case evaluating:
		s.fail(res.line, "the FunctionName of %s depends on itself", res.id)
		return "", false
	case evaluated:
		return res.name, res.nameOK
	}
	res.nameState = evaluating
	res.name, res.nameOK = res.id, true
	if f, v := s.in(res.id).field(s.properties(res), "FunctionName"); v != nil {
		res.name, res.nameOK = f.static(v)
		if res.nameOK && !functionNameRule.MatchString(res.name) {
			f.fail(v.line, "%q is not a function name: 1 to 64 letters, digits, - and _", res.name)
			res.nameOK = false
		}
	}
	res.nameState = evaluated
	return res.name, res.nameOK
}

// runsAsService reads "Metadata: Localdev: {Run: service}".
func (s scope) runsAsService(body *node) bool {
	f, m := s.field(body, "Metadata")
	if m == nil {
		return false
	}
	l, localdev := f.fields(m, "Localdev", "Run")
	if localdev == nil {
		return false
	}
	run, v := l.field(localdev, "Run")
	if v == nil {
		return false
	}
	_, ok := run.oneOf(v, "service")
	return ok
}

func (s scope) sizes(fn *Function, props *node) {
	if f, v := s.field(props, "Timeout"); v != nil {
		if n, ok := f.integer(v, 1, 900); ok {
			fn.Timeout = time.Duration(n) * time.Second
		}
	}
	if f, v := s.field(props, "MemorySize"); v != nil {
		if n, ok := f.integer(v, 128, 10240); ok {
			fn.MemoryMB = n
		}
	}
	if f, v := s.field(props, "ReservedConcurrentExecutions"); v != nil {
		if n, ok := f.integer(v, 0, 1_000_000); ok {
			fn.ReservedConcurrency = &n
		}
	}
	if f, m := s.fields(props, "EphemeralStorage", "Size"); m != nil {
		size, v := f.field(m, "Size")
		if v == nil {
			size.fail(m.line, "is missing")
		} else if n, ok := size.integer(v, 512, 10240); ok {
			fn.EphemeralStorageMB = n
		}
	}
}

// invokeConfig refuses settings for asynchronous invocations. A service gets
// none, so that only destinations would be missed there.
func (s scope) invokeConfig(fn Function, props *node) {
	f, m := s.fields(props, "EventInvokeConfig", "DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts")
	if m == nil {
		return
	}
	if d, v := f.field(m, "DestinationConfig"); v != nil {
		d.refuse(v.line, "is not supported: the results of asynchronous invocations go nowhere")
		return
	}
	if !fn.Service && len(m.keys) > 0 {
		f.refuse(m.line, "is not supported: the emulator does not apply retry settings to asynchronous invocations")
	}
}
