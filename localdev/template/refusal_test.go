package template_test

import (
	"strings"
	"testing"

	"photofinish/localdev/template"
)

func TestResourceTypes(t *testing.T) {
	t.Parallel()
	tests := []struct{ resource, want string }{
		{"{Type: AWS::EC2::SecurityGroup, Properties: {VpcId: !Ref NoSuchThing}}", ""},
		{"{Type: AWS::ElastiCache::ReplicationGroup}", ""},
		{"{Type: AWS::MemoryDB::Cluster}", ""},
		{"{Type: AWS::IAM::Role, DependsOn: Fn, DeletionPolicy: Retain, UpdateReplacePolicy: Delete}", ""},
		{"{Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub '/aws/lambda/${Fn}'}}", ""},
		{"{Type: AWS::CloudWatch::Alarm, Properties: {Dimensions: [{Value: !Ref Fn}]}}", ""},
		{"{Type: AWS::Lambda::Permission, Properties: {FunctionName: !Ref Fn}}", ""},
		{"{Type: AWS::Serverless::SimpleTable}", ""},
		{"{Type: AWS::ECS::TaskDefinition, Properties: {ContainerDefinitions: [{Environment: [{Value: !Ref Fn}]}]}}", ""},
		{"{Type: AWS::SNS::Topic}", ""},
		{"{Type: AWS::Events::Rule, Properties: {Targets: [{Arn: !Ref Topic}]}}", ""},
		{"{Type: AWS::Events::Rule, Properties: {Targets: [{Arn: !If [No1, !GetAtt Fn.Arn, x]}]}}", ""},
		{"{Type: AWS::Events::Rule, Condition: No1, Properties: {Targets: [{Arn: !GetAtt Fn.Arn}]}}", ""},
		{"{Type: AWS::Scheduler::Schedule, Properties: {Target: {Arn: !GetAtt Service.Arn}}}", ""},
		{"{Type: Custom::Seed, Properties: {ServiceToken: arn}}", ""},
		{"{Type: AWS::Serverless::Api, Condition: No1}", ""},

		{"{Type: AWS::Serverless::Api}", "R.Type: AWS::Serverless::Api is not emulated: a REST API differs"},
		{"{Type: AWS::Serverless::Fuction}", "R.Type: AWS::Serverless::Fuction is not emulated: the emulator knows AWS::Serverless::Function and AWS::Serverless::HttpApi; did you mean AWS::Serverless::Function?"},
		{"{Type: AWS::Serverless::Application}", "R.Type: AWS::Serverless::Application is not emulated"},
		{"{Type: AWS::Serverless::StateMachine}", "R.Type: AWS::Serverless::StateMachine is not emulated"},
		{"{Type: AWS::Lambda::Function}", "R.Type: AWS::Lambda::Function is not emulated: declare the function as AWS::Serverless::Function"},
		{"{Type: AWS::Lambda::EventSourceMapping}", "R.Type: AWS::Lambda::EventSourceMapping is not emulated"},
		{"{Type: AWS::Lambda::Url}", "R.Type: AWS::Lambda::Url is not emulated"},
		{"{Type: AWS::ApiGatewayV2::Api}", "R.Type: AWS::ApiGatewayV2::Api is not emulated"},
		{"{Type: AWS::ApiGateway::RestApi}", "R.Type: AWS::ApiGateway::RestApi is not emulated"},
		{"{Type: AWS::CloudFormation::Stack}", "R.Type: AWS::CloudFormation::Stack is not emulated"},
		{"{Type: AWS::Events::Rule, Properties: {Targets: [{Arn: !GetAtt Fn.Arn}]}}", "R: AWS::Events::Rule would invoke Fn, and does not do so locally"},
		{"{Type: AWS::SNS::Subscription, Properties: {Endpoint: {'Fn::GetAtt': [Fn, Arn]}}}", "R: AWS::SNS::Subscription would invoke Fn"},
		{"{Type: AWS::S3::Bucket, Properties: {NotificationConfiguration: {A: [{Function: !Sub '${Fn.Arn}'}]}}}", "R: AWS::S3::Bucket would invoke Fn"},
		{"{Type: Custom::Seed, Properties: {ServiceToken: !GetAtt Fn.Arn}}", "R: Custom::Seed would invoke Fn"},

		{"{Type: Function}", `R.Type: "Function" is not the name of a resource type`},
		{"{Type: !Ref X}", "R.Type: Type takes a name, not a mapping"},
		{"{Properties: {}}", "R.Type: is missing"},
		{"{Type: AWS::SNS::Topic, Propertes: {}}", "R.Propertes: no such property; did you mean Properties?"},
		{"{Type: AWS::SNS::Topic, Condition: [a]}", "R.Condition: Condition takes a name, not a list"},
		{"text", "R: must be a mapping, not text"},
	}
	for _, test := range tests {
		t.Run(test.resource, func(t *testing.T) {
			t.Parallel()
			body := "Conditions: {No1: !Equals [a, b]}\n" + function + "      Timeout: 3\n  R: " + test.resource + "\n  Topic: {Type: AWS::SNS::Topic}\n" +
				"  Service: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x, Localdev: {Run: service}}}\n"
			if test.want == "" {
				if a := app(t, body, template.Options{}); len(a.Warnings) > 0 {
					t.Errorf("warnings: %v", a.Warnings)
				}
				return
			}
			wantProblems(t, problems(t, body, template.Options{}), "template.yaml:10: "+test.want)
		})
	}
}

