package lambda

import (
	"fmt"
	"regexp"
)

const latest = "$LATEST"

// functionReference matches every form in which a function can be named: name,
// partial ARN, ARN, each with or without a qualifier.
var functionReference = regexp.MustCompile(
	`^(?:arn:aws[a-zA-Z-]*:lambda:)?(?:[a-z]{2}(?:-[a-z]+)+-\d:)?(?:\d{12}:)?(?:function:)?([a-zA-Z0-9-_]+)(?::(\$LATEST|[a-zA-Z0-9-_]+))?$`)

const maxReference = 170 // bytes, of any form

// validationError says that a value breaks the API's own grammar.
type validationError struct {
	value, member string
}

func (e *validationError) Error() string {
	return fmt.Sprintf("1 validation error detected: Value '%s' at '%s' failed to satisfy constraint: Member must satisfy regular expression pattern: %s",
		e.value, e.member, functionReference)
}

// resolve finds the function that a caller means, and its ARN with the
// qualifier if, and as, the caller used one. Region and account are not compared:
// there is only one of each here.
func (s *Service) resolve(reference, qualifier string) (*function, string, error) {
	if f := s.functions[reference]; f != nil && qualifier == "" {
		return f, f.arn, nil
	}
	m := functionReference.FindStringSubmatch(reference)
	if m == nil || len(reference) > maxReference {
		return nil, "", &validationError{reference, "functionName"}
	}
	name := m[1]
	if m[2] != "" && qualifier != "" && m[2] != qualifier {
		return nil, "", &InvalidParameterError{"The derived qualifier from the function name does not match the specified qualifier."}
	}
	if qualifier == "" {
		qualifier = m[2]
	}
	f := s.functions[name]
	if f == nil || qualifier != "" && qualifier != latest {
		if qualifier == "" {
			qualifier = latest
		}
		return nil, "", &NotFoundError{ARN: s.functionARN(name) + ":" + qualifier}
	}
	if qualifier == "" {
		return f, f.arn, nil
	}
	return f, f.arn + ":" + qualifier, nil
}

func (s *Service) functionARN(name string) string {
	return "arn:aws:lambda:" + s.region + ":" + s.account + ":function:" + name
}
