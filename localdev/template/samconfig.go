package template

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"
)

// Config is what the emulator takes from a samconfig.toml.
type Config struct {
	// Parameters are the parameter_overrides. Nil if there are none.
	Parameters map[string]string
}

// ReadConfig reads the parameter_overrides of an environment ("default" if env
// is empty) from a samconfig.toml: those of local_start_api, or else the
// global ones. A missing file gives an empty Config; a malformed one gives a
// Problem with its line. An environment other than "default" must exist.
func ReadConfig(path, env string) (Config, error) {
	data, err := readFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{}, nil
	}
	if err != nil {
		return Config{}, err
	}
	return readConfig(path, env, data)
}

func readConfig(path, env string, data []byte) (Config, error) {
	var environments map[string]any
	if _, err := toml.Decode(string(data), &environments); err != nil {
		p := Problem{File: path, Reason: err.Error()}
		if parse := new(toml.ParseError); errors.As(err, parse) {
			p.Line, p.Reason = parse.Position.Line, parse.Message
		}
		return Config{}, p
	}
	if env == "" {
		env = "default"
	}
	environment, ok := environments[env].(map[string]any)
	if !ok {
		if env == "default" && environments[env] == nil {
			return Config{}, nil
		}
		known := slices.DeleteFunc(slices.Sorted(maps.Keys(environments)), func(name string) bool { return name == "version" })
		return Config{}, Problem{File: path, Reason: fmt.Sprintf("there is no environment %s; the file has: %s%s", env, listed(known), didYouMean(env, known))}
	}
	for _, command := range []string{"local_start_api", "global"} {
		section, _ := environment[command].(map[string]any)
		parameters, _ := section["parameters"].(map[string]any)
		overrides, ok := parameters["parameter_overrides"]
		if !ok {
			continue
		}
		values, err := overrideValues(overrides)
		if err != nil {
			return Config{}, Problem{
				File:     path,
				Line:     overridesLine(data, env, command),
				Resource: env + "." + command + ".parameters",
				Property: "parameter_overrides",
				Reason:   err.Error(),
			}
		}
		return Config{Parameters: values}, nil
	}
	return Config{}, nil
}

// overridesLine finds the line of the overrides: the decoder does not tell. It
// is the first one to name them below the header of their table.
func overridesLine(data []byte, env, command string) int {
	header := "[" + env + "." + command
	found := 0
	inside := false
	for i, line := range bytes.Split(data, []byte("\n")) {
		t := strings.ReplaceAll(string(bytes.TrimSpace(line)), " ", "")
		if strings.HasPrefix(t, "[") {
			inside = strings.HasPrefix(t, header)
		}
		if strings.Contains(t, "parameter_overrides") {
			if inside {
				return i + 1
			}
			if found == 0 {
				found = i + 1
			}
		}
	}
	return found
}

// overrideValues reads parameter_overrides in any of its forms: text, a list
// of texts, or a table.
func overrideValues(v any) (map[string]string, error) {
	out := make(map[string]string)
	switch v := v.(type) {
	case string:
		return out, parseOverrides(v, out)
	case []any:
		for _, item := range v {
			t, ok := item.(string)
			if !ok {
				return nil, fmt.Errorf("a list of overrides has elements such as \"Name=value\", not %v", item)
			}
			if err := parseOverrides(t, out); err != nil {
				return nil, err
			}
		}
		return out, nil
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			value, ok := overrideText(v[name])
			if !ok {
				return nil, fmt.Errorf("the value of %s must be text, a number, a boolean or a list of them", name)
			}
			out[name] = value
		}
		return out, nil
	}
	return nil, fmt.Errorf("must be text, a list or a table, not %v", v)
}

func overrideText(v any) (string, bool) {
	switch v := v.(type) {
	case string:
		return v, true
	case bool:
		return strconv.FormatBool(v), true
	case int64:
		return strconv.FormatInt(v, 10), true
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), true
	case []any:
		parts := make([]string, len(v))
		for i, item := range v {
			if _, nested := item.([]any); nested {
				return "", false
			}
			part, ok := overrideText(item)
			if !ok {
				return "", false
			}
			parts[i] = part
		}
		return strings.Join(parts, ","), true
	}
	return "", false
}
