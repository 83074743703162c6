package template_test

import (
	"strings"
	"testing"

	"photofinish/localdev/template"
)

// withParameter is a template whose variable VAR has the value of parameter P,
// which has these attributes.
func withParameter(attributes string) string {
	return "Parameters:\n  P: {" + attributes + "}\n" + function + "      Environment: {Variables: {VAR: !Ref P}}\n"
}

func TestParameterValues(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, attributes string
		given            string // override; "-" for none
		want             string // value, or else the problem
	}{
		{"default", "Type: String, Default: a", "-", "a"},
		{"override", "Type: String, Default: a", "b", "b"},
		{"empty override", "Type: String, Default: a", "", ""},
		{"boolean default", "Type: String, Default: yes, AllowedValues: [true, false]", "-", "true"},
		{"number", "Type: Number, Default: 1.5, MinValue: 1, MaxValue: 2", "-", "1.5"},
		{"id", "Type: AWS::EC2::VPC::Id", "vpc-1", "vpc-1"},
		{"stored, given", "Type: AWS::SSM::Parameter::Value<String>, Default: /a", "value", "value"},
		{"pattern", "Type: String, AllowedPattern: '[a-z]+|[0-9]+'", "123", "123"},
		{"length in characters", "Type: String, MinLength: 3, MaxLength: 3", "äöü", "äöü"},

		{"allowed values", "Type: String, AllowedValues: [small, large]", "lagre",
			`2: Parameters.P: the given value "lagre" is not one of AllowedValues: small, large; did you mean large?`},
		{"allowed values of a default", "Type: String, AllowedValues: [a, b], Default: c", "-", `2: Parameters.P: the Default "c" is not one of AllowedValues: a, b`},
		{"pattern covers all", "Type: String, AllowedPattern: '[a-z]+|[0-9]+', ConstraintDescription: letters or digits", "ab1",
			`2: Parameters.P: the given value "ab1" does not match AllowedPattern [a-z]+|[0-9]+ (letters or digits)`},
		{"too short", "Type: String, MinLength: 3", "ab", `2: Parameters.P: the given value "ab" breaks MinLength 3`},
		{"too long", "Type: String, MaxLength: 1", "ab", `2: Parameters.P: the given value "ab" breaks MaxLength 1`},
		{"no number", "Type: Number", "ten", `2: Parameters.P: the given value "ten" is not a number`},
		{"hexadecimal", "Type: Number", "0x10", `2: Parameters.P: the given value "0x10" is not a number`},
		{"infinite", "Type: Number", "Inf", `2: Parameters.P: the given value "Inf" is not a number`},
		{"too low", "Type: Number, MinValue: 1", "0.5", `2: Parameters.P: the given value "0.5" breaks MinValue 1`},
		{"too high", "Type: Number, MaxValue: 10", "11", `2: Parameters.P: the given value "11" breaks MaxValue 10`},
		{"secret", "Type: String, NoEcho: true, MinLength: 9", "hunter2", "2: Parameters.P: the given value (hidden by NoEcho) breaks MinLength 9"},
		{"long value", "Type: String", strings.Repeat("x", 4097), "2: Parameters.P: the given value has more than 4096 bytes"},
		{"one of a list", "Type: CommaDelimitedList, AllowedValues: [a, b]", "a, c", `2: Parameters.P: the given value "c" is not one of AllowedValues`},
		{"list of numbers", "Type: List<Number>", "1,b", `2: Parameters.P: the given value "b" is not a number`},

		{"no type", "Default: a", "-", "2: Parameters.P.Type: is missing"},
		{"unknown type", "Type: Strnig", "-", "2: Parameters.P.Type: there is no parameter type Strnig; did you mean String?"},
		{"unknown attribute", "Type: String, Defualt: a, Default: b", "-", "2: Parameters.P.Defualt: no such property; did you mean Default?"},
		{"function", "Type: String, Default: !Ref AWS::Region", "-", "2: Parameters.P.Default: the Parameters section takes no intrinsic functions"},
		{"list as default", "Type: CommaDelimitedList, Default: [a]", "-", "2: Parameters.P.Default: must be text, not a list"},
		{"malformed rule", "Type: String, MinLength: x, Default: a", "-", `2: Parameters.P.MinLength: must be a number, not "x"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var o template.Options
			if test.given != "-" {
				o.Parameters = map[string]string{"P": test.given}
			}
			a, err := resolve(t, withParameter(test.attributes), o)
			if err != nil {
				wantProblems(t, lines(t, err), "template.yaml:"+test.want)
				return
			}
			if got := a.Functions[0].Environment["VAR"]; got != test.want {
				t.Errorf("VAR is %q, want %q", got, test.want)
			}
		})
	}
}

func TestUnknownOverrideListsTheParameters(t *testing.T) {
	t.Parallel()
	body := "Parameters:\n  RedisTls: {Type: String, Default: a}\n  Fanout: {Type: Number, Default: 1}\n" + function + "      Timeout: 3\n"
	got := problems(t, body, template.Options{Parameters: map[string]string{"RedisTLS": "b", "Other": "c"}})
	wantProblems(t, got,
		"template.yaml:2: Parameters.Other: the template has no such parameter; it has: Fanout, RedisTls",
		"template.yaml:2: Parameters.RedisTLS: the template has no such parameter; it has: Fanout, RedisTls; did you mean RedisTls?")

	got = problems(t, function+"      Timeout: 3\n", template.Options{Parameters: map[string]string{"A": "b"}})
	wantProblems(t, got, "template.yaml: Parameters.A: the template has no such parameter; it has: none")
}

func TestPatternThatGoCannotExpressIsAWarning(t *testing.T) {
	t.Parallel()
	a := app(t, withParameter("Type: String, Default: a, AllowedPattern: '(?=x)y'"), template.Options{})
	wantProblems(t, texts(a.Warnings), "template.yaml:2: Parameters.P.AllowedPattern: is not checked here")
}

func TestConditions(t *testing.T) {
	t.Parallel()
	const parameters = "Parameters:\n  Env: {Type: String, Default: dev}\n  Unset: {Type: String}\n  List: {Type: CommaDelimitedList, Default: 'a,b'}\n"
	tests := []struct{ condition, want string }{
		{`!Equals [!Ref Env, dev]`, "true"},
		{`!Equals [a, b]`, "false"},
		{`!Equals [true, "true"]`, "true"},
		{`!Equals [!Ref List, [a, b]]`, "true"},
		{`!Equals [!Ref List, "a,b"]`, "false"},
		{`!Equals [!Select [0, !Ref List], a]`, "true"},
		{`{"Fn::Equals": [{"Fn::Sub": "${Env}-1"}, dev-1]}`, "true"},
		{`!Not [!Equals [a, b]]`, "true"},
		{`!And [!Equals [a, a], !Condition True]`, "true"},
		{`!And [!Equals [a, a], !Not [!Condition True]]`, "false"},
		{`!Or [!Equals [a, b], Condition: True]`, "true"},
		{`!Or [!Equals [a, b], !Equals [a, b]]`, "false"},
		{`!Condition True`, "true"},

		{`!Equals [a]`, "6: Conditions.C: Fn::Equals takes a list of two values"},
		{`!Equals [!Ref Unset, a]`, "6: Conditions.C: parameter Unset has no value"},
		{`!Equals [!Ref Fn, a]`, "6: Conditions.C: conditions cannot refer to resources such as Fn"},
		{`!Equals [!Ref AWS::NoValue, a]`, "6: Conditions.C: AWS::NoValue leaves this without a value"},
		{`!Equals [{a: b}, a]`, "6: Conditions.C: must be text, not a mapping"},
		{`!And [!Condition True]`, "6: Conditions.C: Fn::And takes a list of 2 to 10 conditions"},
		{`!Not [!Condition Ture]`, "6: Conditions.C: there is no condition Ture; did you mean True?"},
		{`!Not [!Condition C]`, "6: Conditions.C: condition C depends on itself"},
		{`!Or [!Condition True, !Condition D]`, "7: Conditions.D: condition C depends on itself"},
		{`!Ref Env`, "6: Conditions.C: Ref is not a condition function"},
		{`{"Fn::Equal": [a, b]}`, "6: Conditions.C: Fn::Equal is not a condition function; did you mean Fn::Equals?"},
		{`true`, "6: Conditions.C: must be one of the condition functions"},
	}
	for _, test := range tests {
		t.Run(test.condition, func(t *testing.T) {
			t.Parallel()
			body := parameters + "Conditions:\n  C: " + test.condition + "\n  D: !Not [!Condition C]\n  \"True\": !Equals [a, a]\n" + function +
				"      Environment: {Variables: {VAR: !If [C, true, false]}}\n"
			body = strings.ReplaceAll(body, "Condition True", `Condition "True"`)
			body = strings.ReplaceAll(body, "Condition: True", `Condition: "True"`)
			a, err := resolve(t, body, template.Options{})
			if err != nil {
				wantProblems(t, lines(t, err), "template.yaml:"+test.want)
				return
			}
			if got := a.Functions[0].Environment["VAR"]; got != test.want {
				t.Errorf("VAR is %q, want %q", got, test.want)
			}
		})
	}
}

func TestResourceConditions(t *testing.T) {
	t.Parallel()
	body := `Transform: AWS::Serverless-2016-10-31
Parameters: {Env: {Type: String, Default: dev}}
Conditions: {IsProd: !Equals [!Ref Env, prod]}
Globals: {Function: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: app}}
Resources:
  Always:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties: {Events: {A: {Type: HttpApi, Properties: {ApiId: !If [IsProd, !Ref Api, !Ref AWS::NoValue], Path: /a, Method: get}}}}
  Sometimes:
    Type: AWS::Serverless::Function
    Condition: IsProd
    Metadata: {BuildMethod: go1.x}
    Properties: {Events: {B: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: /b, Method: get}}}}
  Api: {Type: AWS::Serverless::HttpApi, Condition: IsProd}
`
	dev := app(t, body, template.Options{})
	if len(dev.Functions) != 1 || len(dev.APIs) != 1 || dev.APIs[0].LogicalID != "ServerlessHttpApi" || len(dev.APIs[0].Routes) != 1 {
		t.Errorf("dev: %+v", dev)
	}
	prod := app(t, body, template.Options{Parameters: map[string]string{"Env": "prod"}})
	if len(prod.Functions) != 2 || len(prod.APIs) != 1 || prod.APIs[0].LogicalID != "Api" || len(prod.APIs[0].Routes) != 2 {
		t.Errorf("prod: %+v", prod)
	}
	got := problems(t, strings.Replace(body, "Condition: IsProd", "Condition: IsPord", 1), template.Options{})
	wantProblems(t, got, "template.yaml:12: Sometimes.Condition: there is no condition IsPord; did you mean IsProd?")
}
