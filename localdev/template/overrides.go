package template

import (
	"errors"
	"fmt"
	"strings"
)

// parseOverrides reads parameters as SAM's --parameter-overrides writes them:
// Name=value or ParameterKey=Name,ParameterValue=value, separated by blanks.
// A value with blanks is in quotes; a backslash takes the next character
// literally.
func parseOverrides(t string, into map[string]string) error {
	words, err := splitWords(t)
	if err != nil {
		return err
	}
	for _, word := range words {
		name, value, ok := strings.Cut(word, "=")
		if ok && name == "ParameterKey" {
			if name, value, ok = strings.Cut(value, ",ParameterValue="); !ok {
				return fmt.Errorf("%q lacks ,ParameterValue=", word)
			}
		}
		if !ok || name == "" {
			return fmt.Errorf("%q is not Name=value; a value with blanks needs quotes", word)
		}
		into[name] = value
	}
	return nil
}

// splitWords cuts text at blanks outside of quotes, and takes the quotes away.
func splitWords(t string) ([]string, error) {
	var words []string
	var word strings.Builder
	quote, inWord, escaped := rune(0), false, false
	for _, r := range t {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\':
			escaped, inWord = true, true
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case strings.ContainsRune(" \t\r\n", r):
			if inWord {
				words = append(words, word.String())
				word.Reset()
			}
			inWord = false
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("a quote is not closed")
	}
	if inWord {
		words = append(words, word.String())
	}
	return words, nil
}
