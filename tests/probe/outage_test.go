package probe

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
)

// While the storage is away, writes are refused with a time to try again, lists from the cache are answered, and watches
// stay open; afterwards they go on, and nobody lists again.
func TestStorageOutage(t *testing.T) {
	inBothWays(t, func(p *probe, informer newInformer, _ bool) {
		p.create("before")
		changes := p.run(informer(p, "").Informer())
		p.expect(changes, change{"add", "before", ""})
		p.ask("stop-storage")
		err := p.tryOnce("during")
		cached, cacheErr := p.list("0", "")
		p.ask("start-storage")

		p.refused(err, errors.IsServiceUnavailable, "a create without a storage")
		seconds, again := errors.SuggestsClientDelay(err)
		p.want(again && seconds > 0, "the client is told to wait for %d s", seconds)
		p.must(cacheErr)
		p.want(len(names(p, cached)) == 1, "the cache holds %v", names(p, cached))
		p.eventually("the storage is back", func() bool {
			err := p.tryOnce("after")
			return err == nil || errors.IsAlreadyExists(err) // it was created, but its answer came too late
		})
		p.expect(changes, change{"add", "after", ""})
		watches := p.requests.which(request.isWatch)
		p.want(len(watches) == 1, "the watch was opened again: %v", watches)
	})
}

// tryOnce creates an object, and does not try again as clients do.
func (p *probe) tryOnce(name string) error {
	p.Helper()
	body, err := website(name).MarshalJSON()
	p.must(err)
	return p.discovery(false).RESTClient().Post().
		AbsPath("apis", version.Group, version.Version, "namespaces", p.namespace, "websites").
		SetHeader("Content-Type", "application/json").
		Body(body).MaxRetries(0).Do(p.ctx).Error()
}
