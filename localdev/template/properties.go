package template

import "slices"

// property is a property of a resource type that the emulator knows.
type property struct {
	name    string
	global  bool   // may be set in Globals
	refusal string // why a template that sets it cannot run here; "" if it is read, or has no local effect
}

// propertiesOf lists the properties of an emulated type; nil for any other.
func propertiesOf(typ string) []property {
	switch typ {
	case "AWS::Serverless::Function":
		return functionProperties()
	case "AWS::Serverless::HttpApi":
		return apiProperties()
	}
	return nil
}

func functionProperties() []property {
	return []property{
		{"Architectures", true, ""},
		{"AssumeRolePolicyDocument", true, ""},
		{"AutoPublishAlias", true, ""},
		{"AutoPublishAliasAllProperties", true, ""},
		{"AutoPublishCodeSha256", false, ""},
		{"CapacityProviderConfig", true, "one environment would serve several invocations at a time"},
		{"CodeSigningConfigArn", true, ""},
		{"CodeUri", true, ""},
		{"DeadLetterQueue", true, "events that failed would be lost"},
		{"DeploymentPreference", true, ""},
		{"Description", true, ""},
		{"DurableConfig", true, "durable executions are not emulated"},
		{"Environment", true, ""},
		{"EphemeralStorage", true, ""},
		{"EventInvokeConfig", true, ""},
		{"Events", false, ""},
		{"FileSystemConfigs", true, "the file system would not be mounted"},
		{"FunctionName", false, ""},
		{"FunctionScalingConfig", true, "one environment would serve several invocations at a time"},
		{"FunctionUrlConfig", true, "function URLs are not served"},
		{"Handler", true, ""},
		{"ImageConfig", false, "functions run from a binary, not from an image"},
		{"ImageUri", false, "functions run from a binary, not from an image"},
		{"InlineCode", false, "functions are built from the Go package in CodeUri"},
		{"KmsKeyArn", true, ""},
		{"Layers", true, "the content of layers would be missing"},
		{"LoggingConfig", true, ""},
		{"MemorySize", true, ""},
		{"PackageType", false, ""},
		{"PermissionsBoundary", true, ""},
		{"Policies", false, ""},
		{"PropagateTags", true, ""},
		{"ProvisionedConcurrencyConfig", true, ""},
		{"PublishToLatestPublished", true, ""},
		{"RecursiveLoop", true, ""},
		{"ReservedConcurrentExecutions", true, ""},
		{"Role", false, ""},
		{"RolePath", true, ""},
		{"Runtime", true, ""},
		{"RuntimeManagementConfig", true, ""},
		{"SnapStart", true, ""},
		{"SourceKMSKeyArn", true, ""},
		{"Tags", true, ""},
		{"TenancyConfig", true, "tenants would share environments"},
		{"Timeout", true, ""},
		{"Tracing", true, ""},
		{"VersionDeletionPolicy", true, ""},
		{"VersionDescription", false, ""},
		{"VpcConfig", true, ""},
	}
}

func apiProperties() []property {
	return []property{
		{"AccessLogSettings", true, ""},
		{"Auth", true, "requests would pass without authorization"},
		{"CorsConfiguration", true, ""},
		{"DefaultRouteSettings", true, ""},
		{"DefinitionBody", false, "routes come from the events of functions, not from an OpenAPI document"},
		{"DefinitionUri", false, "routes come from the events of functions, not from an OpenAPI document"},
		{"Description", false, ""},
		{"DisableExecuteApiEndpoint", false, ""},
		{"Domain", true, ""},
		{"FailOnWarnings", true, ""},
		{"Name", false, ""},
		{"PropagateTags", true, ""},
		{"RouteSettings", true, ""},
		{"StageName", false, ""},
		{"StageVariables", true, ""},
		{"Tags", true, ""},
	}
}

// checkProperties reports the properties of a resource that do not exist, and
// refuses those that cannot be honoured. What is wrong in Globals is reported
// there.
func (s scope) checkProperties(res *resource) {
	table := propertiesOf(res.typ)
	var names []string
	for _, p := range table {
		names = append(names, p.name)
	}
	if local := res.body.get("Properties"); local != nil && !isFunction(local) {
		s.known(local, names)
	}
	merged := s.properties(res)
	for _, p := range table {
		if p.refusal == "" {
			continue
		}
		f, v := s.field(merged, p.name)
		if v == nil || v.kind == kindBroken || v.kind != kindText && len(v.items) == 0 {
			continue
		}
		f.refuse(v.line, "is not supported: %s", p.refusal)
	}
}

// sets says whether a property is there, and not AWS::NoValue.
func (s scope) sets(n *node, names ...string) bool {
	return slices.ContainsFunc(names, func(name string) bool {
		_, v := s.field(n, name)
		return v != nil
	})
}
