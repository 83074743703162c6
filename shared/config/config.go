// Package config reads a program's settings from its environment variables into
// a struct with tags of github.com/caarlos0/env, and reports all that is wrong
// at once, by variable.
package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Load fills a T from the variables, given as NAME=value.
func Load[T any](environ []string) (T, error) {
	c, err := env.ParseAsWithOptions[T](env.Options{Environment: env.ToMap(environ)})
	if err == nil {
		return c, nil
	}
	names := variables(reflect.TypeFor[T](), map[string]string{})
	var all env.AggregateError
	if !errors.As(err, &all) {
		return c, fmt.Errorf("config: %w", err)
	}
	problems := make([]string, len(all.Errors))
	for i, e := range all.Errors {
		problems[i] = describe(e, names)
	}
	return c, fmt.Errorf("config: %s", strings.Join(problems, "; "))
}

func describe(err error, names map[string]string) string {
	var parse env.ParseError
	var missing env.VarIsNotSetError
	var empty env.EmptyVarError
	switch {
	case errors.As(err, &parse):
		return fmt.Sprintf("%s: %v", names[parse.Name], parse.Err)
	case errors.As(err, &missing):
		return missing.Key + ": is not set"
	case errors.As(err, &empty):
		return empty.Key + ": is empty"
	default:
		return err.Error()
	}
}

// variables maps the names of fields to those of their variables.
func variables(t reflect.Type, names map[string]string) map[string]string {
	for i := range t.NumField() {
		f := t.Field(i)
		if name, _, _ := strings.Cut(f.Tag.Get("env"), ","); name != "" {
			names[f.Name] = name
		} else if f.Type.Kind() == reflect.Struct {
			variables(f.Type, names)
		}
	}
	return names
}
