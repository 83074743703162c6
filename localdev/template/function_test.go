package template_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/template"
)

func TestFunctionProperties(t *testing.T) {
	t.Parallel()
	a := app(t, `Transform: [AWS::LanguageExtensions, AWS::Serverless-2016-10-31]
Parameters: {Seconds: {Type: Number, Default: 900}}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties:
      FunctionName: my-fn
      PackageType: Zip
      Runtime: provided.al2
      Handler: main
      CodeUri: ./app/
      Architectures: [arm64]
      Timeout: !Ref Seconds
      MemorySize: "10240"
      EphemeralStorage: {Size: 1024}
      ReservedConcurrentExecutions: 0
      Description: text
      Tracing: Active
      Policies: [AWSLambdaBasicExecutionRole]
      VpcConfig: {SubnetIds: !Ref NoSuchParameter}
      LoggingConfig: {LogFormat: JSON}
      Layers: []
  Plain: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}, Properties: {Runtime: provided.al2023, Handler: bootstrap}}
`, template.Options{})
	zero := 0
	want := []template.Function{
		{
			LogicalID: "Fn", Name: "my-fn", CodeDir: filepath.Join(a.Dir, "app"), Handler: "main", Runtime: "provided.al2", BuildMethod: "go1.x",
			Architecture: "arm64", Timeout: 900 * time.Second, MemoryMB: 10240, EphemeralStorageMB: 1024, ReservedConcurrency: &zero,
			Environment: map[string]string{}, Line: 4,
		},
		{
			LogicalID: "Plain", Name: "Plain", CodeDir: a.Dir, Handler: "bootstrap", Runtime: "provided.al2023", BuildMethod: "go1.x",
			Architecture: "x86_64", Timeout: 3 * time.Second, MemoryMB: 128, EphemeralStorageMB: 512,
			Environment: map[string]string{}, Line: 24,
		},
	}
	if diff := cmp.Diff(want, a.Functions); diff != "" {
		t.Error(diff)
	}
	if len(a.APIs) != 0 || len(a.Warnings) != 0 {
		t.Errorf("APIs %v, warnings %v, want none", a.APIs, a.Warnings)
	}
}

func TestFunctionMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct {
		property, want string
		also           []string
	}{
		{"Timout: 3", "Fn.Timout: no such property; did you mean Timeout?", nil},
		{"Timeout: 0", "Fn.Timeout: is 0, and must be from 1 to 900", nil},
		{"Timeout: 901", "Fn.Timeout: is 901, and must be from 1 to 900", nil},
		{"Timeout: 1.5", `Fn.Timeout: must be a whole number, not "1.5"`, nil},
		{"Timeout: ", "Fn.Timeout: is empty", nil},
		{"Timeout: [3]", "Fn.Timeout: must be text, not a list", nil},
		{"Timeout: '{{resolve:ssm:/timeout}}'", "Fn.Timeout: the dynamic reference {{resolve:ssm:/timeout}} has no value locally", nil},
		{"MemorySize: 127", "Fn.MemorySize: is 127, and must be from 128 to 10240", nil},
		{"MemorySize: 10241", "Fn.MemorySize: is 10241, and must be from 128 to 10240", nil},
		{"EphemeralStorage: {Size: 511}", "Fn.EphemeralStorage.Size: is 511", nil},
		{"EphemeralStorage: {Sizes: 512, Size: 512}", "Fn.EphemeralStorage.Sizes: no such property; did you mean Size?", nil},
		{"EphemeralStorage: {}", "Fn.EphemeralStorage.Size: is missing", nil},
		{"ReservedConcurrentExecutions: -1", "Fn.ReservedConcurrentExecutions: is -1", nil},
		{"Architectures: [arm64, x86_64]", "Fn.Architectures: must have one element, and has 2", nil},
		{"Architectures: [amd64]", `Fn.Architectures: is "amd64", and must be x86_64 or arm64`, nil},
		{"FunctionName: a b", `Fn.FunctionName: "a b" is not a function name`, nil},
		{"FunctionName: !Ref Fn", "Fn: circular dependency, which CloudFormation cannot create: Fn → Fn", []string{"Fn.FunctionName: the FunctionName of Fn depends on itself"}},
		{"FunctionName: Same", "Same.FunctionName: Fn already has the name Same", nil},
		{"CodeUri: nowhere", "Fn.CodeUri: there is no directory ", nil},
		{"CodeUri: template.yaml", "Fn.CodeUri: ", nil},
		{"CodeUri: s3://bucket/key", "Fn.CodeUri: code in S3 is not supported", nil},
		{"CodeUri: {Bucket: a, Key: b}", "Fn.CodeUri: code in S3 is not supported", nil},
		{"InlineCode: x", "Fn.InlineCode: is not supported: functions are built from the Go package", nil},
		{"PackageType: Image", "Fn.PackageType: Image is not supported", nil},
		{"PackageType: zip", `Fn.PackageType: is "zip", and must be Zip or Image; did you mean Zip?`, nil},
		{"Runtime: go1.x", "Fn.Runtime: go1.x is not supported: Go functions run on provided.al2023", nil},
		{"Handler: !Ref AWS::NoValue", "Fn.Handler: is missing", nil},
		{"Runtime: !Ref AWS::NoValue", "Fn.Runtime: is missing", nil},
		{"Layers: [arn]", "Fn.Layers: is not supported: the content of layers would be missing", nil},
		{"DeadLetterQueue: {Type: SQS, TargetArn: arn}", "Fn.DeadLetterQueue: is not supported", nil},
		{"FunctionUrlConfig: {AuthType: NONE}", "Fn.FunctionUrlConfig: is not supported: function URLs are not served", nil},
		{"FileSystemConfigs: [{Arn: a}]", "Fn.FileSystemConfigs: is not supported", nil},
		{"TenancyConfig: {TenantIsolationMode: PER_TENANT}", "Fn.TenancyConfig: is not supported", nil},
		{"EventInvokeConfig: {MaximumRetryAttempts: 0}", "Fn.EventInvokeConfig: is not supported: the emulator does not apply retry settings", nil},
		{"EventInvokeConfig: {DestinationConfig: {OnFailure: {Type: SQS}}}", "Fn.EventInvokeConfig.DestinationConfig: is not supported", nil},
		{"EventInvokeConfig: {MaximumRetries: 0}", "Fn.EventInvokeConfig: is not supported", []string{"Fn.EventInvokeConfig.MaximumRetries: no such property"}},
	}
	for _, test := range tests {
		t.Run(test.property, func(t *testing.T) {
			t.Parallel()
			body := function + "      " + test.property + "\n"
			if strings.Contains(test.want, "Same") {
				body += "  Same: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}}\n"
			}
			got := problems(t, body, template.Options{})
			var wanted []string // every problem but the one for the property has to be known to follow from it
			for _, want := range append([]string{test.want}, test.also...) {
				wanted = append(wanted, "template.yaml:"+lineOf(want)+": "+want)
			}
			wantProblems(t, got, wanted...)
		})
	}
}

// lineOf is where TestFunctionMistakes expects a problem: what concerns the
// function as a whole is reported at its beginning.
func lineOf(problem string) string {
	switch {
	case strings.HasPrefix(problem, "Fn: "), strings.HasSuffix(problem, "depends on itself"), problem == "Fn.Handler: is missing", problem == "Fn.Runtime: is missing":
		return "4"
	case strings.HasPrefix(problem, "Same"):
		return "9"
	}
	return "8"
}

func TestMetadata(t *testing.T) {
	t.Parallel()
	tests := []struct{ metadata, want string }{
		{"{}", "Fn.Metadata.BuildMethod: is missing: the emulator builds functions with BuildMethod: go1.x"},
		{"{BuildMethod: makefile}", "Fn.Metadata.BuildMethod: makefile is not supported"},
		{"{BuildMethod: go1.x, SkipBuild: true}", "Fn.Metadata.SkipBuild: is not supported"},
		{"{BuildMethod: go1.x, Localdev: {Run: services}}", `Fn.Metadata.Localdev.Run: is "services", and must be service; did you mean service?`},
		{"{BuildMethod: go1.x, Localdev: {Runs: service}}", "Fn.Metadata.Localdev.Runs: no such property; did you mean Run?"},
		{"{BuildMethod: go1.x, Localdev: service}", "Fn.Metadata.Localdev: must be a mapping, not text"},
	}
	for _, test := range tests {
		got := problems(t, strings.Replace(function, "{BuildMethod: go1.x}", test.metadata, 1)+"      Timeout: 3\n", template.Options{})
		wantProblems(t, got, "template.yaml:"+strings.SplitN(got[0], ":", 3)[1]+": "+test.want)
	}
}

