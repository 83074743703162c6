package template_test

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/template"
)

func TestReadConfig(t *testing.T) {
	t.Parallel()
	tests := map[string]map[string]string{
		"":        {"RedisTls": "false", "Architecture": "x86_64"},
		"default": {"RedisTls": "false", "Architecture": "x86_64"},
		"wide":    {"RedisTls": "false", "Fanout": "8", "SubnetIds": "subnet-1,subnet-2"},
		"listed":  {"RedisTls": "false", "Fanout": "5"},
	}
	for env, want := range tests {
		got, err := template.ReadConfig("testdata/shop/samconfig.toml", env)
		if err != nil {
			t.Errorf("%q: %v", env, err)
		}
		if diff := cmp.Diff(want, got.Parameters); diff != "" {
			t.Errorf("%q: %s", env, diff)
		}
	}
}

func TestReadConfigOverridesResolve(t *testing.T) {
	t.Parallel()
	config, err := template.ReadConfig("testdata/shop/samconfig.toml", "")
	if err != nil {
		t.Fatal(err)
	}
	a := mustResolve(t, "testdata/shop/template.yaml", template.Options{Parameters: config.Parameters, Cache: cache})
	if fn := a.Functions[0]; fn.Architecture != "x86_64" || fn.Environment["REDIS_TLS"] != "false" {
		t.Errorf("function is %+v", fn)
	}
}

func TestReadConfigWithoutOverrides(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	got, err := template.ReadConfig(filepath.Join(dir, "samconfig.toml"), "prod")
	if err != nil || got.Parameters != nil {
		t.Errorf("missing file: %v, %v", got, err)
	}
	for _, body := range []string{"", "version = 0.1\n", "[default.deploy.parameters]\nparameter_overrides = \"A=b\"\n", "[default.global]\nx = 1\n"} {
		path := filepath.Join(dir, "some.toml")
		write(t, path, body)
		if got, err := template.ReadConfig(path, ""); err != nil || got.Parameters != nil {
			t.Errorf("%q: %v, %v", body, got, err)
		}
	}
}

func TestParameterOverridesText(t *testing.T) {
	t.Parallel()
	tests := []struct {
		text string
		want map[string]string
	}{
		{``, map[string]string{}},
		{`A=b`, map[string]string{"A": "b"}},
		{`  A=b   C=d `, map[string]string{"A": "b", "C": "d"}},
		{"A=b\nC=d\tE=f", map[string]string{"A": "b", "C": "d", "E": "f"}},
		{`A="b c" D='e "f"' G=`, map[string]string{"A": "b c", "D": `e "f"`, "G": ""}},
		{`A=b=c`, map[string]string{"A": "b=c"}},
		{`A="b=c" D=x,y`, map[string]string{"A": "b=c", "D": "x,y"}},
		{`A=b\ c D="e\"f"`, map[string]string{"A": "b c", "D": `e"f`}},
		{`A=b A=c`, map[string]string{"A": "c"}},
		{`ParameterKey=A,ParameterValue=b ParameterKey=C,ParameterValue="d e"`, map[string]string{"A": "b", "C": "d e"}},
		{`"ParameterKey=A,ParameterValue=b c"`, map[string]string{"A": "b c"}},
	}
	for _, test := range tests {
		path := filepath.Join(t.TempDir(), "samconfig.toml")
		write(t, path, "[default.global.parameters]\nparameter_overrides = '''\n"+test.text+"'''\n")
		got, err := template.ReadConfig(path, "")
		if err != nil {
			t.Errorf("%s: %v", test.text, err)
		}
		if diff := cmp.Diff(test.want, got.Parameters); diff != "" {
			t.Errorf("%s: %s", test.text, diff)
		}
	}
}

func TestReadConfigMistakes(t *testing.T) {
	t.Parallel()
	const head = "version = 0.1\n[default.deploy.parameters]\nparameter_overrides = \"X=y\"\n[default.local_start_api.parameters]\nwarm = true\n"
	tests := []struct{ body, env, want string }{
		{"a = 1\nb = \n", "", "samconfig.toml:2: "},
		{"a = 1\na = 2\n", "", "samconfig.toml:2: "},
		{"a = \"\xff\"\n", "", "samconfig.toml:1: "},
		{head + "parameter_overrides = \"A b\"\n", "", `samconfig.toml:6: default.local_start_api.parameters.parameter_overrides: "A" is not Name=value`},
		{head + "parameter_overrides = 'A=\"b'\n", "", "samconfig.toml:6: default.local_start_api.parameters.parameter_overrides: a quote is not closed"},
		{head + "parameter_overrides = [\"A=b\", \"=c\"]\n", "", `samconfig.toml:6: default.local_start_api.parameters.parameter_overrides: "=c" is not Name=value`},
		{head + "parameter_overrides = [1]\n", "", `samconfig.toml:6: default.local_start_api.parameters.parameter_overrides: a list of overrides has elements such as "Name=value", not 1`},
		{head + "parameter_overrides = 5\n", "", "samconfig.toml:6: default.local_start_api.parameters.parameter_overrides: must be text, a list or a table, not 5"},
		{head + "[default.local_start_api.parameters.parameter_overrides]\nA = {b = 1}\n", "", "samconfig.toml:6: default.local_start_api.parameters.parameter_overrides: the value of A must be text"},
		{head + "[default.local_start_api.parameters.parameter_overrides]\nA = 2026-11-24\n", "", "samconfig.toml:6: default.local_start_api.parameters.parameter_overrides: the value of A must be text"},
		{head + "parameter_overrides = \"ParameterKey=A\"\n", "", `samconfig.toml:6: default.local_start_api.parameters.parameter_overrides: "ParameterKey=A" lacks ,ParameterValue=`},
		{head, "prod", "samconfig.toml: there is no environment prod; the file has: default"},
		{head, "defualt", "samconfig.toml: there is no environment defualt; the file has: default; did you mean default?"},
		{"default = 1\n", "", "samconfig.toml: there is no environment default"},
	}
	for _, test := range tests {
		path := filepath.Join(t.TempDir(), "samconfig.toml")
		write(t, path, test.body)
		_, err := template.ReadConfig(path, test.env)
		var p template.Problem
		if !errors.As(err, &p) {
			t.Errorf("%q: error is %v, want a Problem", test.body, err)
			continue
		}
		p.File = filepath.Base(p.File)
		if !strings.HasPrefix(p.Error(), test.want) {
			t.Errorf("%q:\n\t%s\nwant\n\t%s", test.body, p.Error(), test.want)
		}
	}
	if _, err := template.ReadConfig(t.TempDir(), ""); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: %v", err)
	}
}
