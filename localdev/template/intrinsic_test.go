package template_test

import (
	"strings"
	"testing"

	"photofinish/localdev/template"
)

// around is a template whose variable VAR has the given value, between other
// things that a value may refer to.
func around(value string) string {
	return `Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: app}}
Parameters:
  Word: {Type: String, Default: hello}
  Empty: {Type: String, Default: ""}
  Names: {Type: CommaDelimitedList, Default: "a, b ,c"}
  Ports: {Type: List<Number>, Default: "80,443"}
  NoValue: {Type: String}
  Stored: {Type: "AWS::SSM::Parameter::Value<String>", Default: /shop/key}
Conditions:
  IsHello: !Equals [!Ref Word, hello]
  IsOther: !Not [!Condition IsHello]
Mappings:
  Regions: {us-east-1: {Name: Virginia, Zones: [a, b]}, eu-west-1: {Name: Ireland}}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties:
      Environment: {Variables: {VAR: ` + value + `}}
  Other:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties: {FunctionName: !Sub "${AWS::StackName}-other", AutoPublishAlias: live}
  Absent:
    Type: AWS::SNS::Topic
    Condition: IsOther
  Topic: {Type: AWS::SNS::Topic}
  Plain: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}}
  Api: {Type: AWS::Serverless::HttpApi}
  Group: {Type: AWS::ElastiCache::ReplicationGroup}
  Node: {Type: AWS::ElastiCache::CacheCluster}
  Serverless: {Type: AWS::ElastiCache::ServerlessCache}
  Memory: {Type: AWS::MemoryDB::Cluster}
`
}

var cache = template.Endpoint{Host: "localhost", Port: 7000}

