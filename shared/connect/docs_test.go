package connect

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// docs/redis.md says what the code does.
func TestThePageIsTrue(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	page := string(text)
	wants := []string{
		fmt.Sprintf("one attempt to connect | %d s", dialTimeout/time.Second),
		fmt.Sprintf("one answer | %d s", readTimeout/time.Second),
		fmt.Sprintf("attempts at a command | %d ", retries+1),
		fmt.Sprintf("%d ms, doubling to %d ms", minBackoff.Milliseconds(), maxBackoff.Milliseconds()),
		fmt.Sprintf("a command with all its attempts | %d s", patience/time.Second),
		fmt.Sprintf("for %.0f minutes, then another", tokenRefresh.Minutes()),
		fmt.Sprintf("after %.1f to %.1f hours", (iamConnLifetime - iamConnJitter).Hours(), (iamConnLifetime + iamConnJitter).Hours()),
	}
	fields := reflect.TypeFor[Settings]()
	for i := range fields.NumField() {
		name, _, _ := strings.Cut(fields.Field(i).Tag.Get("env"), ",")
		wants = append(wants, "`"+name+"=")
	}
	for _, want := range wants {
		if !strings.Contains(page, want) {
			t.Errorf("docs/redis.md does not say %q", want)
		}
	}
}

func TestThePageHasTheAccessStringOfTheTemplate(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/redis.md")
	if err != nil {
		t.Fatal(err)
	}
	template, err := os.ReadFile("../../template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(template), `AccessString: "`)
	access, _, _ := strings.Cut(rest, `"`)
	if !found || !strings.Contains(string(page), "\n  "+access+"\n") {
		t.Errorf("docs/redis.md does not have the access string %s", access)
	}
}
