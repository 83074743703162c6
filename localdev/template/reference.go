package template

import (
	"crypto/sha256"
	"encoding/base32"
	"slices"
	"strings"
)

// implicitAPI is the logical id SAM gives to the API that takes the HttpApi
// events without an ApiId.
const implicitAPI = "ServerlessHttpApi"

// ref evaluates Ref: a pseudo parameter, a parameter or a resource.
func (s scope) ref(line int, name string) *node {
	if pseudo, ok := strings.CutPrefix(name, "AWS::"); ok {
		return s.pseudo(line, pseudo)
	}
	if p := s.parameters[name]; p != nil {
		return s.parameterValue(line, p)
	}
	if s.isVersioned(name) {
		return s.versionRef(line, name)
	}
	if name == implicitAPI && s.resources[name] == nil && s.hasImplicitAPI() {
		return newText(line, apiID(name))
	}
	res := s.target(line, name)
	if res == nil {
		return newBroken(line)
	}
	switch res.role {
	case roleFunction:
		if fn, ok := s.functionName(res); ok {
			return s.made(line, fn)
		}
		return newBroken(line)
	case roleAPI:
		return newText(line, apiID(res.id))
	}
	s.warn(line, "Ref of %s (%s) has no local value; it is %q here", res.id, res.typ, res.id)
	return newText(line, res.id)
}

// attribute reads the argument of Fn::GetAtt: A.B or [A, B].
func (s scope) attribute(arg *node) (resource, attribute string, ok bool) {
	if arg.kind == kindText {
		resource, attribute, ok = strings.Cut(arg.text, ".")
		if !ok {
			s.fail(arg.line, "Fn::GetAtt takes Resource.Attribute, not %q", arg.text)
		}
		return resource, attribute, ok
	}
	args, ok := s.arguments(arg, "Fn::GetAtt", "Resource.Attribute, or [resource, attribute]", 2, 2)
	if !ok {
		return "", "", false
	}
	resource, ok = s.literal(args[0], "the first argument of Fn::GetAtt")
	if !ok {
		return "", "", false
	}
	attribute, ok = s.text(args[1])
	return resource, attribute, ok
}

// getAtt evaluates Fn::GetAtt.
func (s scope) getAtt(line int, name, attribute string) *node {
	if name == implicitAPI && s.resources[name] == nil && s.hasImplicitAPI() {
		return s.apiAttribute(line, name, attribute)
	}
	res := s.target(line, name)
	if res == nil {
		return newBroken(line)
	}
	switch res.role {
	case roleFunction:
		if attribute != "Arn" {
			s.fail(line, "a function has no attribute %s%s", attribute, s.didYouMean(attribute, slices.Values([]string{"Arn"})))
			return newBroken(line)
		}
		return s.functionARN(line, res, "")
	case roleAPI:
		return s.apiAttribute(line, res.id, attribute)
	}
	if endpoints := cacheEndpoints(res.typ); endpoints != nil {
		if slices.Contains(endpoints, attribute) {
			return s.cacheEndpoint(line, res, attribute)
		}
		if strings.Contains(strings.ToLower(attribute), "endpoint") {
			s.fail(line, "%s has no attribute %s%s", res.typ, attribute, s.didYouMean(attribute, slices.Values(endpoints)))
			return newBroken(line)
		}
	}
	placeholder := "local-" + res.id + "-" + strings.ReplaceAll(attribute, ".", "-")
	s.warn(line, "attribute %s of %s (%s) has no local value; it is %q here", attribute, res.id, res.typ, placeholder)
	return s.made(line, placeholder)
}

// target finds the resource that a reference names, and reports if it does
// not exist.
func (s scope) target(line int, name string) *resource {
	res := s.resources[name]
	if res == nil && strings.HasSuffix(name, "Role") {
		// SAM makes a role for every function, by this name.
		if fn := s.resources[strings.TrimSuffix(name, "Role")]; fn != nil && fn.role == roleFunction {
			return &resource{id: name, typ: "AWS::IAM::Role", line: fn.line}
		}
	}
	if res == nil {
		s.fail(line, "there is no parameter or resource %s%s", name, s.didYouMean(name, s.referable))
		return nil
	}
	if s.noResources {
		s.fail(line, "conditions cannot refer to resources such as %s", name)
		return nil
	}
	present, ok := s.present(res)
	if ok && !present {
		s.fail(line, "%s does not exist: its condition %s is false", name, res.condition.text)
	}
	if !ok || !present {
		return nil
	}
	return res
}

// referable yields the names a reference can have, pseudo parameters aside.
func (r *resolver) referable(yield func(string) bool) {
	for name := range r.parameters {
		if !yield(name) {
			return
		}
	}
	for _, res := range r.order {
		if !yield(res.id) {
			return
		}
	}
}

// isVersioned says whether name is what SAM lets a template write for the
// published alias or version of a function, such as "MyFunction.Alias".
func (r *resolver) isVersioned(name string) bool {
	id, suffix, ok := strings.Cut(name, ".")
	if !ok || (suffix != "Alias" && suffix != "Version") {
		return false
	}
	res := r.resources[id]
	return res != nil && res.role == roleFunction
}

func (s scope) versionRef(line int, name string) *node {
	id, suffix, _ := strings.Cut(name, ".")
	res := s.target(line, id)
	if res == nil {
		return newBroken(line)
	}
	_, alias := s.field(s.properties(res), "AutoPublishAlias")
	if alias == nil {
		s.fail(line, "%s needs AutoPublishAlias on %s", name, id)
		return newBroken(line)
	}
	if suffix == "Version" {
		return s.unsupported(line, "%s: functions have no published versions locally", name)
	}
	if qualifier, ok := s.text(alias); ok {
		return s.functionARN(line, res, ":"+qualifier)
	}
	return newBroken(line)
}

func (s scope) functionARN(line int, res *resource, qualifier string) *node {
	name, ok := s.functionName(res)
	if !ok {
		return newBroken(line)
	}
	return s.made(line, "arn:"+s.partition()+":lambda:"+s.Region+":"+s.AccountID+":function:"+name+qualifier)
}

func (s scope) apiAttribute(line int, id, attribute string) *node {
	switch attribute {
	case "ApiId":
		return newText(line, apiID(id))
	case "ApiEndpoint":
		endpoint := "https://" + apiID(id) + ".execute-api." + s.Region + "." + s.urlSuffix()
		s.warn(line, "attribute ApiEndpoint of %s is %q here, and nothing answers there", id, endpoint)
		return s.made(line, endpoint)
	}
	s.fail(line, "an HTTP API has no attribute %s%s", attribute, s.didYouMean(attribute, slices.Values([]string{"ApiEndpoint", "ApiId"})))
	return newBroken(line)
}

// apiID derives the id of an API from its logical id, so that it stays the
// same from run to run.
func apiID(logicalID string) string {
	sum := sha256.Sum256([]byte(logicalID))
	return strings.ToLower(base32.StdEncoding.EncodeToString(sum[:]))[:10]
}
