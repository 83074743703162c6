package console_test

import (
	"strings"
	"testing"

	"photofinish/localdev/console"
	"photofinish/shared/redistest"
)

func TestNewNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	rdb := redistest.Embedded(t)
	for _, test := range []struct {
		name string
		cfg  console.Config
		want string
	}{
		{"no Redis", console.Config{Warehouses: []string{"main"}}, "Config.Redis"},
		{"no warehouse", console.Config{Redis: rdb}, "Config.Warehouses"},
		{"a warehouse that could move keys", console.Config{Redis: rdb, Warehouses: []string{"a}b"}}, "Config.Warehouses"},
		{"a warehouse twice", console.Config{Redis: rdb, Warehouses: []string{"main", "main"}}, "named twice"},
		{"an API that is no URL", console.Config{Redis: rdb, Warehouses: []string{"main"}, API: "127.0.0.1:3000"}, "Config.API"},
		{"an API of another scheme", console.Config{Redis: rdb, Warehouses: []string{"main"}, API: "file:///etc/passwd"}, "Config.API"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			c, err := console.New(test.cfg)
			if err == nil {
				c.Close()
				t.Fatal("New accepted it")
			}
			if !strings.Contains(err.Error(), test.want) {
				t.Errorf("the error %q does not name %s", err, test.want)
			}
		})
	}
}