func TestIntrinsicFunctions(t *testing.T) {
	t.Parallel()
	tests := []struct{ value, want string }{
		{`!Ref Word`, "hello"},
		{`{Ref: Word}`, "hello"},
		{`!Ref Empty`, ""},
		{`!Ref AWS::Region`, "us-east-1"},
		{`!Ref AWS::AccountId`, "123456789012"},
		{`!Ref AWS::StackName`, "local"},
		{`!Ref AWS::Partition`, "aws"},
		{`!Ref AWS::URLSuffix`, "amazonaws.com"},
		{`!Ref AWS::StackId`, "arn:aws:cloudformation:us-east-1:123456789012:stack/local/00000000-0000-0000-0000-000000000000"},
		{`!Join ["", !Ref AWS::NotificationARNs]`, ""},
		{`!Ref Other`, "local-other"},
		{`!Ref Other.Alias`, "arn:aws:lambda:us-east-1:123456789012:function:local-other:live"},
		{`!Sub "${Other.Alias}"`, "arn:aws:lambda:us-east-1:123456789012:function:local-other:live"},
		{`!GetAtt Other.Arn`, "arn:aws:lambda:us-east-1:123456789012:function:local-other"},
		{`!GetAtt [Other, Arn]`, "arn:aws:lambda:us-east-1:123456789012:function:local-other"},
		{`{"Fn::GetAtt": [Other, Arn]}`, "arn:aws:lambda:us-east-1:123456789012:function:local-other"},
		{`{"Fn::GetAtt": Other.Arn}`, "arn:aws:lambda:us-east-1:123456789012:function:local-other"},

		{`!GetAtt Group.PrimaryEndPoint.Address`, "localhost"},
		{`!GetAtt Group.PrimaryEndPoint.Port`, "7000"},
		{`!GetAtt [Group, ReaderEndPoint.Address]`, "localhost"},
		{`!GetAtt Group.ReadEndPoint.Addresses`, "[localhost]"},
		{`!Select [0, !GetAtt Group.ReadEndPoint.Ports.List]`, "7000"},
		{`!Sub "${Group.ConfigurationEndPoint.Address}:${Group.ConfigurationEndPoint.Port}"`, "localhost:7000"},
		{`!GetAtt Node.RedisEndpoint.Address`, "localhost"},
		{`!GetAtt Node.ConfigurationEndpoint.Port`, "7000"},
		{`!GetAtt Serverless.Endpoint.Address`, "localhost"},
		{`!GetAtt Serverless.ReaderEndpoint.Port`, "7000"},
		{`!GetAtt Memory.ClusterEndpoint.Address`, "localhost"},

		{`!Sub plain`, "plain"},
		{`!Sub "${Word} ${!Word} $ {} ${AWS::Region}"`, "hello ${Word} $ {} us-east-1"},
		{`!Sub "${unclosed"`, "${unclosed"},
		{`!Sub ["${Word}-${x}-${Other.Arn}", {x: !Ref AWS::Region, Other.Arn: mine}]`, "hello-us-east-1-mine"},
		{`{"Fn::Sub": ["${x}", {x: {"Fn::Join": ["+", [1, two]]}}]}`, "1+two"},

		{`!Join ["-", [a, !Ref Word, 3, !Ref AWS::NoValue]]`, "a-hello-3"},
		{`!Join [",", !Ref Names]`, "a,b,c"},
		{`!Join ["+", !Ref Ports]`, "80+443"},
		{`!Join ["/", !Split [".", a.b.c]]`, "a/b/c"},
		{`!Join ["", [!If [IsHello, x, y], {"Fn::If": [IsOther, x, y]}]]`, "xy"},
		{`!Select [1, !Ref Names]`, "b"},
		{`!Select ["2", [a, b, !Ref Word]]`, "hello"},
		{`!Select [0, !GetAZs ""]`, "us-east-1a"},
		{`!Select [2, !GetAZs eu-west-1]`, "eu-west-1c"},
		{`!FindInMap [Regions, !Ref AWS::Region, Name]`, "Virginia"},
		{`!Join ["", !FindInMap [Regions, us-east-1, Zones]]`, "ab"},
		{`!FindInMap [Regions, mars-1, Name, {DefaultValue: nowhere}]`, "nowhere"},
		{`!Base64 hello`, "aGVsbG8="},
		{`{"Fn::Base64": !Sub "${Word}!"}`, "aGVsbG8h"},
		{`!If [IsHello, !Ref Word, !Ref NoValue]`, "hello"},
		{`!If [IsOther, !Ref NoValue, !If [IsHello, inner, !Ref Nonsense]]`, "inner"},
	}
	for _, test := range tests {
		t.Run(test.value, func(t *testing.T) {
			t.Parallel()
			a := app(t, around(test.value), template.Options{Cache: cache})
			if got, ok := a.Functions[0].Environment["VAR"]; got != test.want || !ok {
				t.Errorf("VAR is %q (set: %t), want %q", got, ok, test.want)
			}
			if len(a.Warnings) > 0 {
				t.Errorf("warnings: %v", a.Warnings)
			}
		})
	}
}

func TestNoValueRemovesTheVariable(t *testing.T) {
	t.Parallel()
	for _, value := range []string{`!Ref AWS::NoValue`, `!If [IsOther, x, !Ref AWS::NoValue]`} {
		a := app(t, around(value), template.Options{})
		if got, ok := a.Functions[0].Environment["VAR"]; ok {
			t.Errorf("%s: VAR is %q, want it unset", value, got)
		}
	}
}

func TestPseudoParametersFollowTheOptions(t *testing.T) {
	t.Parallel()
	value := `!Sub "${AWS::Partition} ${AWS::URLSuffix} ${AWS::Region} ${AWS::AccountId} ${AWS::StackName} ${Other}"`
	for region, want := range map[string]string{
		"cn-north-1":    "aws-cn amazonaws.com.cn cn-north-1 210987654321 shop shop-other",
		"us-gov-west-1": "aws-us-gov amazonaws.com us-gov-west-1 210987654321 shop shop-other",
	} {
		a := app(t, around(value), template.Options{Region: region, AccountID: "210987654321", StackName: "shop"})
		if got := a.Functions[0].Environment["VAR"]; got != want {
			t.Errorf("VAR is %q, want %q", got, want)
		}
	}
}

