package template

import "regexp"

var scheduleExpression = regexp.MustCompile(`^(rate\(1 (minute|hour|day)\)|rate\(([2-9]|[1-9][0-9]+) (minutes|hours|days)\)|cron\([^ ()]+( [^ ()]+){5}\))$`)

// The scheduler behind ScheduleV2 is less strict about plurals, and knows
// one-time schedules.
var schedulerExpression = regexp.MustCompile(`^(rate\([1-9][0-9]* (minutes?|hours?|days?)\)|cron\([^ ()]+( [^ ()]+){5}\)|at\([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\))$`)

// schedule reads an event of type Schedule or ScheduleV2. Nothing invokes
// functions on schedule locally; a service runs all the time, and is told.
func (s scope) schedule(fn *Function, k key, typ string, props *node) {
	expression, rule := "Schedule", scheduleExpression
	known := []string{"DeadLetterConfig", "Description", "Enabled", "Input", "Name", "RetryPolicy", "RoleArn", "Schedule", "State"}
	if typ == "ScheduleV2" {
		expression, rule = "ScheduleExpression", schedulerExpression
		known = []string{"DeadLetterConfig", "Description", "EndDate", "FlexibleTimeWindow", "GroupName", "Input", "KmsKeyArn", "Name",
			"OmitName", "PermissionsBoundary", "RetryPolicy", "RoleArn", "ScheduleExpression", "ScheduleExpressionTimezone", "StartDate", "State"}
	}
	s.known(props, known)
	if !fn.Service {
		s.refuse(k.line, "schedules do not invoke functions locally; only a function that runs as a service (Metadata: Localdev: Run: service) may have one")
		return
	}
	out := Schedule{Name: k.name, Enabled: true, Line: k.line}
	f, v := s.field(props, expression)
	if v == nil {
		f.fail(k.line, "is missing")
		return
	}
	var ok bool
	if out.Expression, ok = f.static(v); !ok {
		return
	}
	if !rule.MatchString(out.Expression) {
		f.fail(v.line, "%q is not a schedule: rate(1 minute), rate(5 minutes) or cron(…) with six fields", out.Expression)
		return
	}
	if f, v := s.field(props, "ScheduleExpressionTimezone"); v != nil {
		out.Timezone, _ = f.static(v)
	}
	if f, v := s.field(props, "Input"); v != nil {
		out.Input, _ = f.static(v)
	}
	if f, v := s.field(props, "Enabled"); v != nil {
		out.Enabled, _ = f.boolean(v)
		if s.sets(props, "State") {
			f.fail(v.line, "cannot be set together with State")
		}
	}
	if f, v := s.field(props, "State"); v != nil {
		state, ok := f.oneOf(v, "ENABLED", "DISABLED")
		out.Enabled = ok && state == "ENABLED"
	}
	fn.Schedules = append(fn.Schedules, out)
}
