package gateway

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// newRequestID makes the id of one request: 16 characters ending in "=", as
// API Gateway's are. It is not the id of the function's invocation.
func newRequestID() string {
	var b [11]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.URLEncoding.EncodeToString(b[:])
}

// newTraceID makes an X-Ray root: version, Unix seconds in hex, 96 random bits.
func newTraceID(now time.Time) string {
	var b [12]byte
	_, _ = rand.Read(b[:])                                                             // never fails
	return fmt.Sprintf("Root=1-%08x-%s", uint32(now.Unix()), hex.EncodeToString(b[:])) //nolint:gosec // the format holds 32 bits
}

// hasTraceRoot reports whether a trace header names a root the trace can go on
// from.
func hasTraceRoot(header string) bool {
	for part := range strings.SplitSeq(header, ";") {
		root, ok := strings.CutPrefix(strings.TrimSpace(part), "Root=")
		if !ok || len(root) != 35 || root[:2] != "1-" || root[10] != '-' {
			continue
		}
		if isHex(root[2:10]) && isHex(root[11:]) {
			return true
		}
	}
	return false
}

func isHex(s string) bool {
	for _, c := range s {
		if !strings.ContainsRune("0123456789abcdefABCDEF", c) {
			return false
		}
	}
	return true
}