func TestCodeUriOutsideTheTemplateDirectory(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "infra"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(dir, "fn"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "infra", "template.yaml")
	for _, uri := range []string{"../fn", filepath.Join(dir, "fn")} {
		write(t, path, strings.Replace(function, "CodeUri: app", "CodeUri: "+uri, 1)+"      Timeout: 3\n")
		a := mustResolve(t, path, template.Options{})
		if got := a.Functions[0].CodeDir; got != filepath.Join(dir, "fn") {
			t.Errorf("CodeUri %s: CodeDir is %s", uri, got)
		}
	}
}

func TestGlobals(t *testing.T) {
	t.Parallel()
	a := app(t, `Transform: AWS::Serverless-2016-10-31
Conditions: {"On": !Equals [a, a]}
Globals:
  Function:
    Runtime: provided.al2023
    Handler: global
    CodeUri: app
    Timeout: 10
    Architectures: [arm64]
    Environment: {Variables: {A1: global, B1: global, C1: !If ["On", x, y]}}
Resources:
  Merged:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties:
      Timeout: !Select [0, [20]]
      Environment: {Variables: {B1: local, D1: local}}
  Function:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties:
      Environment: !If ["On", {Variables: {E1: only}}, !Ref AWS::NoValue]
  Some:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    IgnoreGlobals: [Environment, Timeout]
  All:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    IgnoreGlobals: "*"
    Properties: {Runtime: provided.al2, Handler: own, CodeUri: app}
`, template.Options{})
	type summary struct {
		Timeout      time.Duration
		Handler      string
		Architecture string
		Environment  map[string]string
	}
	want := map[string]summary{
		"Merged":   {20 * time.Second, "global", "arm64", map[string]string{"A1": "global", "B1": "local", "C1": "x", "D1": "local"}},
		"Function": {10 * time.Second, "global", "arm64", map[string]string{"E1": "only"}},
		"Some":     {3 * time.Second, "global", "arm64", map[string]string{}},
		"All":      {3 * time.Second, "own", "x86_64", map[string]string{}},
	}
	got := make(map[string]summary)
	for _, fn := range a.Functions {
		got[fn.LogicalID] = summary{fn.Timeout, fn.Handler, fn.Architecture, fn.Environment}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestGlobalsMistakes(t *testing.T) {
	t.Parallel()
	const head = "Transform: AWS::Serverless-2016-10-31\nGlobals:\n  Function: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: app%s}\n%sResources:\n" +
		"  A: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}%s}\n  B: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}%s}\n"
	tests := []struct{ property, section, a, b, want string }{
		{", Memory: 128", "", "", "", "3: Globals.Function.Memory: no such property"},
		{", Timout: 128", "", "", "", "3: Globals.Function.Timout: no such property; did you mean Timeout?"},
		{", Events: {}", "", "", "", "3: Globals.Function.Events: cannot be set in Globals"},
		{"", "  Functions: {}\n", "", "", "4: Globals.Functions: no such section; did you mean Function?"},
		{"", "  HttpApi: {StageName: x}\n", "", "", "4: Globals.HttpApi.StageName: cannot be set in Globals"},
		{"", "  HttpApi: []\n", "", "", "4: Globals.HttpApi: must be a mapping, not a list"},
		// One problem, although both functions have the value.
		{", Timeout: 0", "", "", "", "3: A.Timeout: is 0, and must be from 1 to 900"},
		{", Architectures: [arm64]", "", "", ", Properties: {Architectures: [arm64]}", "6: B.Architectures: must have one element, and has 2"},
		{"", "", ", IgnoreGlobals: [Runtmie]", "", "5: A.IgnoreGlobals: Globals does not set Runtmie; did you mean Runtime?"},
		{"", "", ", IgnoreGlobals: all", "", `5: A.IgnoreGlobals: must be "*" or a list of properties`},
	}
	for _, test := range tests {
		got := problems(t, fmt.Sprintf(head, test.property, test.section, test.a, test.b), template.Options{})
		wantProblems(t, got, "template.yaml:"+test.want)
	}
}

func TestEnvironmentMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct{ variables, want string }{
		{"{AWS_REGION: x}", "9: Fn.Environment.Variables.AWS_REGION: Lambda reserves this name"},
		{"{AWS_LAMBDA_RUNTIME_API: x}", "9: Fn.Environment.Variables.AWS_LAMBDA_RUNTIME_API: Lambda reserves this name"},
		{"{LAMBDA_TASK_ROOT: x}", "9: Fn.Environment.Variables.LAMBDA_TASK_ROOT: Lambda reserves this name"},
		{"{_HANDLER: x}", "9: Fn.Environment.Variables._HANDLER: is not a variable name"},
		{"{1ST: x}", "9: Fn.Environment.Variables.1ST: is not a variable name"},
		{"{A: x}", "9: Fn.Environment.Variables.A: is not a variable name"},
		{"{A-B: x}", "9: Fn.Environment.Variables.A-B: is not a variable name"},
		{"{AB: [x]}", "9: Fn.Environment.Variables.AB: must be text, not a list"},
		{"{AB: {c: d}}", "9: Fn.Environment.Variables.AB: must be text, not a mapping"},
		{"{AB: }", "9: Fn.Environment.Variables.AB: is empty"},
		{"[x]", "9: Fn.Environment.Variables: must be a mapping, not a list"},
	}
	for _, test := range tests {
		got := problems(t, function+"      Environment:\n        Variables: "+test.variables+"\n", template.Options{})
		wantProblems(t, got, "template.yaml:"+test.want)
	}
	got := problems(t, function+"      Environment: {Variable: {}}\n", template.Options{})
	wantProblems(t, got, "template.yaml:8: Fn.Environment.Variable: no such property; did you mean Variables?")
}

func TestEnvironmentSize(t *testing.T) {
	t.Parallel()
	// {"AB":"…"} is measured as JSON.
	fits := strings.Repeat("x", 4096-len(`{"AB":""}`))
	body := function + "      FunctionName: my-fn\n      Environment: {Variables: {AB: "
	if got := app(t, body+fits+"}}\n", template.Options{}).Functions[0].Environment["AB"]; got != fits {
		t.Errorf("AB has %d bytes, want %d", len(got), len(fits))
	}
	wantProblems(t, problems(t, body+fits+"x}}\n", template.Options{}),
		"template.yaml:4: Fn.Environment.Variables: the variables of my-fn take 4097 bytes as JSON, and Lambda allows 4096")
}

func TestUnquotedScalars(t *testing.T) {
	t.Parallel()
	tests := []struct{ written, want string }{
		{"yes", "true"}, {"No", "false"}, {"ON", "true"}, {"off", "false"}, {"True", "true"},
		{"012", "10"}, {"0x1F", "31"}, {"0b11", "3"}, {"1_000", "1000"}, {"+5", "5"}, {"-012", "-10"},
		{"22:30", "1350"}, {"-1:30", "-90"},
		{"1.10", "1.1"}, {"1.", "1.0"}, {".5", "0.5"}, {"1.5e+3", "1500.0"}, {"1.0e-10", "1e-10"},

		{"true", ""}, {"0", ""}, {"42", ""}, {"-7", ""}, {"1.0", ""}, {"1.5", ""},
		{"089", ""}, {"0o17", ""}, {"1e3", ""}, {"y", ""}, {"2026-11-24", ""}, {"1.2.3", ""}, {"127.0.0.1", ""}, {"::1", ""}, {"a:b", ""},
		{"123456789012", ""}, {".inf", ""}, {"'012'", ""}, {`"yes"`, ""}, {"!!str 012", ""},
	}
	for _, test := range tests {
		t.Run(test.written, func(t *testing.T) {
			t.Parallel()
			a := app(t, function+"      Environment:\n        Variables:\n          AB: "+test.written+"\n", template.Options{})
			got := a.Functions[0].Environment["AB"]
			if test.want == "" { // it is what it looks like
				want := strings.Trim(strings.TrimPrefix(test.written, "!!str "), `'"`)
				if got != want || len(a.Warnings) > 0 {
					t.Errorf("AB is %q, want %q; warnings %v", got, want, a.Warnings)
				}
				return
			}
			if got != test.want {
				t.Errorf("AB is %q, want %q", got, test.want)
			}
			wantProblems(t, texts(a.Warnings), fmt.Sprintf("template.yaml:10: Fn.Environment.Variables.AB: %s without quotes is %s in YAML 1.1", test.written, test.want))
		})
	}
}
