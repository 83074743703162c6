package gateway

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// CORS is what the gateway tells browsers about other origins. With it set, the
// gateway answers preflight requests itself, without a function, and the CORS
// headers of functions are dropped.
type CORS struct {
	// AllowOrigins are full origins such as "https://example.com", "*", or
	// "http://*" and "https://*" for every origin of a scheme.
	AllowOrigins []string
	// AllowMethods, AllowHeaders and ExposeHeaders fill the headers of these
	// names; an empty list sends none.
	AllowMethods, AllowHeaders, ExposeHeaders []string
	// MaxAge is in seconds; nil sends no header.
	MaxAge *int
	// AllowCredentials cannot go with the origin "*".
	AllowCredentials bool
}

// ErrCORS is wrapped by New for a CORS configuration AWS would refuse.
var ErrCORS = errors.New("gateway: invalid CORS configuration")

func (c *CORS) check() error {
	if c.AllowCredentials && slices.Contains(c.AllowOrigins, "*") {
		return fmt.Errorf(`%w: AllowCredentials cannot be used with the origin "*"`, ErrCORS)
	}
	if c.MaxAge != nil && (*c.MaxAge < -1 || *c.MaxAge > 86400) {
		return fmt.Errorf("%w: MaxAge %d is not within -1 to 86400 seconds", ErrCORS, *c.MaxAge)
	}
	return nil
}

// isPreflight tells a browser's preflight from an OPTIONS request a client means.
func isPreflight(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Origin") != "" &&
		r.Header.Get("Access-Control-Request-Method") != ""
}

// preflight writes the headers of a preflight's answer; none if the origin is
// not allowed.
func (c *CORS) preflight(h http.Header, origin string) {
	if !c.allow(h, origin) {
		return
	}
	setList(h, "Access-Control-Allow-Methods", c.AllowMethods)
	setList(h, "Access-Control-Allow-Headers", c.AllowHeaders)
	if c.MaxAge != nil {
		h.Set("Access-Control-Max-Age", strconv.Itoa(*c.MaxAge))
	}
}

// apply replaces the CORS headers of a function's response with the gateway's.
func (c *CORS) apply(h http.Header, origin string) {
	for name := range h {
		if strings.HasPrefix(name, "Access-Control-") {
			delete(h, name)
		}
	}
	if c.allow(h, origin) {
		setList(h, "Access-Control-Expose-Headers", c.ExposeHeaders)
	}
}

// allow writes the headers common to both, if the origin is allowed.
func (c *CORS) allow(h http.Header, origin string) bool {
	allowed := c.allowed(origin)
	if allowed == "" {
		return false
	}
	h.Set("Access-Control-Allow-Origin", allowed)
	if c.AllowCredentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	return true
}

// allowed returns the value of Access-Control-Allow-Origin, "" for none.
func (c *CORS) allowed(origin string) string {
	if origin == "" {
		return ""
	}
	if slices.Contains(c.AllowOrigins, "*") {
		return "*"
	}
	for _, o := range c.AllowOrigins {
		scheme, wild := strings.CutSuffix(o, "*")
		if o == origin || wild && (scheme == "http://" || scheme == "https://") && strings.HasPrefix(origin, scheme) {
			return origin
		}
	}
	return ""
}

func setList(h http.Header, name string, values []string) {
	if len(values) > 0 {
		h.Set(name, strings.Join(values, ","))
	}
}