func TestSections(t *testing.T) {
	t.Parallel()
	tests := []struct{ body, want string }{
		{"Resources: {Api: {Type: AWS::Serverless::HttpApi}}\n", "template.yaml:1: Transform: is missing: AWS::Serverless resources need Transform: AWS::Serverless-2016-10-31"},
		{"Transform: AWS::LanguageExtensions\nResources: {Api: {Type: AWS::Serverless::HttpApi}}\n", "template.yaml:1: Transform: AWS::Serverless resources need"},
		{"Transform: AWS::Serverless-2016-10-13\nResources: {}\n", "template.yaml:1: Transform: the macro AWS::Serverless-2016-10-13 changes the template in a way only CloudFormation knows; did you mean AWS::Serverless-2016-10-31?"},
		{"Transform: [{Name: AWS::Include}]\nResources: {}\n", "template.yaml:1: Transform: a macro changes the template"},
		{"Resources: {'Fn::ForEach::Topics': [x]}\n", "template.yaml:1: Resources.Fn::ForEach::Topics: only CloudFormation itself can expand this"},
		{"Resources: {'Fn::ForEach::Topics': [x], T: {Type: AWS::SNS::Topic, Properties: {'Fn::ForEach::A': [x]}}}\n", "template.yaml:1: Resources.Fn::ForEach::Topics: only CloudFormation itself can expand this"},
		{"Fn::Transform: {}\nResources: {}\n", "template.yaml:1: Fn::Transform: only CloudFormation itself can expand this"},
		{"Resources: []\n", "template.yaml:1: Resources: must be a mapping, not a list"},
		{"Resources: {}\nParameters:\n", "template.yaml:2: Parameters: is empty; CloudFormation allows no null values"},
		{"Resources: {}\nParameter: {}\n", "template.yaml:2: Parameter: no such section; did you mean Parameters?"},
		{"Resources: {My-Topic: {Type: AWS::SNS::Topic}}\n", "template.yaml:1: My-Topic: a logical id has 1 to 255 letters and digits"},
	}
	for _, test := range tests {
		wantProblems(t, problems(t, test.body, template.Options{}), test.want)
	}
	a := app(t, "AWSTemplateFormatVersion: 2010-09-09\nDescription: d\nMetadata: {a: b}\nRules: {}\nOutputs: {A: {Value: !Ref Nothing}}\nResources: {T: {Type: AWS::SNS::Topic}}\n", template.Options{})
	if len(a.Functions)+len(a.APIs)+len(a.Warnings) != 0 {
		t.Errorf("an application without functions is %+v", a)
	}
}

