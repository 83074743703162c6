package template

import "time"

// App is a resolved template: everything an emulator needs to run it.
type App struct {
	Path      string     // the template, as given to Parse
	Dir       string     // absolute directory of the template
	Functions []Function // in the order of the template
	APIs      []API      // in the order of the template; the implicit API last
	Warnings  []Problem  // what runs differently from a deployment
}

// Function is an AWS::Serverless::Function whose condition holds.
type Function struct {
	LogicalID string
	Name      string // FunctionName, or else LogicalID
	CodeDir   string // absolute directory of CodeUri; it exists

	Handler      string
	Runtime      string // provided.al2023 or provided.al2
	BuildMethod  string // go1.x
	Architecture string // x86_64 or arm64

	Timeout             time.Duration // 1 s to 900 s; 3 s unless set
	MemoryMB            int           // 128 to 10240; 128 unless set
	EphemeralStorageMB  int           // 512 to 10240; 512 unless set
	ReservedConcurrency *int          // nil unless set; 0 refuses every invocation

	// Environment holds the variables the template declares, and no others.
	Environment map[string]string

	// Service is set by "Metadata: Localdev: {Run: service}": the emulator
	// runs the binary as one long-running process instead of invoking it.
	Service bool
	// Schedules is empty unless Service is set.
	Schedules []Schedule

	Line int
}

// Schedule is an event of type Schedule or ScheduleV2.
type Schedule struct {
	Name       string // logical id of the event
	Expression string // rate(…), cron(…) or, for ScheduleV2, at(…)
	Timezone   string // IANA name; empty for UTC
	Input      string // event the function receives; empty for the usual one
	Enabled    bool
	Line       int
}

// API is an AWS::Serverless::HttpApi, or the implicit ServerlessHttpApi that
// takes the HttpApi events without an ApiId.
type API struct {
	LogicalID      string
	ID             string // 10 lower-case alphanumerics, derived from LogicalID: what Ref gives
	Stage          string // "$default" unless set
	StageVariables map[string]string
	Routes         []Route // in the order of the template
	CORS           *CORS   // nil: not configured
	Line           int
}

// Route is an HttpApi event of a function.
type Route struct {
	Method         string // upper case; "ANY" for every method
	Path           string // as declared, or "$default"
	FunctionID     string // logical id
	PayloadVersion string // "2.0"
	Timeout        time.Duration
	Line           int
}

// CORS is a CorsConfiguration. Nil and empty lists are not the same as "*":
// the gateway then sends no such header.
type CORS struct {
	AllowOrigins     []string
	AllowMethods     []string
	AllowHeaders     []string
	ExposeHeaders    []string
	AllowCredentials bool
	MaxAge           *int // seconds; nil unless set
}
