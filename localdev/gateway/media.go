package gateway

import (
	"mime"
	"strings"
	"unicode/utf8"
)

// isText says whether a request body goes into the event as text. Everything
// else goes as base64: on AWS that includes forms, multipart bodies and bodies
// without a content type.
func isText(contentType string, body []byte) bool {
	return isTextType(contentType) && utf8.Valid(body)
}

func isTextType(contentType string) bool {
	if contentType == "application/json" { // nearly every request: spare the parsing
		return true
	}
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if charset, ok := params["charset"]; ok && !strings.EqualFold(charset, "utf-8") {
		return false
	}
	switch media {
	case "application/json", "application/xml", "application/javascript":
		return true
	}
	if strings.HasPrefix(media, "text/") {
		return true
	}
	return strings.HasPrefix(media, "application/") &&
		(strings.HasSuffix(media, "+json") || strings.HasSuffix(media, "+xml"))
}