func TestAllProblemsAreReportedTogetherByLine(t *testing.T) {
	t.Parallel()
	got := problems(t, `Transform: AWS::Serverless-2016-10-31
Parameters:
  P: {Type: Number, Default: x}
Globals: {Function: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: app, Timout: 1}}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties:
      Timeout: 1000
      Environment: {Variables: {AA: !Ref B, BB: !Ref P}}
      Events:
        A: {Type: SQS}
  Rest: {Type: AWS::Serverless::Api}
`, template.Options{Parameters: map[string]string{"Q": "1"}})
	wantProblems(t, got,
		"template.yaml:3: Parameters.P: the Default",
		"template.yaml:3: Parameters.Q: the template has no such parameter",
		"template.yaml:4: Globals.Function.Timout: no such property",
		"template.yaml:10: Fn.Timeout: is 1000",
		"template.yaml:11: Fn.Environment.Variables.AA: there is no parameter or resource B",
		"template.yaml:13: Fn.Events.A.Type: SQS is not supported",
		"template.yaml:14: Rest.Type: AWS::Serverless::Api is not emulated")
}

func TestProblemsAreBounded(t *testing.T) {
	t.Parallel()
	body := function + "      Environment:\n        Variables:\n"
	for i := range 300 {
		body += "          V" + strings.Repeat("x", i+1) + ": !Ref Nothing\n"
	}
	got := problems(t, body, template.Options{})
	if len(got) != 201 || !strings.Contains(got[200], "100 more problems are not shown") {
		t.Errorf("%d problems, the last is %q", len(got), got[len(got)-1])
	}
}

func TestLenientLeavesOutWhatIsNotSupported(t *testing.T) {
	t.Parallel()
	body := `Transform: AWS::Serverless-2016-10-31
Globals: {Function: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: app}}
Resources:
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties:
      Layers: [arn]
      Environment: {Variables: {FROM: !ImportValue other, TO: x}}
      Events:
        Queue: {Type: SQS}
        Old: {Type: HttpApi, Properties: {Path: /old, Method: get, PayloadFormatVersion: "1.0"}}
        New: {Type: HttpApi, Properties: {Path: /new, Method: get}}
        Tick: {Type: Schedule, Properties: {Schedule: rate(1 minute)}}
  Python:
    Type: AWS::Serverless::Function
    Properties:
      Runtime: python3.14
      Events:
        Py: {Type: HttpApi, Properties: {Path: /py, Method: get}}
  Image: {Type: AWS::Serverless::Function, Properties: {PackageType: Image}}
  Rest: {Type: AWS::Serverless::Api}
`
	a := app(t, body, template.Options{Lenient: true})
	if len(a.Functions) != 1 || a.Functions[0].LogicalID != "Fn" || len(a.Functions[0].Schedules) != 0 {
		t.Errorf("functions are %+v, want Fn without schedules", a.Functions)
	}
	if env := a.Functions[0].Environment; len(env) != 2 || env["FROM"] != "" || env["TO"] != "x" {
		t.Errorf("environment is %v", env)
	}
	if len(a.APIs) != 1 || len(a.APIs[0].Routes) != 1 || a.APIs[0].Routes[0].Path != "/new" {
		t.Errorf("APIs are %+v, want one with the route /new", a.APIs)
	}
	want := []string{
		"template.yaml:8: Fn.Layers: is not supported",
		"template.yaml:9: Fn.Environment.Variables.FROM: Fn::ImportValue takes its value from another stack",
		"template.yaml:11: Fn.Events.Queue.Type: SQS is not supported",
		"template.yaml:12: Fn.Events.Old.PayloadFormatVersion: 1.0 is not supported",
		"template.yaml:14: Fn.Events.Tick: schedules do not invoke functions locally",
		"template.yaml:15: Python: the function is left out",
		"template.yaml:18: Python.Runtime: python3.14 is not supported",
		"template.yaml:21: Image: the function is left out",
		"template.yaml:21: Image.PackageType: Image is not supported",
		"template.yaml:22: Rest.Type: AWS::Serverless::Api is not emulated",
	}
	wantProblems(t, texts(a.Warnings), want...)
	for _, p := range problems(t, body, template.Options{}) {
		if strings.Contains(p, "left out") && !strings.Contains(p, "the route is left out") {
			t.Errorf("reported as a problem: %s", p)
		}
	}

	// What CloudFormation refuses stays an error.
	got := problems(t, strings.Replace(body, "Layers: [arn]", "Timout: 3", 1), template.Options{Lenient: true})
	wantProblems(t, got, "template.yaml:8: Fn.Timout: no such property; did you mean Timeout?")
}

