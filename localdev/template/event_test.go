package template_test

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"photofinish/localdev/template"
)

// service is function, run as a service.
var service = strings.Replace(function, "{BuildMethod: go1.x}", "{BuildMethod: go1.x, Localdev: {Run: service}}", 1)

func TestRoutes(t *testing.T) {
	t.Parallel()
	a := app(t, `Transform: AWS::Serverless-2016-10-31
Globals:
  Function: {Runtime: provided.al2023, Handler: bootstrap, CodeUri: app}
  HttpApi: {StageVariables: {mode: global, zone: a}}
Resources:
  Named:
    Type: AWS::Serverless::HttpApi
    Properties:
      StageName: v1
      StageVariables: {mode: local}
      AccessLogSettings: {DestinationArn: arn}
      RouteSettings: {"GET /a": {ThrottlingBurstLimit: 1}}
  Empty: {Type: AWS::Serverless::HttpApi}
  Fn:
    Type: AWS::Serverless::Function
    Metadata: {BuildMethod: go1.x}
    Properties:
      Events:
        Get: {Type: HttpApi, Properties: {ApiId: !Ref Named, Path: /a, Method: get, PayloadFormatVersion: 2.0}}
        Post: {Type: HttpApi, Properties: {ApiId: Named, Path: "/a/{id}/{rest+}", Method: Post, TimeoutInMillis: 50}}
        Any: {Type: HttpApi, Properties: {Path: /a/, Method: x-amazon-apigateway-any-method, Auth: {}}}
        Default: {Type: HttpApi, Properties: {ApiId: !Ref ServerlessHttpApi, Path: $default, Method: any}}
        Root: {Type: HttpApi, Properties: {Path: /, Method: HEAD}}
`, template.Options{})
	route := func(method, path string, timeout time.Duration, line int) template.Route {
		return template.Route{Method: method, Path: path, FunctionID: "Fn", PayloadVersion: "2.0", Timeout: timeout, Line: line}
	}
	want := []template.API{
		{
			LogicalID: "Named", Stage: "v1", StageVariables: map[string]string{"mode": "local", "zone": "a"}, Line: 6,
			Routes: []template.Route{route("GET", "/a", 30*time.Second, 19), route("POST", "/a/{id}/{rest+}", 50*time.Millisecond, 20)},
		},
		{LogicalID: "Empty", Stage: "$default", StageVariables: map[string]string{"mode": "global", "zone": "a"}, Line: 13},
		{
			LogicalID: "ServerlessHttpApi", Stage: "$default", StageVariables: map[string]string{"mode": "global", "zone": "a"}, Line: 21,
			Routes: []template.Route{route("ANY", "/a/", 30*time.Second, 21), route("ANY", "$default", 30*time.Second, 22), route("HEAD", "/", 30*time.Second, 23)},
		},
	}
	ids := make(map[string]bool)
	for i, api := range a.APIs {
		if len(api.ID) != 10 || strings.Trim(api.ID, "abcdefghijklmnopqrstuvwxyz0123456789") != "" {
			t.Errorf("%s has the id %q", api.LogicalID, api.ID)
		}
		ids[api.ID] = true
		a.APIs[i].ID = ""
	}
	if len(ids) != 3 {
		t.Errorf("ids %v are not distinct", ids)
	}
	if diff := cmp.Diff(want, a.APIs); diff != "" {
		t.Error(diff)
	}
}

func TestEventMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct{ event, want string }{
		{"{Properties: {Path: /a, Method: get}}", "E.Type: is missing"},
		{"{Type: HttpAPI}", "E.Type: there is no event type HttpAPI; did you mean HttpApi?"},
		{"{Type: Api, Properties: {Path: /a, Method: get}}", "E.Type: Api is not supported: it is a route of a REST API"},
		{"{Type: SQS, Properties: {Queue: arn}}", "E.Type: SQS is not supported"},
		{"{Type: HttpApi, Property: {}}", "E.Property: no such property"},
		{"{Type: HttpApi, Properties: {Method: get}}", "E.Path: is missing: Path and Method belong together"},
		{"{Type: HttpApi, Properties: {Path: /a}}", "E.Method: is missing: Path and Method belong together"},
		{"{Type: HttpApi, Properties: {Paht: /a, Path: /a, Method: get}}", "E.Paht: no such property; did you mean Path?"},
		{"{Type: HttpApi, Properties: {Path: /a, Method: fetch}}", `E.Method: "fetch" is not an HTTP method of API Gateway`},
		{"{Type: HttpApi, Properties: {Path: $default, Method: get}}", "E.Method: the $default route takes every method"},
		{"{Type: HttpApi, Properties: {Path: a, Method: get}}", `E.Path: "a": a path starts with /`},
		{"{Type: HttpApi, Properties: {Path: '/a/{b', Method: get}}", `E.Path: "/a/{b": a path variable is a whole segment`},
		{"{Type: HttpApi, Properties: {Path: '/a-{b}', Method: get}}", `E.Path: "/a-{b}": a path variable is a whole segment`},
		{"{Type: HttpApi, Properties: {Path: '/{}', Method: get}}", `E.Path: "/{}": a path variable is a whole segment`},
		{"{Type: HttpApi, Properties: {Path: '/{a+}/b', Method: get}}", `E.Path: "/{a+}/b": a greedy variable such as {proxy+} is the last segment`},
		{"{Type: HttpApi, Properties: {Path: '/{a}/{a+}', Method: get}}", `E.Path: "/{a}/{a+}": two variables have the same name`},
		{"{Type: HttpApi, Properties: {Path: /a, Method: get, TimeoutInMillis: 30001}}", "E.TimeoutInMillis: is 30001, and must be from 50 to 30000"},
		{"{Type: HttpApi, Properties: {Path: /a, Method: get, PayloadFormatVersion: '1.0'}}", "E.PayloadFormatVersion: 1.0 is not supported"},
		{"{Type: HttpApi, Properties: {Path: /a, Method: get, PayloadFormatVersion: '3.0'}}", `E.PayloadFormatVersion: is "3.0", and must be 1.0 or 2.0`},
		{"{Type: HttpApi, Properties: {Path: /a, Method: get, Auth: {Authorizer: Jwt}}}", "E.Auth: is not supported: requests would pass without authorization"},
		{"{Type: HttpApi, Properties: {Path: /a, Method: get, ApiId: !Ref Ap}}", "E.ApiId: there is no API Ap; did you mean Api?"},
		{"{Type: HttpApi, Properties: {Path: /a, Method: get, ApiId: !Ref ServerlessHttpApi}}", "E.ApiId: there is no API ServerlessHttpApi"},
		{"{Type: HttpApi, Properties: {Path: /a, Method: get, ApiId: !Ref Topic}}", "E.ApiId: Topic is of type AWS::SNS::Topic"},
		{"{Type: HttpApi, Properties: {Path: /a, Method: get, ApiId: !Ref External}}", "E.ApiId: parameter External names an API outside this template"},
		{"{Type: HttpApi, Properties: {Path: /a, Method: get, ApiId: !ImportValue x}}", "E.ApiId: must be Ref of an AWS::Serverless::HttpApi"},
		{"{Type: HttpApi, Properties: {Path: /a, Method: get, ApiId: !If [None, !Ref A, !Ref B]}}", "E.ApiId: there is no condition None"},
		{"{Type: Schedule, Properties: {Schedule: rate(1 minute)}}", "E: schedules do not invoke functions locally"},
		{"{Type: HttpApi, Properties: {ApiId: !Ref Api, Path: /twice, Method: get}}", "E: Api already has the route GET /twice, in line 9"},
		{"{Type: HttpApi, Properties: !Ref External}", "E.Properties: must be a mapping, not text"},
		{"x", "E: must be a mapping, not text"},
	}
	for _, test := range tests {
		t.Run(test.event, func(t *testing.T) {
			t.Parallel()
			got := problems(t, function+"      Events:\n        First: {Type: HttpApi, Properties: {ApiId: !Ref Api, Path: /twice, Method: GET}}\n        E: "+
				test.event+"\n  Api: {Type: AWS::Serverless::HttpApi}\n  Topic: {Type: AWS::SNS::Topic}\n"+
				"Parameters: {External: {Type: String, Default: abc}}\n", template.Options{})
			wantProblems(t, got, "template.yaml:10: Fn.Events."+test.want)
		})
	}
}

func TestSchedules(t *testing.T) {
	t.Parallel()
	a := app(t, service+`      Events:
        A: {Type: Schedule, Properties: {Schedule: rate(1 minute), Input: '{"a":1}', Enabled: false}}
        B: {Type: Schedule, Properties: {Schedule: "cron(0 12 * * ? *)", State: ENABLED}}
        C: {Type: ScheduleV2, Properties: {ScheduleExpression: "at(2026-11-24T08:00:00)", ScheduleExpressionTimezone: Europe/Berlin, State: DISABLED}}
        D: {Type: ScheduleV2, Properties: {ScheduleExpression: rate(1 minutes)}}
`, template.Options{})
	want := []template.Schedule{
		{Name: "A", Expression: "rate(1 minute)", Input: `{"a":1}`, Line: 9},
		{Name: "B", Expression: "cron(0 12 * * ? *)", Enabled: true, Line: 10},
		{Name: "C", Expression: "at(2026-11-24T08:00:00)", Timezone: "Europe/Berlin", Line: 11},
		{Name: "D", Expression: "rate(1 minutes)", Enabled: true, Line: 12},
	}
	if diff := cmp.Diff(want, a.Functions[0].Schedules); diff != "" {
		t.Error(diff)
	}
	if !a.Functions[0].Service {
		t.Error("Service is not set")
	}
}

func TestServiceMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct{ event, want string }{
		{"{Type: HttpApi}", "E: a function that runs as a service is not invoked, so that it cannot serve routes"},
		{"{Type: Schedule}", "E.Schedule: is missing"},
		{"{Type: ScheduleV2, Properties: {Schedule: rate(1 minute)}}", "E.Schedule: no such property"},
		{"{Type: Schedule, Properties: {Schedule: rate(1 minutes)}}", `E.Schedule: "rate(1 minutes)" is not a schedule`},
		{"{Type: Schedule, Properties: {Schedule: rate(0 minutes)}}", `E.Schedule: "rate(0 minutes)" is not a schedule`},
		{"{Type: Schedule, Properties: {Schedule: at(2026-11-24T08:00:00)}}", "E.Schedule: "},
		{"{Type: Schedule, Properties: {Schedule: cron(0 12 * * *)}}", "E.Schedule: "},
		{"{Type: Schedule, Properties: {Schedule: rate(1 day), State: ON}}", `E.State: is "true", and must be ENABLED or DISABLED`},
		{"{Type: Schedule, Properties: {Schedule: rate(1 day), State: ENABLED, Enabled: true}}", "E.Enabled: cannot be set together with State"},
		{"{Type: Schedule, Properties: {Schedule: rate(1 day), Enabled: maybe}}", `E.Enabled: must be true or false, not "maybe"`},
	}
	for _, test := range tests {
		got := problems(t, service+"      Events:\n        E: "+test.event+"\n", template.Options{})
		if len(got) == 2 && strings.Contains(test.want, "no such property") {
			got = got[:1] // the expression is missing as well
		}
		wantProblems(t, got, "template.yaml:9: Fn.Events."+test.want)
	}
}

func TestCORS(t *testing.T) {
	t.Parallel()
	age := 300
	tests := []struct {
		cors string
		want *template.CORS
		fail string
	}{
		{"true", &template.CORS{AllowOrigins: []string{"*"}}, ""},
		{"false", nil, ""},
		{"!Ref AWS::NoValue", nil, ""},
		{"!If [IsOpen, true, false]", &template.CORS{AllowOrigins: []string{"*"}}, ""},
		{"{AllowOrigins: [!Sub 'https://${AWS::StackName}'], AllowMethods: [get], AllowHeaders: [x-a], ExposeHeaders: [x-b], MaxAge: 300, AllowCredentials: true}", &template.CORS{
			AllowOrigins: []string{"https://local"}, AllowMethods: []string{"GET"}, AllowHeaders: []string{"x-a"}, ExposeHeaders: []string{"x-b"}, MaxAge: &age, AllowCredentials: true,
		}, ""},
		{"{AllowOrigins: ['*'], AllowCredentials: true}", nil, "Api.CorsConfiguration.AllowCredentials: AllowCredentials needs AllowOrigins without *"},
		{"{AllowOrigins: '*'}", nil, "Api.CorsConfiguration.AllowOrigins: must be a list, not text"},
		{"{AllowOrigin: ['*']}", nil, "Api.CorsConfiguration.AllowOrigin: no such property; did you mean AllowOrigins?"},
		{"{MaxAge: 86401}", nil, "Api.CorsConfiguration.MaxAge: is 86401"},
		{"open", nil, `Api.CorsConfiguration: must be true, false or a mapping, not "open"`},
		{"[a]", nil, "Api.CorsConfiguration: must be a mapping, not a list"},
	}
	for _, test := range tests {
		a, err := resolve(t, "Transform: AWS::Serverless-2016-10-31\nConditions: {IsOpen: !Equals [a, a]}\nResources:\n"+
			"  Api: {Type: AWS::Serverless::HttpApi, Properties: {CorsConfiguration: "+test.cors+"}}\n", template.Options{})
		if test.fail != "" {
			wantProblems(t, lines(t, err), "template.yaml:4: "+test.fail)
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", test.cors, err)
		} else if diff := cmp.Diff(test.want, a.APIs[0].CORS); diff != "" {
			t.Errorf("%s: %s", test.cors, diff)
		}
	}
}

func TestAPIMistakes(t *testing.T) {
	t.Parallel()
	tests := []struct{ property, want string }{
		{"StageNmae: x", "StageNmae: no such property; did you mean StageName?"},
		{"StageName: a b", `StageName: "a b" is not a stage name`},
		{"StageVariables: {a: [b]}", "StageVariables.a: must be text, not a list"},
		{"Auth: {DefaultAuthorizer: Jwt}", "Auth: is not supported: requests would pass without authorization"},
		{"DefinitionBody: {openapi: 3.0.1}", "DefinitionBody: is not supported"},
		{"DefinitionUri: api.yaml", "DefinitionUri: is not supported"},
	}
	for _, test := range tests {
		got := problems(t, "Transform: AWS::Serverless-2016-10-31\nResources:\n  Api:\n    Type: AWS::Serverless::HttpApi\n    Properties:\n      "+test.property+"\n", template.Options{})
		wantProblems(t, got, "template.yaml:6: Api."+test.want)
	}
}
