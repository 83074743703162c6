package lambda

import (
	"strconv"
	"strings"
	"time"
)

// The platform's log lines, text format.

// initStartLine names a runtime version that AWS never had: a local process runs on none.
func initStartLine(region string) string {
	return "INIT_START Runtime Version: provided:al2023.v0\tRuntime Version ARN: arn:aws:lambda:" + region + "::runtime:" + strings.Repeat("0", 64)
}

// outcome is how an invocation or an init ended, in a report's words.
type outcome struct {
	status    string // "", "timeout" or "error"
	errorType string // of an error, for example Runtime.ExitError
}

func (o outcome) text() string {
	switch {
	case o.status == "":
		return ""
	case o.errorType == "":
		return "Status: " + o.status
	default:
		return "Status: " + o.status + "\tError Type: " + o.errorType
	}
}

func startLine(id string) string { return "START RequestId: " + id + " Version: " + latest }

func endLine(id string) string { return "END RequestId: " + id }

// reportLine takes the init's duration if the invocation was the first after a
// cold start, else 0.
func reportLine(id string, duration, init time.Duration, memoryMB int, peak int64, o outcome) string {
	b := make([]byte, 0, 256)
	b = append(b, "REPORT RequestId: "...)
	b = append(b, id...)
	b = append(b, "\tDuration: "...)
	b = appendMillis(b, duration)
	b = append(b, "\tBilled Duration: "...)
	b = strconv.AppendInt(b, int64((duration+init+time.Millisecond-1)/time.Millisecond), 10)
	b = append(b, " ms\tMemory Size: "...)
	b = strconv.AppendInt(b, int64(memoryMB), 10)
	b = append(b, " MB\tMax Memory Used: "...)
	b = strconv.AppendInt(b, (peak+1<<20-1)>>20, 10)
	b = append(b, " MB\t"...)
	if init > 0 {
		b = append(b, "Init Duration: "...)
		b = appendMillis(b, init)
		b = append(b, '\t')
	}
	return string(append(b, o.text()...))
}

// initReportLine is only written for an init that failed.
func initReportLine(duration time.Duration, phase string, o outcome) string {
	b := appendMillis([]byte("INIT_REPORT Init Duration: "), duration)
	return string(b) + "\tPhase: " + phase + "\t" + o.text()
}

func appendMillis(b []byte, d time.Duration) []byte {
	b = strconv.AppendFloat(b, float64(d)/float64(time.Millisecond), 'f', 2, 64)
	return append(b, " ms"...)
}
