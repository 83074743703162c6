package claim

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Effect is the body of a Lua function that changes Redis for one order. See
// scripts/effect.lua for what it is given and what it has to return.
type Effect struct {
	name string
	body string
}

// NewEffect takes the body of a Lua function. The name shows up in errors.
//
// The body has to check everything before its first write, since Redis does not
// roll a script back, and must use no key but those it is given.
func NewEffect(name, body string) *Effect { return &Effect{name: name, body: body} }

// input checks what an effect is to be given, and makes copies of the arguments. A
// key of another partition would work on one server, and on no cluster.
func (f *Effect) input(partition string, keys []string, args []any) ([]any, error) {
	for _, key := range keys {
		if hashTag(key) != partition {
			return nil, fmt.Errorf("effect %s: the key %.200q has not the hash tag {%s}", f.name, key, partition)
		}
	}
	texts := make([]any, len(args))
	for i, arg := range args {
		text, err := argument(arg)
		if err != nil {
			return nil, fmt.Errorf("argument %d of effect %s: %w", i+1, f.name, err)
		}
		texts[i] = text
	}
	return texts, nil
}

// hashTag is what a cluster takes the slot of a key from, if it has one.
func hashTag(key string) string {
	_, rest, _ := strings.Cut(key, "{")
	tag, _, closed := strings.Cut(rest, "}")
	if !closed {
		return ""
	}
	return tag
}

// argument is an argument of an effect as the client would send it.
func argument(arg any) (string, error) {
	switch v := arg.(type) {
	case string:
		return v, nil
	case []byte:
		return string(v), nil
	case int, int8, int16, int32, int64, uint, uint8, uint16, uint32, uint64:
		return fmt.Sprint(v), nil
	case float32:
		return strconv.FormatFloat(float64(v), 'f', -1, 32), nil
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64), nil
	case bool:
		if v {
			return "1", nil
		}
		return "0", nil
	}
	return "", fmt.Errorf("%T is no string, bytes, number or truth value", arg)
}

// place is how Redis, and the embedded one, name a line of a script.
var place = regexp.MustCompile(`(?:user_script|<string>|^):(\d+)`)

// reason is an error of an effect, with lines counted from the start of its body.
func (e *Engine) reason(script string, f *Effect, text string) string {
	head, _ := e.scripts.text(script, f)
	before, lines := strings.Count(head, "\n"), strings.Count(f.body, "\n")+1
	text = place.ReplaceAllStringFunc(text, func(at string) string {
		n, err := strconv.Atoi(place.FindStringSubmatch(at)[1])
		if n -= before; err != nil || n < 1 || n > lines {
			return at
		}
		return fmt.Sprintf("line %d", n)
	})
	return fmt.Sprintf("effect %s: %s", f.name, text)
}
