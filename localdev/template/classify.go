package template

import "strings"

// classify says what the emulator makes of a resource type, and why if it
// refuses it.
func classify(typ string) (role, string) {
	switch typ {
	case "AWS::Serverless::Function":
		return roleFunction, ""
	case "AWS::Serverless::HttpApi":
		return roleAPI, ""
	case "AWS::Serverless::SimpleTable", "AWS::Serverless::LayerVersion", "AWS::Serverless::Connector", "AWS::Serverless::CapacityProvider":
		return roleInert, ""
	case "AWS::Serverless::Api":
		return roleRefused, "a REST API differs from an HTTP API in events, answers and errors; use AWS::Serverless::HttpApi"
	case "AWS::Serverless::Application", "AWS::CloudFormation::Stack":
		return roleRefused, "the resources of a nested stack would be missing"
	case "AWS::Lambda::Function":
		return roleRefused, "declare the function as AWS::Serverless::Function"
	case "AWS::Lambda::EventSourceMapping":
		return roleRefused, "no event source delivers to functions locally"
	case "AWS::Lambda::Url":
		return roleRefused, "function URLs are not served"
	case "AWS::Lambda::EventInvokeConfig":
		return roleRefused, "the emulator applies neither retry settings nor destinations to asynchronous invocations"
	case "AWS::ApiGatewayV2::DomainName", "AWS::ApiGatewayV2::ApiMapping", "AWS::ApiGatewayV2::VpcLink",
		"AWS::ApiGateway::DomainName", "AWS::ApiGateway::BasePathMapping", "AWS::ApiGateway::VpcLink", "AWS::ApiGateway::Account":
		return roleInert, ""
	}
	switch {
	case strings.HasPrefix(typ, "AWS::Serverless::"):
		known := []string{"AWS::Serverless::Function", "AWS::Serverless::HttpApi", "AWS::Serverless::SimpleTable", "AWS::Serverless::LayerVersion"}
		return roleRefused, "the emulator knows AWS::Serverless::Function and AWS::Serverless::HttpApi" + didYouMean(typ, known)
	case strings.HasPrefix(typ, "AWS::ApiGatewayV2::"), strings.HasPrefix(typ, "AWS::ApiGateway::"):
		return roleRefused, "declare the API as AWS::Serverless::HttpApi"
	}
	return roleInert, ""
}

// isCaller says whether resources of a type invoke a function they name. They
// are inert as long as they name none.
func isCaller(typ string) bool {
	switch typ {
	case "AWS::AppSync::DataSource", "AWS::CloudFormation::CustomResource", "AWS::Cognito::UserPool",
		"AWS::ElasticLoadBalancingV2::TargetGroup", "AWS::Events::Rule", "AWS::IoT::TopicRule",
		"AWS::Logs::SubscriptionFilter", "AWS::Pipes::Pipe", "AWS::S3::Bucket",
		"AWS::SES::ReceiptRule", "AWS::SNS::Subscription", "AWS::SNS::Topic",
		"AWS::Scheduler::Schedule", "AWS::SecretsManager::RotationSchedule", "AWS::StepFunctions::StateMachine":
		return true
	}
	return strings.HasPrefix(typ, "Custom::")
}

// checkCallers refuses resources that would invoke a function when deployed.
// A function that runs as a service is never invoked, so it does not count.
func (r *resolver) checkCallers() {
	for _, res := range r.order {
		s := r.in(res.id)
		if !isCaller(res.typ) {
			continue
		}
		if present, ok := s.present(res); !ok || !present {
			continue
		}
		for _, id := range s.references(res.body.get("Properties")) {
			if target := r.resources[id]; target != nil && target.role == roleFunction && !s.runsAsService(target.body) {
				s.refuse(res.line, "%s would invoke %s, and does not do so locally", res.typ, id)
			}
		}
	}
}
