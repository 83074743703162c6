package fanout

import "net/http"

// poolOf lets as many connections idle as there can be calls at once, so that
// none has to be opened anew. The transport's own default is ten.
func poolOf(n int) func(*http.Transport) {
	return func(t *http.Transport) {
		t.MaxIdleConns = n
		t.MaxIdleConnsPerHost = n
	}
}