func TestCircularDependencies(t *testing.T) {
	t.Parallel()
	tests := []struct{ name, resources, want string }{
		{"function and its API", `
  Fn: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}, Properties: {Environment: {Variables: {URL: !Ref Api}}, Events: {A: {Type: HttpApi, Properties: {ApiId: !Ref Api}}}}}
  Api: {Type: AWS::Serverless::HttpApi}
`, "5: Fn: circular dependency, which CloudFormation cannot create: Fn → Api → Fn"},
		{"function and the implicit API", `
  Fn: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}, Properties: {Environment: {Variables: {URL: !Sub "x${ServerlessHttpApi}"}}, Events: {A: {Type: HttpApi}}}}
`, "5: Fn: circular dependency, which CloudFormation cannot create: Fn → ServerlessHttpApi → Fn"},
		{"function told its own name", `
  Fn: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}, Properties: {Environment: {Variables: {SELF: !Ref Fn}}}}
`, "5: Fn: circular dependency, which CloudFormation cannot create: Fn → Fn"},
		{"two functions", `
  A: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}, Properties: {Environment: {Variables: {BB: !Ref B}}}}
  B: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}, Properties: {Policies: [{LambdaInvokePolicy: {FunctionName: !Ref A}}]}}
`, "5: A: circular dependency, which CloudFormation cannot create: A → B → A"},
		{"infrastructure", `
  A: {Type: AWS::EC2::SecurityGroup, Properties: {X: {"Fn::GetAtt": [B, GroupId]}}}
  B: {Type: AWS::EC2::SecurityGroup, DependsOn: [C]}
  C: {Type: AWS::EC2::SecurityGroup, DependsOn: A}
`, "5: A: circular dependency, which CloudFormation cannot create: A → B → C → A"},
		{"none: the API is told in an event", `
  Fn: {Type: AWS::Serverless::Function, Metadata: {BuildMethod: go1.x}, Properties: {Events: {A: {Type: HttpApi, Properties: {ApiId: !Ref Api}}}}}
  Api: {Type: AWS::Serverless::HttpApi, Properties: {AccessLogSettings: {DestinationArn: !GetAtt Logs.Arn}}}
  Logs: {Type: AWS::Logs::LogGroup, Properties: {LogGroupName: !Sub "/api/${Api}"}}
`, ""},
		{"none: the other branch", `
  A: {Type: AWS::EC2::SecurityGroup, Properties: {X: !If [Never, !Ref B, !If [Unknown, !Ref B, x]]}}
  B: {Type: AWS::EC2::SecurityGroup, Properties: {X: !Ref A}}
`, ""},
		{"none: a variable of Fn::Sub", `
  A: {Type: AWS::EC2::SecurityGroup, Properties: {X: !Sub ["${B} ${!B}", {B: x}]}}
  B: {Type: AWS::EC2::SecurityGroup, Properties: {X: !Ref A}}
`, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			body := "Transform: AWS::Serverless-2016-10-31\nConditions: {Never: !Equals [a, b], Unknown: !Equals [!Ref Unset, a]}\n" +
				"Globals: {Function: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: app}}\nResources:" + test.resources +
				"Parameters: {Unset: {Type: String}}\n"
			if test.want == "" {
				app(t, body, template.Options{})
				return
			}
			wantProblems(t, problems(t, body, template.Options{}), "template.yaml:"+test.want)
		})
	}
}
