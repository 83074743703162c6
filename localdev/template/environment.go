package template

import (
	"encoding/json"
	"regexp"
	"strings"
)

// maxEnvironment is Lambda's limit for the variables of a function, which it
// measures as JSON.
const maxEnvironment = 4096

var (
	variableName     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]+$`)
	dynamicReference = regexp.MustCompile(`\{\{resolve:[^}]*\}\}`)
)

// reserved says whether Lambda sets a variable itself and lets no template
// set it.
func reserved(name string) bool {
	switch name {
	case "AWS_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "AWS_DEFAULT_REGION", "AWS_EXECUTION_ENV",
		"AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "AWS_LAMBDA_FUNCTION_NAME", "AWS_LAMBDA_FUNCTION_VERSION", "AWS_LAMBDA_INITIALIZATION_TYPE",
		"AWS_LAMBDA_LOG_GROUP_NAME", "AWS_LAMBDA_LOG_STREAM_NAME", "AWS_LAMBDA_MAX_CONCURRENCY", "AWS_LAMBDA_RUNTIME_API",
		"AWS_REGION", "AWS_SECRET_ACCESS_KEY", "AWS_SECRET_KEY", "AWS_SECURITY_TOKEN",
		"AWS_SESSION_TOKEN", "LAMBDA_RUNTIME_DIR", "LAMBDA_TASK_ROOT":
		return true
	}
	return false
}

// environment evaluates the variables of a function.
func (s scope) environment(fn *Function, props *node) {
	fn.Environment = make(map[string]string)
	f, m := s.fields(props, "Environment", "Variables")
	if m == nil {
		return
	}
	f, v := f.field(m, "Variables")
	if v == nil {
		return
	}
	variables, ok := f.of(v, kindMapping)
	if !ok {
		return
	}
	for i, k := range variables.keys {
		if value, ok := f.at(k.name).variable(k, variables.items[i]); ok {
			fn.Environment[k.name] = value
		}
	}
	measured, err := json.Marshal(fn.Environment)
	if err == nil && len(measured) > maxEnvironment {
		f.fail(fn.Line, "the variables of %s take %d bytes as JSON, and Lambda allows %d", fn.Name, len(measured), maxEnvironment)
	}
}

// variable evaluates one variable; ok is false if there is none.
func (s scope) variable(k key, n *node) (string, bool) {
	switch {
	case reserved(k.name):
		s.fail(k.line, "Lambda reserves this name")
	case !variableName.MatchString(k.name):
		s.fail(k.line, "is not a variable name: a letter, then letters, digits and _, at least 2 characters in all")
	}
	v := s.value(n)
	if v == nil { // AWS::NoValue
		return "", false
	}
	value, ok := s.text(v)
	if !ok || !s.spend(n.line, len(value)) {
		return "", false
	}
	if v.written != "" {
		s.warn(v.line, "%s without quotes is %s in YAML 1.1, and that is what the function receives", v.written, v.text)
	}
	if reference := dynamicReference.FindString(value); reference != "" {
		s.warn(n.line, "is empty here: %s has no value locally", reference)
		return "", true
	}
	if strings.ContainsRune(value, 0) {
		s.fail(n.line, "contains a NUL character, which no environment variable can")
		return "", false
	}
	return value, true
}