func TestReferencesWithoutLocalValue(t *testing.T) {
	t.Parallel()
	tests := []struct{ value, want, warning string }{
		{`!Ref Topic`, "Topic", "Ref of Topic (AWS::SNS::Topic) has no local value"},
		{`!GetAtt Topic.TopicName`, "local-Topic-TopicName", "attribute TopicName of Topic (AWS::SNS::Topic) has no local value"},
		{`!GetAtt Memory.ARN`, "local-Memory-ARN", "attribute ARN of Memory"},
		{`!Sub "${Topic}!"`, "Topic!", "Ref of Topic"},
		{`!GetAtt OtherRole.Arn`, "local-OtherRole-Arn", "attribute Arn of OtherRole (AWS::IAM::Role)"},
		{`!GetAtt Api.ApiEndpoint`, "https://zyirocpvjr.execute-api.us-east-1.amazonaws.com", "attribute ApiEndpoint of Api"},
		{`"{{resolve:secretsmanager:shop:SecretString:key}}"`, "", "is empty here: {{resolve:secretsmanager:shop:SecretString:key}} has no value"},
		{`!Sub "x-{{resolve:ssm:/${Word}}}-y"`, "", "is empty here: {{resolve:ssm:/hello}} has no value"},
	}
	for _, test := range tests {
		t.Run(test.value, func(t *testing.T) {
			t.Parallel()
			a := app(t, around(test.value), template.Options{})
			if got, ok := a.Functions[0].Environment["VAR"]; got != test.want || !ok {
				t.Errorf("VAR is %q (set: %t), want %q", got, ok, test.want)
			}
			wantProblems(t, texts(a.Warnings), "template.yaml:20: Fn.Environment.Variables.VAR: "+test.warning)
		})
	}
}

func TestIntrinsicMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct{ value, want string }{
		{`!Ref Wrod`, "there is no parameter or resource Wrod; did you mean Word?"},
		{`!Ref Topci`, "there is no parameter or resource Topci; did you mean Topic?"},
		{`!Ref AWS::Regoin`, "there is no pseudo parameter AWS::Regoin; did you mean Region?"},
		{`!Ref NoValue`, "parameter NoValue has no value: it has no Default, and none is given"},
		{`!Ref Stored`, "parameter Stored takes its value from /shop/key in Systems Manager"},
		{`!Ref Absent`, "Absent does not exist: its condition IsOther is false"},
		{`!Ref [a]`, "Ref takes a name, not a list"},
		{`!Ref Names`, "must be text, not a list; Fn::Join makes one of a list"},
		{`!Ref Other.Version`, "Other.Version: functions have no published versions locally"},
		{`!Ref Plain.Alias`, "Plain.Alias needs AutoPublishAlias on Plain"},
		{`!GetAtt Other`, `Fn::GetAtt takes Resource.Attribute, not "Other"`},
		{`!GetAtt [Other]`, "Fn::GetAtt takes Resource.Attribute, or [resource, attribute]"},
		{`!GetAtt Other.arn`, "a function has no attribute arn; did you mean Arn?"},
		{`!GetAtt Nobody.Arn`, "there is no parameter or resource Nobody"},
		{`!GetAtt Api.Endpoint`, "an HTTP API has no attribute Endpoint"},
		{`!GetAtt Group.ConfigurationEndpoint.Address`, "AWS::ElastiCache::ReplicationGroup has no attribute ConfigurationEndpoint.Address; did you mean ConfigurationEndPoint.Address?"},
		{`!GetAtt Node.PrimaryEndPoint.Address`, "AWS::ElastiCache::CacheCluster has no attribute PrimaryEndPoint.Address"},
		{`!GetAtt Memory.ClusterEndpoint.Port`, "ClusterEndpoint.Port of Memory needs a cache, and the emulator runs none"},
		{`!Sub "${Wrod}"`, "there is no parameter or resource Wrod; did you mean Word?"},
		{`!Sub "${a b}"`, "${a b} in Fn::Sub is not a name"},
		{`!Sub "${Names}"`, "must be text, not a list"},
		{`!Sub "${AWS::NoValue}"`, "${AWS::NoValue} cannot stand inside text"},
		{`!Sub [x]`, "Fn::Sub takes text, or [text, mapping]"},
		{`!Sub [x, y]`, "the second argument of Fn::Sub must be a mapping, not text"},
		{`!Sub {a: b}`, "Fn::Sub takes a name, not a mapping"},
		{`!Join [a]`, "Fn::Join takes [delimiter, list]"},
		{`!Join [a, b]`, "must be a list, not text"},
		{`!Join ["", [[a]]]`, "must be text, not a list"},
		{`!Split ["", abc]`, "the delimiter of Fn::Split is empty"},
		{`!Split [",", "a,b"]`, "must be text, not a list"},
		{`!Select [3, !Ref Names]`, `Fn::Select has no element "3" in a list of 3`},
		{`!Select [-1, !Ref Names]`, `Fn::Select has no element "-1" in a list of 3`},
		{`!FindInMap [Region, us-east-1, Name]`, "Mappings has no map Region; did you mean Regions?"},
		{`!FindInMap [Regions, us-east-2, Name]`, "Mappings has no key Regions → us-east-2; did you mean us-east-1?"},
		{`!FindInMap [Regions, eu-west-1, name]`, "Mappings has no key eu-west-1 → name; did you mean Name?"},
		{`!If [IsHelo, a, b]`, "there is no condition IsHelo; did you mean IsHello?"},
		{`!If [IsHello, a]`, "Fn::If takes [condition, value if true, value if false]"},
		{`!If [!Condition IsHello, a, b]`, "the first argument of Fn::If takes a name, not a mapping"},
		{`!Equals [a, b]`, "Fn::Equals belongs into the Conditions section"},
		{`!ImportValue x`, "Fn::ImportValue takes its value from another stack"},
		{`!Cidr ["10.0.0.0/16", 2, 8]`, "Fn::Cidr is not supported"},
		{`{"Fn::Subb": x}`, "there is no intrinsic function Fn::Subb; did you mean Fn::Sub?"},
		{`{"Fn::Sub": x, Other: y}`, "Fn::Sub must be the only key of its mapping"},
		{`{a: b}`, "must be text, not a mapping"},
		{``, "is empty; CloudFormation allows no null values"},
		{`!Join ["", [a, ~]]`, "is empty; CloudFormation allows no null values"},
	}
	for _, test := range tests {
		t.Run(test.value, func(t *testing.T) {
			t.Parallel()
			got := problems(t, around(test.value), template.Options{})
			wantProblems(t, got, "template.yaml:20: Fn.Environment.Variables.VAR: "+test.want)
		})
	}
}

