package probe

import (
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func (p *probe) list(revision string, match metav1.ResourceVersionMatch) (runtime.Object, error) {
	return p.websites().List(p.ctx, metav1.ListOptions{ResourceVersion: revision, ResourceVersionMatch: match})
}

// A list at exactly a revision is what there was then; one not older than it is what there is now.
func TestListAtRevision(t *testing.T) {
	p := start(t)
	p.create("gone")
	revision := p.create("site").GetResourceVersion()
	p.delete("gone")
	then, err := p.list(revision, metav1.ResourceVersionMatchExact)
	p.must(err)
	p.want(len(names(p, then)) == 2, "there were %v", names(p, then))
	p.eventually("the cache has seen the delete", func() bool {
		now, err := p.list(revision, metav1.ResourceVersionMatchNotOlderThan)
		p.must(err)
		return len(names(p, now)) == 1
	})
}

// A revision that is yet to come is refused in the way that clients take as "try again soon".
func TestListAtFutureRevision(t *testing.T) {
	p := start(t)
	now, err := strconv.ParseUint(p.revision(), 10, 64)
	p.must(err)
	err = p.discovery(false).RESTClient().Get().
		AbsPath("apis", version.Group, version.Version, "namespaces", p.namespace, "websites").
		Param("resourceVersion", strconv.FormatUint(now+1_000_000, 10)).
		MaxRetries(0).Do(p.ctx).Error()
	p.refused(err, errors.IsTimeout, "a list of the future")
	p.want(errors.HasStatusCause(err, metav1.CauseTypeResourceVersionTooLarge), "the causes are %v", err)
	seconds, again := errors.SuggestsClientDelay(err)
	p.want(again && seconds > 0, "the client is told to wait for %d s", seconds)
}

// A list at exactly a compacted revision is refused as expired.
func TestListAtCompactedRevision(t *testing.T) {
	p := start(t)
	revision := p.create("one").GetResourceVersion()
	p.create("other")
	p.ask("compact")
	_, err := p.list(revision, metav1.ResourceVersionMatchExact)
	p.refused(err, errors.IsResourceExpired, "a list at a compacted revision")
}
