package config_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photofinish/shared/config"
)

type place struct {
	Addr string `env:"ADDR,required,notEmpty"`
	TLS  bool   `env:"TLS"`
}

type settings struct {
	Redis place

	Level   slog.Level    `env:"LOG_LEVEL" envDefault:"INFO"`
	Names   []string      `env:"NAMES" envDefault:"main"`
	Wait    time.Duration `env:"WAIT" envDefault:"5s"`
	Count   int           `env:"COUNT" envDefault:"3"`
	Needed  string        `env:"NEEDED,required"`
	private string        //nolint:unused // fields without a tag are left alone
}

func TestLoad(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		environ []string
		want    settings
	}{
		"defaults": {
			[]string{"ADDR=redis:6379", "NEEDED=x", "UNKNOWN=1"},
			settings{Redis: place{Addr: "redis:6379"}, Names: []string{"main"}, Wait: 5 * time.Second, Count: 3, Needed: "x"},
		},
		"all set": {
			[]string{"ADDR=a=b", "TLS=true", "NEEDED=", "NAMES=main,east", "WAIT=1m30s", "COUNT=-7", "LOG_LEVEL=debug"},
			settings{Redis: place{Addr: "a=b", TLS: true}, Level: slog.LevelDebug, Names: []string{"main", "east"}, Wait: 90 * time.Second, Count: -7},
		},
		"empty means the default": {
			[]string{"ADDR=a", "NEEDED=x", "NAMES=", "WAIT=", "COUNT=", "LOG_LEVEL=", "TLS="},
			settings{Redis: place{Addr: "a"}, Names: []string{"main"}, Wait: 5 * time.Second, Count: 3, Needed: "x"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := config.Load[settings](tt.environ)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got, cmp.AllowUnexported(settings{})); diff != "" {
				t.Errorf("(-want +got)\n%s", diff)
			}
		})
	}
}

func TestLoadNamesTheVariable(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		environ string // beside ADDR and NEEDED
		want    []string
	}{
		"missing":               {"-NEEDED", []string{"NEEDED: is not set"}},
		"missing, in a part":    {"-ADDR", []string{"ADDR: is not set"}},
		"empty, in a part":      {"ADDR=", []string{"ADDR: is empty"}},
		"duration without unit": {"WAIT=5", []string{"WAIT: ", "missing unit"}},
		"no duration":           {"WAIT=soon", []string{"WAIT: ", `"soon"`}},
		"no number":             {"COUNT=many", []string{"COUNT: ", `"many"`}},
		"a fraction":            {"COUNT=1.5", []string{"COUNT: ", `"1.5"`}},
		"too large":             {"COUNT=99999999999999999999", []string{"COUNT: ", "out of range"}},
		"no bool, in a part":    {"TLS=yes please", []string{"TLS: ", `"yes please"`}},
		"no level":              {"LOG_LEVEL=loud", []string{"LOG_LEVEL: ", `"loud"`}},
		"several at once":       {"-ADDR -NEEDED WAIT=soon COUNT=x TLS=2 LOG_LEVEL=3x", []string{"ADDR: is not set", "NEEDED: is not set", "WAIT: ", "COUNT: ", "TLS: ", "LOG_LEVEL: "}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			environ := []string{"ADDR=redis:6379", "NEEDED=x"}
			changes := []string{tt.environ}
			if strings.HasPrefix(tt.environ, "-") {
				changes = strings.Fields(tt.environ)
			}
			for _, change := range changes {
				if variable, ok := strings.CutPrefix(change, "-"); ok {
					environ = without(environ, variable)
				} else {
					variable, _, _ := strings.Cut(change, "=")
					environ = append(without(environ, variable), change)
				}
			}
			_, err := config.Load[settings](environ)
			if err == nil {
				t.Fatalf("%v: no error", environ)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not say %q", err, want)
				}
			}
			// One problem for each mistake, and none by the name of a Go field.
			problems := strings.Split(strings.TrimPrefix(err.Error(), "config: "), "; ")
			if want := max(1, len(changes)); len(problems) != want {
				t.Errorf("%d problems, want %d: %v", len(problems), want, err)
			}
			for _, p := range problems {
				if variable, _, ok := strings.Cut(p, ": "); !ok || variable != strings.ToUpper(variable) || variable == "" {
					t.Errorf("%q does not begin with a variable", p)
				}
			}
		})
	}
}

func without(environ []string, variable string) (left []string) {
	for _, e := range environ {
		if !strings.HasPrefix(e, variable+"=") {
			left = append(left, e)
		}
	}
	return left
}
