package template

import (
	"regexp"
	"slices"
	"strings"
)

var stageName = regexp.MustCompile(`^(\$default|[A-Za-z0-9_-]{1,128})$`)

// apis resolves every HTTP API whose condition holds, and the implicit one if
// any route belongs to it.
func (r *resolver) apis() []API {
	var out []API
	for _, res := range r.order {
		s := r.in(res.id)
		if res.role != roleAPI {
			continue
		}
		if present, ok := s.present(res); ok && present {
			out = append(out, s.api(res))
		}
	}
	if routes := r.routes[implicitAPI]; len(routes) > 0 && r.resources[implicitAPI] == nil {
		out = append(out, r.in(implicitAPI).api(r.implicit()))
	}
	return out
}

// implicit is the resource that SAM makes for routes without an API.
func (r *resolver) implicit() *resource {
	line := r.routes[implicitAPI][0].Line
	return &resource{id: implicitAPI, typ: "AWS::Serverless::HttpApi", line: line, role: roleAPI, body: &node{kind: kindMapping, line: line}}
}

func (s scope) api(res *resource) API {
	s.checkProperties(res)
	props := s.properties(res)
	api := API{LogicalID: res.id, ID: apiID(res.id), Stage: "$default", Routes: s.routes[res.id], Line: res.line}
	if f, v := s.field(props, "StageName"); v != nil {
		stage, ok := f.static(v)
		if ok && !stageName.MatchString(stage) {
			f.fail(v.line, "%q is not a stage name: $default, or letters, digits, - and _", stage)
		}
		api.Stage = stage
	}
	if f, v := s.field(props, "StageVariables"); v != nil {
		if m, ok := f.of(v, kindMapping); ok {
			api.StageVariables = make(map[string]string)
			for i, k := range m.keys {
				if value, ok := f.at(k.name).static(m.items[i]); ok {
					api.StageVariables[k.name] = value
				}
			}
		}
	}
	if f, v := s.field(props, "CorsConfiguration"); v != nil {
		api.CORS = f.cors(v)
	}
	return api
}

// cors reads a CorsConfiguration: a mapping, or true for any origin.
func (s scope) cors(v *node) *CORS {
	switch v.kind {
	case kindText:
		if strings.EqualFold(v.text, "false") {
			return nil
		}
		if strings.EqualFold(v.text, "true") {
			return &CORS{AllowOrigins: []string{"*"}}
		}
		s.fail(v.line, "must be true, false or a mapping, not %q", v.text)
		return nil
	case kindMapping:
	default:
		s.of(v, kindMapping)
		return nil
	}
	s.known(v, []string{"AllowCredentials", "AllowHeaders", "AllowMethods", "AllowOrigins", "ExposeHeaders", "MaxAge"})
	c := &CORS{}
	for name, to := range map[string]*[]string{
		"AllowOrigins": &c.AllowOrigins, "AllowMethods": &c.AllowMethods,
		"AllowHeaders": &c.AllowHeaders, "ExposeHeaders": &c.ExposeHeaders,
	} {
		if f, item := s.field(v, name); item != nil {
			*to, _ = f.texts(item)
		}
	}
	for i, method := range c.AllowMethods {
		c.AllowMethods[i] = strings.ToUpper(method)
	}
	if f, item := s.field(v, "MaxAge"); item != nil {
		if n, ok := f.integer(item, -1, 86_400); ok {
			c.MaxAge = &n
		}
	}
	if f, item := s.field(v, "AllowCredentials"); item != nil {
		c.AllowCredentials, _ = f.boolean(item)
		if c.AllowCredentials && (slices.Contains(c.AllowOrigins, "*") || len(c.AllowOrigins) == 0) {
			f.fail(item.line, "AllowCredentials needs AllowOrigins without *")
		}
	}
	return c
}
