package probe

import (
	"net/http"
	"net/url"
	"strings"
	"sync"
)

// request is one that a client has sent for objects of the kind.
type request struct {
	method string
	name   string // of the object, empty for the collection
	query  url.Values
}

func (r request) isWatch() bool { return r.query.Get("watch") == "true" }
func (r request) isList() bool  { return r.method == http.MethodGet && r.name == "" && !r.isWatch() }

// requestLog keeps what has been sent.
type requestLog struct {
	lock sync.Mutex
	sent []request
}

func (l *requestLog) wrap(next http.RoundTripper) http.RoundTripper {
	return roundTripper(func(r *http.Request) (*http.Response, error) {
		_, name, ours := strings.Cut(r.URL.Path, "/"+websites.Resource)
		if ours && strings.HasPrefix(r.URL.Path, "/apis/"+websites.Group+"/") {
			l.add(request{r.Method, strings.TrimPrefix(name, "/"), r.URL.Query()})
		}
		return next.RoundTrip(r)
	})
}

func (l *requestLog) add(entry request) {
	l.lock.Lock()
	defer l.lock.Unlock()
	l.sent = append(l.sent, entry)
}

// which are those so far that fit.
func (l *requestLog) which(fits func(request) bool) []request {
	l.lock.Lock()
	defer l.lock.Unlock()
	var found []request
	for _, entry := range l.sent {
		if fits(entry) {
			found = append(found, entry)
		}
	}
	return found
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
