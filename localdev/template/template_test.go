package template_test

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/template"
)

func TestResolveShop(t *testing.T) {
	t.Parallel()
	got := mustResolve(t, "testdata/shop/template.yaml", template.Options{
		Cache:     template.Endpoint{Host: "127.0.0.1", Port: 6379},
		StackName: "shop",
	})
	dir, err := filepath.Abs("testdata/shop")
	if err != nil {
		t.Fatal(err)
	}
	reserved := 20
	maxAge := 600
	redis := map[string]string{"REDIS_ADDR": "127.0.0.1:6379", "REDIS_TLS": "true"}
	want := &template.App{
		Path: "testdata/shop/template.yaml",
		Dir:  dir,
		Functions: []template.Function{
			{
				LogicalID: "OrderFunction", Name: "OrderFunction", CodeDir: filepath.Join(dir, "functions/order"),
				Handler: "bootstrap", Runtime: "provided.al2023", BuildMethod: "go1.x", Architecture: "arm64",
				Timeout: 10 * time.Second, MemoryMB: 256, EphemeralStorageMB: 512, ReservedConcurrency: &reserved,
				Environment: redis, Line: 51,
			},
			{
				LogicalID: "InventoryFunction", Name: "shop-inventory", CodeDir: filepath.Join(dir, "functions/inventory"),
				Handler: "bootstrap", Runtime: "provided.al2023", BuildMethod: "go1.x", Architecture: "arm64",
				Timeout: 30 * time.Second, MemoryMB: 256, EphemeralStorageMB: 512,
				Environment: redis, Line: 75,
			},
			{
				LogicalID: "BridgeFunction", Name: "BridgeFunction", CodeDir: filepath.Join(dir, "functions/bridge"),
				Handler: "bootstrap", Runtime: "provided.al2023", BuildMethod: "go1.x", Architecture: "arm64",
				Timeout: 900 * time.Second, MemoryMB: 256, EphemeralStorageMB: 512,
				Environment: map[string]string{
					"REDIS_ADDR": "127.0.0.1:6379", "REDIS_TLS": "true", "FANOUT": "3", "INVENTORY_FUNCTION": "shop-inventory",
				},
				Service:   true,
				Schedules: []template.Schedule{{Name: "Shift", Expression: "rate(14 minutes)", Enabled: true, Line: 103}},
				Line:      84,
			},
		},
		APIs: []template.API{{
			LogicalID: "Api", ID: "zyirocpvjr", Stage: "$default", Line: 42,
			Routes: []template.Route{
				{Method: "POST", Path: "/orders", FunctionID: "OrderFunction", PayloadVersion: "2.0", Timeout: 30 * time.Second, Line: 59},
				{Method: "GET", Path: "/orders/{id}", FunctionID: "OrderFunction", PayloadVersion: "2.0", Timeout: 29 * time.Second, Line: 66},
			},
			CORS: &template.CORS{
				AllowOrigins: []string{"https://shop.example.com"}, AllowMethods: []string{"GET", "POST"},
				AllowHeaders: []string{"content-type", "idempotency-key"}, MaxAge: &maxAge,
			},
		}},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestResolveIsRepeatable(t *testing.T) {
	t.Parallel()
	tmpl, err := template.Parse("testdata/shop/template.yaml")
	if err != nil {
		t.Fatal(err)
	}
	o := template.Options{Cache: template.Endpoint{Host: "h", Port: 1}, Parameters: map[string]string{"Fanout": "7"}}
	first, err := tmpl.Resolve(o)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan *template.App)
	for range 4 {
		go func() {
			app, err := tmpl.Resolve(o)
			if err != nil {
				t.Error(err)
			}
			done <- app
		}()
	}
	for range 4 {
		if diff := cmp.Diff(first, <-done); diff != "" {
			t.Error(diff)
		}
	}
}

func TestResolveImplicitAPIFromJSON(t *testing.T) {
	t.Parallel()
	app := mustResolve(t, "testdata/implicit/template.json", template.Options{})
	wantEnv := map[string]string{"LEVEL": "debug", "GREETING": "héllo 😀"}
	if diff := cmp.Diff(wantEnv, app.Functions[0].Environment); diff != "" {
		t.Error(diff)
	}
	want := []template.API{{
		LogicalID: "ServerlessHttpApi", ID: app.APIs[0].ID, Stage: "$default", Line: 23, CORS: &template.CORS{AllowOrigins: []string{"*"}},
		Routes: []template.Route{
			{Method: "ANY", Path: "$default", FunctionID: "Hello", PayloadVersion: "2.0", Timeout: 30 * time.Second, Line: 23},
			{Method: "ANY", Path: "/files/{proxy+}", FunctionID: "Hello", PayloadVersion: "2.0", Timeout: 30 * time.Second, Line: 24},
		},
	}}
	if diff := cmp.Diff(want, app.APIs); diff != "" {
		t.Error(diff)
	}

	// In production the REST API exists, and cannot be emulated.
	problems := resolveProblems(t, "testdata/implicit/template.json", template.Options{Parameters: map[string]string{"Stage": "prod"}})
	wantProblems(t, problems, "template.json:29: Unwanted.Type: AWS::Serverless::Api is not emulated")
}

func TestParameterWithoutValueMattersOnlyWhereItIsNeeded(t *testing.T) {
	t.Parallel()
	// VpcId has no value, and only infrastructure refers to it.
	body := strings.Replace(read(t, "testdata/shop/template.yaml"), "FANOUT: !Ref Fanout", "FANOUT: !Ref VpcId", 1)
	path := filepath.Join(t.TempDir(), "template.yaml")
	write(t, path, strings.ReplaceAll(body, "functions/", mustAbs(t, "testdata/shop/functions")+"/"))
	problems := resolveProblems(t, path, template.Options{Cache: template.Endpoint{Host: "h", Port: 1}})
	wantProblems(t, problems, "template.yaml:95: BridgeFunction.Environment.Variables.FANOUT: parameter VpcId has no value")
}

// function wraps properties and events into a template around one function
// that resolves; app is the directory of its code.
const function = `Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: app}}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties:
`

// resolve writes a template and the directory app beside it, and resolves it.
func resolve(t *testing.T, body string, o template.Options) (*template.App, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "template.yaml")
	write(t, path, body)
	tmpl, err := template.Parse(path)
	if err != nil {
		return nil, err
	}
	return tmpl.Resolve(o)
}

