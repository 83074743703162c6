package claim

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// maxID is the longest id that ValidID accepts.
const maxID = 200

// identity is what an invocation is known by.
type identity struct {
	key         string // as it was in the event
	id          string // in Redis and in the logs
	fingerprint string // of the content
}

// identify takes key and content from an event.
func (g *guarded[In, Out]) identify(in In) (identity, error) {
	value, err := g.o.Key.Value(in)
	if err != nil {
		return identity{}, &KeyError{Source: g.o.Key.Name, Err: err}
	}
	key, mark, err := keyText(value)
	if err != nil {
		return identity{}, &KeyError{Source: g.o.Key.Name, Err: err}
	}
	c := identity{key: key, id: g.id(key, mark)}
	if value, err = g.o.Content.Value(in); err != nil {
		return identity{}, &KeyError{ID: c.id, Source: g.o.Content.Name, Err: err}
	}
	content, err := canonical(value)
	if err != nil {
		return identity{}, &KeyError{ID: c.id, Source: g.o.Content.Name, Err: err}
	}
	text, err := json.Marshal(content)
	if err != nil {
		return identity{}, &KeyError{ID: c.id, Source: g.o.Content.Name, Err: err}
	}
	c.fingerprint = g.sum(text)
	return c, nil
}

// id is the id of a key. One that can be a part of an id stays readable; others
// are hashed. The tilde sets the two apart: a key that starts with one is hashed.
func (g *guarded[In, Out]) id(key, mark string) string {
	id := g.scope + key
	if mark == "~" && ValidID(id) && !strings.HasPrefix(key, "~") {
		return id
	}
	return g.scope + mark + g.sum([]byte(key))
}

func (g *guarded[In, Out]) sum(text []byte) string {
	h := g.o.Hash()
	_, _ = h.Write(text) // a hash takes everything
	return hex.EncodeToString(h.Sum(nil))
}

// keyText is a key as text, and the mark for its hash: lists and objects have
// one of their own, so that no string can stand for them.
func keyText(value any) (text, mark string, err error) {
	value, err = canonical(value)
	if err != nil {
		return "", "", err
	}
	if missing(value) {
		return "", "", ErrNoKey
	}
	switch v := value.(type) {
	case string:
		return v, "~", nil
	case []any:
		for i, part := range v {
			if missing(part) {
				return "", "", fmt.Errorf("%w: value %d is missing", ErrNoKey, i+1)
			}
		}
	case map[string]any:
		for name, part := range v {
			if missing(part) {
				return "", "", fmt.Errorf("%w: %q is missing", ErrNoKey, name)
			}
		}
	default: // a number or a truth value
		return fmt.Sprint(v), "~", nil
	}
	b, err := json.Marshal(value)
	return string(b), "~~", err
}

func missing(value any) bool {
	switch v := value.(type) {
	case nil:
		return true
	case string:
		return v == ""
	case []any:
		return len(v) == 0
	case map[string]any:
		return len(v) == 0
	}
	return false
}

// canonical is a value as JSON has it: equal values become equal, whatever the
// order of their fields. Numbers keep their digits.
func canonical(value any) (any, error) {
	if s, ok := value.(string); ok {
		return s, nil
	}
	text, err := json.Marshal(value)
	if err != nil {
		return nil, err
	}
	var plain any
	return plain, decode(text, &plain)
}

// decode reads exactly one JSON value.
func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber() // a float64 would change large numbers
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}
