package gateway

import (
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Meta is what an event says about the API and the request beyond the request
// itself.
type Meta struct {
	// RequestID is distinct for each request.
	RequestID string
	// TraceID is an X-Ray header value ("Root=1-…"); it is used only if the
	// client sent none that is valid.
	TraceID string
	// Time is when the request arrived.
	Time time.Time
	// Stage is "$default" or the stage's name.
	Stage string
	// StageVariables may be nil.
	StageVariables map[string]string
	// Domain is the API's domain name; its first label is the domain prefix.
	Domain           string
	APIID, AccountID string
}

// event is the payload format 2.0. Which keys may be absent matters: programs
// tell an absent key from an empty value.
type event struct {
	Version               string            `json:"version"`
	RouteKey              string            `json:"routeKey"`
	RawPath               string            `json:"rawPath"`
	RawQueryString        string            `json:"rawQueryString"`
	Cookies               []string          `json:"cookies,omitempty"`
	Headers               map[string]string `json:"headers"`
	QueryStringParameters map[string]string `json:"queryStringParameters,omitempty"`
	RequestContext        eventContext      `json:"requestContext"`
	PathParameters        map[string]string `json:"pathParameters,omitempty"`
	StageVariables        map[string]string `json:"stageVariables,omitempty"`
	Body                  any               `json:"body,omitempty"` // string, or []byte, which JSON writes as base64
	IsBase64Encoded       bool              `json:"isBase64Encoded"`
}

type eventContext struct {
	AccountID    string    `json:"accountId"`
	APIID        string    `json:"apiId"`
	DomainName   string    `json:"domainName"`
	DomainPrefix string    `json:"domainPrefix"`
	HTTP         eventHTTP `json:"http"`
	RequestID    string    `json:"requestId"`
	RouteKey     string    `json:"routeKey"`
	Stage        string    `json:"stage"`
	Time         string    `json:"time"`
	TimeEpoch    int64     `json:"timeEpoch"`
}

type eventHTTP struct {
	Method    string `json:"method"`
	Path      string `json:"path"`
	Protocol  string `json:"protocol"`
	SourceIP  string `json:"sourceIp"`
	UserAgent string `json:"userAgent"`
}

// clfTime is the layout of requestContext.time; the zone is always UTC.
const clfTime = "02/Jan/2006:15:04:05 +0000"

// Event encodes a request as the JSON a function receives in payload format
// 2.0. body is the whole request body; r.Body is not read. Bytes that are not
// UTF-8 in paths, queries and headers become U+FFFD, since JSON cannot hold
// them; a body that is not UTF-8 is sent as base64.
func Event(r *http.Request, body []byte, match Match, meta Meta) []byte {
	path := r.URL.Path
	if path == "" {
		path = "/"
	}
	sourceIP := hostOnly(r.RemoteAddr)
	e := event{
		Version:               "2.0",
		RouteKey:              match.Key,
		RawPath:               path,
		RawQueryString:        r.URL.RawQuery,
		Cookies:               cookies(r.Header["Cookie"]),
		Headers:               eventHeaders(r, len(body), sourceIP, meta),
		QueryStringParameters: queryParameters(r.URL.RawQuery),
		PathParameters:        match.Params,
		StageVariables:        meta.StageVariables,
		RequestContext: eventContext{
			AccountID:    meta.AccountID,
			APIID:        meta.APIID,
			DomainName:   meta.Domain,
			DomainPrefix: domainPrefix(meta.Domain),
			RequestID:    meta.RequestID,
			RouteKey:     match.Key,
			Stage:        meta.Stage,
			Time:         meta.Time.UTC().Format(clfTime),
			TimeEpoch:    meta.Time.UnixMilli(),
			HTTP: eventHTTP{
				Method:    r.Method,
				Path:      path,
				Protocol:  "HTTP/1.1", // what AWS reports, whatever the client spoke
				SourceIP:  sourceIP,
				UserAgent: r.UserAgent(),
			},
		},
	}
	size := 1536 + len(body)
	switch {
	case len(body) == 0:
	case isText(r.Header.Get("Content-Type"), body):
		e.Body = string(body)
		size += len(body) / 8 // room for the quotes and line ends that get escaped
	default:
		e.Body, e.IsBase64Encoded = body, true
		size += len(body) / 3
	}
	return encode(&e, size)
}

func encode(e *event, size int) []byte {
	buf := bytes.NewBuffer(make([]byte, 0, size))
	enc := json.NewEncoder(buf)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(e); err != nil {
		panic("gateway: encoding an event: " + err.Error()) // strings, maps of strings and bytes always encode
	}
	return bytes.TrimSuffix(buf.Bytes(), []byte("\n"))
}

// isHopByHop knows the headers that concern one connection: they pass neither
// to a function nor from it.
func isHopByHop(name string) bool {
	switch name {
	case "Connection", "Transfer-Encoding", "Upgrade", "Te", "Keep-Alive", "Proxy-Connection":
		return true
	}
	return false
}

// eventHeaders has no cookie header: its content is the event's cookies.
func eventHeaders(r *http.Request, bodySize int, sourceIP string, meta Meta) map[string]string {
	h := make(map[string]string, len(r.Header)+6)
	for name, values := range r.Header {
		if len(values) == 0 || isHopByHop(name) || name == "Cookie" {
			continue
		}
		h[strings.ToLower(name)] = strings.Join(values, ",")
	}
	h["host"] = r.Host
	if r.Host == "" { // HTTP/1.0
		h["host"] = meta.Domain
	}
	h["content-length"] = strconv.Itoa(bodySize)
	if given := h["x-forwarded-for"]; given != "" {
		h["x-forwarded-for"] = given + ", " + sourceIP
	} else {
		h["x-forwarded-for"] = sourceIP
	}
	h["x-forwarded-proto"] = "http"
	if r.TLS != nil {
		h["x-forwarded-proto"] = "https"
	}
	h["x-forwarded-port"] = listenerPort(r)
	if !hasTraceRoot(h["x-amzn-trace-id"]) {
		h["x-amzn-trace-id"] = meta.TraceID
	}
	return h
}

// listenerPort is the port the request came in on. The Host header is the
// client's word and only stands in where the connection is not known.
func listenerPort(r *http.Request) string {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if _, port, err := net.SplitHostPort(addr.String()); err == nil {
			return port
		}
	}
	if _, port, err := net.SplitHostPort(r.Host); err == nil && port != "" {
		return port
	}
	if r.TLS != nil {
		return "443"
	}
	return "80"
}

// cookies splits Cookie headers into one element per cookie; nil if there are none.
func cookies(headers []string) []string {
	var all []string
	for _, header := range headers {
		for c := range strings.SplitSeq(header, ";") {
			if c = strings.TrimSpace(c); c != "" {
				all = append(all, c)
			}
		}
	}
	return all
}

// queryParameters decodes a query; the values of a repeated name are joined with
// commas. Unlike url.ParseQuery it loses nothing: what is not a valid encoding
// stays as it is.
func queryParameters(raw string) map[string]string {
	if raw == "" {
		return nil
	}
	params := make(map[string]string, strings.Count(raw, "&")+1)
	for pair := range strings.SplitSeq(raw, "&") {
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, value = decodeQuery(name), decodeQuery(value)
		if earlier, ok := params[name]; ok {
			value = earlier + "," + value
		}
		params[name] = value
	}
	return params // an empty map is left out of the event
}

func decodeQuery(s string) string {
	if d, err := url.QueryUnescape(s); err == nil {
		return d
	}
	return s
}

func hostOnly(addr string) string {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		return host
	}
	return addr
}

func domainPrefix(domain string) string {
	host, _, _ := strings.Cut(domain, ":")
	label, _, _ := strings.Cut(host, ".")
	return label
}