func TestEvaluationIsBounded(t *testing.T) {
	t.Parallel()
	var doubled strings.Builder
	doubled.WriteString(function + "      Environment: {Variables: {VAR: *z}}\nMetadata:\n  a: &a xxxxxxxxxxxxxxxx\n")
	name := "a"
	for i := range 25 {
		next := "b" + strings.Repeat("b", i)
		doubled.WriteString("  " + next + ": &" + next + " !Join ['', [*" + name + ", *" + name + "]]\n")
		name = next
	}
	body := strings.Replace(doubled.String(), "*z", "*"+name, 1)
	// Anchors have to come before their aliases.
	head, tail, _ := strings.Cut(body, "Metadata:\n  a:")
	got := problems(t, "Metadata:\n  a:"+tail+head, template.Options{})
	if len(got) != 1 || !strings.Contains(got[0], "takes too much work") {
		t.Errorf("problems are %q", got)
	}
}

func TestAliasesAndMergeKeys(t *testing.T) {
	t.Parallel()
	a := app(t, `Transform: AWS::Serverless-2016-10-31
Metadata:
  Common: &common {A1: one, B1: two}
  More: &more {B1: other, C1: three}
  Greeting: &greeting !Sub "hi ${AWS::Region}"
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties:
      Runtime: &runtime provided.al2023
      Handler: *runtime
      CodeUri: app
      Environment:
        Variables: {<<: [*common, *more], A1: mine, D1: *greeting}
`, template.Options{})
	want := map[string]string{"A1": "mine", "B1": "two", "C1": "three", "D1": "hi us-east-1"}
	if got := a.Functions[0].Environment; len(got) != 4 || got["A1"] != want["A1"] || got["B1"] != want["B1"] || got["C1"] != want["C1"] || got["D1"] != want["D1"] {
		t.Errorf("environment is %v, want %v", got, want)
	}
	if got := a.Functions[0].Handler; got != "provided.al2023" {
		t.Errorf("handler is %q", got)
	}
}
