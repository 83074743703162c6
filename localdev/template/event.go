package template

import "slices"

// events reads the events of a function: routes and schedules.
func (s scope) events(fn *Function, props *node) {
	f, v := s.field(props, "Events")
	if v == nil {
		return
	}
	m, ok := f.of(v, kindMapping)
	if !ok {
		return
	}
	for i, k := range m.keys {
		e := f.at(k.name)
		body, ok := e.of(m.items[i], kindMapping)
		if !ok {
			continue
		}
		e.known(body, []string{"Properties", "Type"})
		t, typ := e.field(body, "Type")
		if typ == nil {
			t.fail(k.line, "is missing")
			continue
		}
		name, ok := t.static(typ)
		if !ok {
			continue
		}
		p, properties := e.field(body, "Properties")
		if properties == nil {
			properties = &node{kind: kindMapping, line: k.line}
		} else if properties, ok = p.of(properties, kindMapping); !ok {
			continue
		}
		switch name {
		case "HttpApi":
			e.httpAPI(fn, k.line, properties)
		case "Schedule", "ScheduleV2":
			e.schedule(fn, k, name, properties)
		default:
			t.otherEvent(typ.line, name)
		}
	}
}

func (s scope) otherEvent(line int, name string) {
	known := []string{"AlexaSkill", "Api", "CloudWatchEvent", "CloudWatchLogs", "Cognito", "DocumentDB", "DynamoDB", "EventBridgeRule",
		"HttpApi", "IoTRule", "Kinesis", "MQ", "MSK", "S3", "SNS", "SQS", "Schedule", "ScheduleV2", "SelfManagedKafka"}
	switch {
	case !slices.Contains(known, name):
		s.fail(line, "there is no event type %s%s", name, s.didYouMean(name, slices.Values(known)))
	case name == "Api":
		s.refuse(line, "Api is not supported: it is a route of a REST API; use HttpApi")
	default:
		s.refuse(line, "%s is not supported: no such events happen locally", name)
	}
}

// apiOf finds the API a route belongs to: the one ApiId refers to, or the
// implicit one.
func (s scope) apiOf(props *node) (id string, ok bool) {
	s = s.at("ApiId")
	n := props.get("ApiId")
	for n != nil {
		function, arg, is := n.intrinsic()
		if !is || function != "Fn::If" {
			break
		}
		if n, ok = s.branch(arg); !ok {
			return "", false
		}
	}
	if n == nil {
		return implicitAPI, true
	}
	if function, arg, is := n.intrinsic(); is && function == "Ref" {
		id, ok = s.literal(arg, "Ref")
	} else if n.kind == kindText {
		id, ok = n.text, true
	} else {
		s.refuse(n.line, "must be Ref of an AWS::Serverless::HttpApi of this template; the route is left out")
	}
	if !ok {
		return "", false
	}
	if id == "AWS::NoValue" || id == implicitAPI && s.resources[id] == nil && s.hasImplicitAPI() {
		return implicitAPI, true
	}
	if s.parameters[id] != nil {
		s.refuse(n.line, "parameter %s names an API outside this template; the route is left out", id)
		return "", false
	}
	if s.resources[id] == nil {
		s.fail(n.line, "there is no API %s%s", id, s.didYouMean(id, slices.Values(s.apiIDs())))
		return "", false
	}
	res := s.target(n.line, id)
	if res == nil {
		return "", false
	}
	if res.role == roleAPI {
		return id, true
	}
	s.refuse(n.line, "%s is of type %s, and routes need an AWS::Serverless::HttpApi; the route is left out", id, res.typ)
	return "", false
}

func (r *resolver) apiIDs() (ids []string) {
	for _, res := range r.order {
		if res.role == roleAPI {
			ids = append(ids, res.id)
		}
	}
	return ids
}

// hasImplicitAPI says whether SAM makes the implicit API: some event of type
// HttpApi names no other.
func (r *resolver) hasImplicitAPI() bool {
	for _, res := range r.order {
		if res.role != roleFunction {
			continue
		}
		events := res.body.get("Properties").get("Events")
		for i := range events.entries() {
			e := events.items[i]
			if typ := e.get("Type"); typ != nil && typ.text == "HttpApi" && e.get("Properties").get("ApiId") == nil {
				return true
			}
		}
	}
	return false
}
