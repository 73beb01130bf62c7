package probe

import (
	"fmt"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/util/retry"
)

const (
	writers = 12
	each    = 10
)

var patience = wait.Backoff{Steps: 1000, Duration: 5 * time.Millisecond, Factor: 1, Jitter: 1}

// together runs the same thing many times at once.
func together(write func(writer int)) {
	var all sync.WaitGroup
	for writer := range writers {
		all.Go(func() {
			for range each {
				write(writer)
			}
		})
	}
	all.Wait()
}

// increment adds one to an annotation, in the way of a client that reads, changes and updates.
func (p *probe) increment(name string) error {
	object, err := p.websites().Get(p.ctx, name, metav1.GetOptions{})
	if err != nil {
		return err
	}
	count, _ := strconv.Atoi(object.GetAnnotations()["count"])
	object.SetAnnotations(map[string]string{"count": strconv.Itoa(count + 1)})
	_, err = p.websites().Update(p.ctx, object, metav1.UpdateOptions{})
	return err
}

// count is what the increments have come to.
func (p *probe) count(name string) int64 {
	p.Helper()
	count, err := strconv.ParseInt(p.get(name).GetAnnotations()["count"], 10, 64)
	p.must(err)
	return count
}

// Of many clients that read, increment and update the same annotation, none's increment is lost.
func TestRetryOnConflict(t *testing.T) {
	p := start(t)
	p.create("site")
	var conflicts atomic.Int64
	together(func(int) {
		err := retry.RetryOnConflict(patience, func() error {
			err := p.increment("site")
			if errors.IsConflict(err) {
				conflicts.Add(1)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	})
	p.want(p.count("site") == writers*each, "%d of %d increments are there", p.count("site"), writers*each)
	p.want(conflicts.Load() > 0, "nobody was in another's way: this proves nothing")
}

// Patches without a resourceVersion never conflict: the server applies them again to what there is then.
func TestPatchesUnderContention(t *testing.T) {
	p := start(t)
	p.create("site")
	var numbers atomic.Int64
	together(func(writer int) {
		patch := fmt.Sprintf(`{"metadata":{"annotations":{"writer-%d":"%d"}}}`, writer, numbers.Add(1))
		_, err := p.websites().Patch(p.ctx, "site", types.MergePatchType, []byte(patch), metav1.PatchOptions{})
		if err != nil {
			t.Error(err)
		}
	})
	object := p.get("site")
	p.want(len(object.GetAnnotations()) == writers, "the annotations are %v", object.GetAnnotations())
	p.want(object.GetGeneration() == 1, "annotations count as a new generation: %d", object.GetGeneration())
}

// Spec and status have different writers, who overwrite nothing of each other's.
func TestStatusUnderContention(t *testing.T) {
	p := start(t)
	p.create("site")
	update := func(subresource string, value int64, path ...string) error {
		return retry.RetryOnConflict(patience, func() error {
			object, err := p.websites().Get(p.ctx, "site", metav1.GetOptions{})
			if err != nil {
				return err
			}
			if err := unstructured.SetNestedField(object.Object, value, path...); err != nil {
				return err
			}
			if subresource == "status" {
				_, err = p.websites().UpdateStatus(p.ctx, object, metav1.UpdateOptions{})
			} else {
				_, err = p.websites().Update(p.ctx, object, metav1.UpdateOptions{})
			}
			return err
		})
	}
	var replicas, observed atomic.Int64
	together(func(writer int) {
		var err error
		if writer%2 == 0 {
			err = update("", replicas.Add(1), "spec", "replicas")
		} else {
			err = update("status", observed.Add(1), "status", "observedGeneration")
		}
		if err != nil {
			t.Error(err)
		}
	})
	object := p.get("site")
	p.want(member(object, "spec", "gitRepo") == repo, "the spec is %v", member(object, "spec"))
	p.want(member(object, "spec", "replicas") != nil, "the spec is %v", member(object, "spec"))
	p.want(member(object, "status", "observedGeneration") != nil, "the status is %v", member(object, "status"))
	p.want(object.GetGeneration() > 1, "the generation is %d", object.GetGeneration())
}

// Of clients that create the same name at the same time, one does, and the others are told that it exists.
func TestCreatesOfOneName(t *testing.T) {
	p := start(t)
	var made, refused atomic.Int64
	together(func(int) {
		switch _, err := p.websites().Create(p.ctx, website("site"), metav1.CreateOptions{}); {
		case err == nil:
			made.Add(1)
		case errors.IsAlreadyExists(err):
			refused.Add(1)
		default:
			t.Error(err)
		}
	})
	p.want(made.Load() == 1 && refused.Load() == writers*each-1, "%d made, %d refused", made.Load(), refused.Load())
}
