package template

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// FuzzResolve feeds any text to Parse and Resolve: neither may panic, both
// must end soon, and what is wrong must come as Problems with an application
// only if there are none.
func FuzzResolve(f *testing.F) {
	for _, path := range seeds(f) {
		data, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(data), false)
		f.Add(string(data), true)
	}
	for _, text := range []string{
		"Resources: {A: {Type: AWS::Serverless::Function, Properties: &p {Environment: !If [C, *q, !Ref AWS::NoValue]}}}\n",
		"Conditions: {A: !Condition B, B: !Not [!Condition A]}\nResources: {T: {Type: 'AWS::SNS::Topic', Condition: A}}\n",
		"Transform: AWS::Serverless-2016-10-31\nGlobals: {Function: {Layers: [!Split [',', !Ref P]]}}\nParameters: {P: {Type: CommaDelimitedList, Default: 'a,b'}}\nResources: {}\n",
		"Mappings: {M: {K: {V: [a]}}}\nResources: {F: {Type: AWS::Serverless::Function, Properties: {FunctionName: !Select [0, !FindInMap [M, K, V]], CodeUri: !Sub ['${a}', {a: !Base64 b}]}}}\n",
		`{"Resources": {"A": {"Type": "AWS::Serverless::HttpApi", "Properties": {"CorsConfiguration": {"AllowOrigins": [{"Fn::Join": ["", ["a", {"Ref": "A"}]]}]}}}}}`,
	} {
		f.Add(text, false)
	}
	dir, err := filepath.Abs("testdata/shop") // where the first seed finds its functions
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text string, lenient bool) {
		if len(text) > maxBytes {
			return
		}
		start := time.Now()
		tmpl, err := parse("template.yaml", dir, []byte(text))
		if err != nil {
			demandProblems(t, err)
			return
		}
		app, err := tmpl.Resolve(Options{Cache: Endpoint{Host: "localhost", Port: 6379}, Lenient: lenient})
		if err != nil {
			demandProblems(t, err)
		}
		if (app == nil) != (err != nil) {
			t.Errorf("app is %v and error %v", app, err)
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// FuzzReadConfig feeds any text to ReadConfig.
func FuzzReadConfig(f *testing.F) {
	data, err := os.ReadFile("testdata/shop/samconfig.toml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(data), "")
	f.Add(string(data), "wide")
	f.Add("[a.global.parameters]\nparameter_overrides = 'A=\"b c\" ParameterKey=D,ParameterValue=e\\ f'\n", "a")
	f.Fuzz(func(t *testing.T, text, env string) {
		if _, err := readConfig("samconfig.toml", env, []byte(text)); err != nil {
			if p := (Problem{}); !errors.As(err, &p) {
				t.Errorf("%v is no Problem", err)
			}
		}
	})
}

func demandProblems(t *testing.T, err error) {
	t.Helper()
	var ps Problems
	if !errors.As(err, &ps) || len(ps) == 0 {
		t.Fatalf("error is %v, want Problems", err)
	}
	for _, p := range ps {
		if p.File == "" || p.Reason == "" {
			t.Errorf("%+v says too little", p)
		}
	}
}

func seeds(f *testing.F) (paths []string) {
	for _, pattern := range []string{"testdata/*/template.yaml", "testdata/*/template.json"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			f.Fatalf("%s: %v, %v", pattern, found, err)
		}
		paths = append(paths, found...)
	}
	return paths
}
