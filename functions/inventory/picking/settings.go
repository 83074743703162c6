package picking

import (
	"fmt"
	"time"

	"photofinish/shared/connect"
	"photofinish/shared/telemetry"
)

// Settings are the variables of a contender.
type Settings struct {
	Redis     connect.Settings
	Telemetry telemetry.Settings
	Metrics   telemetry.MetricsSettings

	LogStream     string        `env:"AWS_LAMBDA_LOG_STREAM_NAME"` // set by Lambda
	LockTTL       time.Duration `env:"LOCK_TTL" envDefault:"5s"`
	Retention     time.Duration `env:"RETENTION" envDefault:"168h"`
	MaxDeliveries int           `env:"MAX_DELIVERIES" envDefault:"5"`
	// ProcessingTime makes the work between claim and settle take longer, for
	// demonstrations of what happens meanwhile.
	ProcessingTime time.Duration `env:"PROCESSING_TIME" envDefault:"0s"`

	// Name of the instance, which no other may have had; no variable. Empty for a
	// random one.
	Name string
}

// Check refuses at the start what would make every invocation fail.
func (s Settings) Check() error {
	switch {
	case s.LockTTL < 100*time.Millisecond:
		return fmt.Errorf("config: LOCK_TTL: %v is under 100ms, too short to renew", s.LockTTL)
	case s.Retention < time.Second:
		return fmt.Errorf("config: RETENTION: %v is under 1s", s.Retention)
	case s.MaxDeliveries < 1:
		return fmt.Errorf("config: MAX_DELIVERIES: must be 1 or more, not %d", s.MaxDeliveries)
	case s.ProcessingTime < 0:
		return fmt.Errorf("config: PROCESSING_TIME: must not be under 0s, but is %v", s.ProcessingTime)
	}
	return nil
}
