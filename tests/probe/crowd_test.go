package probe

import (
	"fmt"
	"maps"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/cache"
)

// Informers that start while many clients write hold, in the end, what there is.
func TestInformersUnderWrites(t *testing.T) {
	inBothWays(t, func(p *probe, informer newInformer, _ bool) {
		written := make(chan struct{})
		go func() {
			defer close(written)
			p.churn()
		}()
		var started []cache.SharedIndexInformer
		for len(started) < 10 {
			next := informer(p, "").Informer()
			p.run(next)
			started = append(started, next)
		}
		<-written
		list, err := p.websites().List(p.ctx, metav1.ListOptions{})
		p.must(err)
		expected := map[string]string{}
		for _, object := range list.Items {
			expected[object.GetName()] = object.GetResourceVersion()
		}
		for number, each := range started {
			p.eventually(fmt.Sprintf("informer %d holds what there is", number), func() bool {
				return maps.Equal(revisions(each.GetStore()), expected)
			})
		}
	})
}

// churn creates, changes and deletes objects, together.
func (p *probe) churn() {
	var numbers atomic.Int64
	together(func(int) {
		name := fmt.Sprintf("site-%d", numbers.Add(1))
		_, err := p.websites().Create(p.ctx, website(name), metav1.CreateOptions{})
		if err == nil {
			patch := []byte(`{"metadata":{"labels":{"tier":"gold"}}}`)
			_, err = p.websites().Patch(p.ctx, name, types.MergePatchType, patch, metav1.PatchOptions{})
		}
		if err == nil && numbers.Load()%3 == 0 {
			err = p.websites().Delete(p.ctx, name, metav1.DeleteOptions{})
		}
		if err != nil {
			p.Error(err)
		}
	})
}

// revisions are those of what a store holds, by name.
func revisions(store cache.Store) map[string]string {
	held := map[string]string{}
	for _, object := range store.List() {
		if accessor, err := meta.Accessor(object); err == nil {
			held[accessor.GetName()] = accessor.GetResourceVersion()
		}
	}
	return held
}

// No increment that was acknowledged is lost when the server is killed while clients write.
func TestWritesOverRestart(t *testing.T) {
	p := start(t)
	p.create("site")
	var acknowledged, attempted atomic.Int64
	done := make(chan struct{})
	go func() {
		defer close(done)
		together(func(int) {
			for deadline := time.Now().Add(soon); time.Now().Before(deadline); time.Sleep(tick) {
				attempted.Add(1)
				if p.increment("site") == nil {
					acknowledged.Add(1)
					return
				}
			}
			p.Error("no write was acknowledged in", soon)
		})
	}()
	p.eventually("clients write", func() bool { return acknowledged.Load() > 10 })
	p.ask("restart")
	<-done
	count := p.count("site")
	p.want(count >= acknowledged.Load(), "%d of %d acknowledged increments are there", count, acknowledged.Load())
	p.want(count <= attempted.Load(), "there are %d increments of %d", count, attempted.Load())
}