// app resolves a template that has no problems.
func app(t *testing.T, body string, o template.Options) *template.App {
	t.Helper()
	a, err := resolve(t, body, o)
	if err != nil {
		t.Fatalf("Resolve: %v", err)
	}
	return a
}

// problems resolves a template that has some; the directory is cut off.
func problems(t *testing.T, body string, o template.Options) []string {
	t.Helper()
	_, err := resolve(t, body, o)
	return lines(t, err)
}

func lines(t *testing.T, err error) []string {
	t.Helper()
	var ps template.Problems
	if !errors.As(err, &ps) {
		t.Fatalf("error is %v, want Problems", err)
	}
	return texts(ps)
}

func texts(ps []template.Problem) (out []string) {
	for _, p := range ps {
		p.File = filepath.Base(p.File)
		out = append(out, p.Error())
	}
	return out
}

// wantProblems demands these problems and no others, each by the start of its
// text.
func wantProblems(t *testing.T, got []string, want ...string) {
	t.Helper()
	ok := len(got) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = strings.HasPrefix(got[i], want[i])
	}
	if !ok {
		t.Errorf("problems are\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

func resolveProblems(t *testing.T, path string, o template.Options) []string {
	t.Helper()
	tmpl, err := template.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tmpl.Resolve(o)
	return lines(t, err)
}

func mustResolve(t *testing.T, path string, o template.Options) *template.App {
	t.Helper()
	tmpl, err := template.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	a, err := tmpl.Resolve(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func read(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func write(t *testing.T, path, body string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(body), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustAbs(t *testing.T, path string) string {
	t.Helper()
	abs, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	return abs
}

func TestParseRefusesWhatIsNoTemplate(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 150) + strings.Repeat("]", 150)
	var chain strings.Builder // each line nests one level deeper than the one before
	chain.WriteString("a0: &a0 [x]\n")
	for i := range 150 {
		fmt.Fprintf(&chain, "a%d: &a%d [*a%d]\n", i+1, i+1, i)
	}
	tests := []struct {
		name, file, body string
		want             []string
	}{
		{"empty", "t.yaml", "", []string{"t.yaml: the template is empty"}},
		{"a list", "t.yaml", "- a\n", []string{"t.yaml:1: a template must be a mapping"}},
		{"two documents", "t.yaml", "a: 1\n---\nb: 1\n", []string{"t.yaml: expected single document"}},
		{"syntax", "t.yaml", "a: 1\nb: c: d\n", []string{"t.yaml:2: mapping values are not allowed in this context"}},
		{"unclosed", "t.yaml", "a: 1\nb: [\n", []string{"t.yaml:3: while parsing a flow node"}},
		{"tab", "t.yaml", "a: 1\n\tb: 1\n", []string{"t.yaml:2: "}},
		{"not UTF-8", "t.yaml", "a: 1\nb: \xff\n", []string{"t.yaml:2: the file is not valid UTF-8"}},
		{"control character", "t.yaml", "a: 1\nb: \x07\n", []string{"t.yaml:2: control character U+0007"}},
		{"unknown anchor", "t.yaml", "a: 1\nb: *nope\n", []string{"t.yaml:2: unknown anchor 'nope'"}},
		{"duplicate keys", "t.yaml", "a: 1\nb: {c: 1, c: 2}\na: 3\n", []string{
			"t.yaml:2: key c is already set in line 2", "t.yaml:3: key a is already set in line 1"}},
		{"unknown tags", "t.yaml", "a: !Rfe x\nb: !GetAttr x.y\nc: !!binary aGk=\n", []string{
			"t.yaml:1: unknown tag !Rfe; did you mean Ref?", "t.yaml:2: unknown tag !GetAttr; did you mean GetAtt?",
			"t.yaml:3: CloudFormation does not know the tag !!binary"}},
		{"key that is no text", "t.yaml", "? [a]\n: b\n", []string{"t.yaml:1: a key must be text"}},
		{"key that is a boolean", "t.yaml", "a: 1\non: {012: x, 12: x, \"yes\": x}\n~: 1\n", []string{
			"t.yaml:2: the key on without quotes is true in YAML 1.1: put it in quotes", "t.yaml:3: a key must be text"}},
		{"key that is octal", "t.yaml", "012: 1\n12: 1\n", []string{"t.yaml:1: the key 012 without quotes is 10 in YAML 1.1"}},
		{"value that contains itself", "t.yaml", "a: 1\nb: &b {c: [*b]}\n", []string{"t.yaml:2: alias *b refers to a value that contains it"}},
		{"too deep", "t.yaml", "a: " + deep, []string{"t.yaml:1: while increasing flow level: exceeded max depth of 100"}},
		{"too deep through aliases", "t.yaml", chain.String(), []string{"t.yaml:101: values are nested more than 100 levels deep"}},
		{"merge of a list", "t.yaml", "a: {<<: [1]}\n", []string{"t.yaml:1: a merge key (<<) takes a mapping"}},
		{"merge of a function", "t.yaml", "a: {<<: !Ref x}\n", []string{"t.yaml:1: a merge key (<<) takes a mapping"}},
		{"JSON syntax", "t.json", "{\n\"a\": 1,\n}\n", []string{"t.json:3: not valid JSON"}},
		{"JSON duplicate", "t.json", "{\"a\": 1,\n\"a\": {}}", []string{"t.json:2: key a is already set in line 1"}},
		{"JSON too deep", "t.json", "{\"a\":\n" + deep + ",\"b\": 1,\"b\": 2}", []string{
			"t.json:2: values are nested more than 100", "t.json:2: key b is already set in line 2"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), test.file)
			write(t, path, test.body)
			_, err := template.Parse(path)
			var ps template.Problems
			if !errors.As(err, &ps) {
				t.Fatalf("error is %v, want Problems", err)
			}
			wantProblems(t, texts(ps)[:min(len(ps), len(test.want))], test.want...)
		})
	}
}

func TestParseReadsOnlyFilesOfAllowedSize(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if _, err := template.Parse(filepath.Join(dir, "missing.yaml")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v, want fs.ErrNotExist", err)
	}
	if _, err := template.Parse(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("directory: %v", err)
	}
	path := filepath.Join(dir, "large.yaml")
	const limit = 1 << 20
	head := "Resources: {}\n"
	write(t, path, head+strings.Repeat("#", limit-len(head)))
	if _, err := template.Parse(path); err != nil {
		t.Errorf("1 MiB: %v", err)
	}
	write(t, path, head+strings.Repeat("#", limit-len(head)+1))
	if _, err := template.Parse(path); err == nil || !strings.Contains(err.Error(), "larger than 1048576 bytes") {
		t.Errorf("1 MiB and a byte: %v", err)
	}
}

func TestProblemsAreErrors(t *testing.T) {
	t.Parallel()
	_, err := resolve(t, "Resource: {}\n", template.Options{})
	var one template.Problem
	if !errors.As(err, &one) {
		t.Fatalf("%v holds no Problem", err)
	}
	if one.Line != 1 || one.Property != "Resource" || filepath.Base(one.File) != "template.yaml" {
		t.Errorf("first problem is %+v", one)
	}
	got := lines(t, err)
	wantProblems(t, got,
		"template.yaml:1: Resource: no such section; did you mean Resources?",
		"template.yaml:1: Resources: the section is missing")
	if strings.Count(err.Error(), "\n") != 1 {
		t.Errorf("%q is not one line for each problem", err.Error())
	}
}
