package probe

import (
	"context"
	"fmt"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/tools/cache"
	watchtools "k8s.io/client-go/tools/watch"
)

// retrying watches the probe's namespace from a revision; every stream is ended by the server after some seconds, 0
// for whenever it likes.
func (p *probe) retrying(revision string, seconds int64) <-chan watch.Event {
	p.Helper()
	client := &cache.ListWatch{WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
		if seconds > 0 {
			options.TimeoutSeconds = &seconds
		}
		return p.websites().Watch(ctx, options)
	}}
	watcher, err := watchtools.NewRetryWatcherWithContext(p.ctx, revision, client)
	p.must(err)
	p.Cleanup(func() {
		watcher.Stop()
		for range watcher.ResultChan() { // so that it can end
		}
	})
	return watcher.ResultChan()
}

func (p *probe) wantEvent(events <-chan watch.Event, what watch.EventType, name string) {
	p.Helper()
	event := receive(p, fmt.Sprintf("%s %s", what, name), events)
	object, _ := event.Object.(*unstructured.Unstructured)
	p.want(object != nil && event.Type == what && object.GetName() == name, "%s %v, not %s %s", event.Type, event.Object, what, name)
}

func (p *probe) revision() string {
	p.Helper()
	list, err := p.websites().List(p.ctx, metav1.ListOptions{})
	p.must(err)
	return list.GetResourceVersion()
}

// Over streams that the server ends one after the other, every event comes once and in order.
func TestRetryWatcherOverEndedStreams(t *testing.T) {
	p := start(t)
	events := p.retrying(p.revision(), 1)
	writes := time.NewTicker(tick)
	defer writes.Stop()
	written := make(chan string, 10_000)
	go func() {
		defer close(written)
		for i := 0; len(p.requests.which(request.isWatch)) < 4; i++ {
			<-writes.C
			name := fmt.Sprintf("site-%04d", i)
			if _, err := p.websites().Create(p.ctx, website(name), metav1.CreateOptions{}); err != nil {
				p.Error(err)
				return
			}
			written <- name
		}
	}()
	for name := range written {
		p.wantEvent(events, watch.Added, name)
	}
}

// Events from before and after a restart of the server come once and in order.
func TestRetryWatcherOverRestart(t *testing.T) {
	p := start(t)
	events := p.retrying(p.revision(), 0)
	p.create("before")
	p.wantEvent(events, watch.Added, "before")
	p.ask("restart")
	p.create("after")
	p.delete("before")
	p.wantEvent(events, watch.Added, "after")
	p.wantEvent(events, watch.Deleted, "before")
}

// From a revision that is compacted it ends, with the event that says so.
func TestRetryWatcherFromCompacted(t *testing.T) {
	p := start(t)
	before := p.create("one").GetResourceVersion()
	p.create("lost")
	p.create("kept") // the events of the revision that is compacted to are
	p.ask("compact")
	p.ask("restart")
	p.wantExpired(before)
	events := p.retrying(before, 0)
	event := receive(p, "the error", events)
	p.refused(errors.FromObject(event.Object), errors.IsResourceExpired, "a watch from a compacted revision")
	_, open := <-events
	p.want(!open, "the watch goes on")
}

// wantExpired: a watch from that revision is opened, and its one event says that it is too late.
func (p *probe) wantExpired(revision string) {
	p.Helper()
	watcher, err := p.websites().Watch(p.ctx, metav1.ListOptions{ResourceVersion: revision})
	p.must(err)
	defer watcher.Stop()
	event := receive(p, "an event of a watch from a compacted revision", watcher.ResultChan())
	p.want(event.Type == watch.Error, "the event is %s %v", event.Type, event.Object)
	p.refused(errors.FromObject(event.Object), errors.IsResourceExpired, "a watch from a compacted revision")
}

// UntilWithSync, what kubectl wait does, sees a condition come true.
func TestUntilWithSync(t *testing.T) {
	p := start(t)
	p.create("site")
	client := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, options metav1.ListOptions) (runtime.Object, error) {
			return p.websites().List(ctx, options)
		},
		WatchFuncWithContext: func(ctx context.Context, options metav1.ListOptions) (watch.Interface, error) {
			return p.websites().Watch(ctx, options)
		},
	}
	ctx, cancel := context.WithTimeout(p.ctx, soon)
	defer cancel()
	event, err := watchtools.UntilWithSync(ctx, client, &unstructured.Unstructured{}, nil, func(event watch.Event) (bool, error) {
		object := event.Object.(*unstructured.Unstructured)
		if object.GetLabels()["tier"] != "gold" {
			p.label("site", "tier", "gold")
			return false, nil
		}
		return true, nil
	})
	p.must(err)
	p.want(event.Type == watch.Modified, "the event is %s %v", event.Type, event.Object)
}
