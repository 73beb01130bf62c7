package probe

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
)

func (p *probe) watch(options metav1.ListOptions) <-chan watch.Event {
	p.Helper()
	watcher, err := p.websites().Watch(p.ctx, options)
	p.must(err)
	p.Cleanup(watcher.Stop)
	return watcher.ResultChan()
}

// A watch by label: an object that begins to match is ADDED, one that changes MODIFIED, one that ceases to DELETED.
func TestWatchByLabel(t *testing.T) {
	p := start(t)
	events := p.watch(metav1.ListOptions{LabelSelector: "tier in (gold,silver)", ResourceVersion: p.revision()})
	p.create("site")
	p.create("other")
	p.label("site", "tier", "gold")
	p.label("site", "tier", "silver")
	ceased := p.label("site", "tier", "bronze")
	p.wantEvent(events, watch.Added, "site")
	p.wantEvent(events, watch.Modified, "site")
	event := receive(p, "the end", events)
	object := event.Object.(*unstructured.Unstructured)
	p.want(event.Type == watch.Deleted, "the event is %s %v", event.Type, object)
	p.want(object.GetLabels()["tier"] == "silver", "the event's object is not the one that matched: %v", object)
	p.want(object.GetResourceVersion() == ceased.GetResourceVersion(), "the event's revision is %s", object.GetResourceVersion())
}

// A watch by name tells of that object alone.
func TestWatchByName(t *testing.T) {
	p := start(t)
	events := p.watch(metav1.ListOptions{FieldSelector: "metadata.name=site", ResourceVersion: p.revision()})
	p.create("other")
	p.create("site")
	p.delete("other")
	p.delete("site")
	p.wantEvent(events, watch.Added, "site")
	p.wantEvent(events, watch.Deleted, "site")
}

// A watch of an old revision begins with what has happened since; one of revision 0 with what there is.
func TestWatchFrom(t *testing.T) {
	p := start(t)
	before := p.revision()
	p.create("gone")
	p.create("site")
	p.delete("gone")
	since := p.watch(metav1.ListOptions{ResourceVersion: before})
	p.wantEvent(since, watch.Added, "gone")
	p.wantEvent(since, watch.Added, "site")
	p.wantEvent(since, watch.Deleted, "gone")
	now := p.watch(metav1.ListOptions{})
	p.wantEvent(now, watch.Added, "site")
}

// A streamed list ends with the bookmark that says so, of a revision that a watch can go on from.
func TestStreamedList(t *testing.T) {
	p := start(t)
	p.create("one")
	p.create("two")
	yes := true
	events := p.watch(metav1.ListOptions{
		SendInitialEvents: &yes, ResourceVersionMatch: metav1.ResourceVersionMatchNotOlderThan, AllowWatchBookmarks: true,
	})
	p.wantEvent(events, watch.Added, "one")
	p.wantEvent(events, watch.Added, "two")
	event := receive(p, "the bookmark", events)
	bookmark := event.Object.(*unstructured.Unstructured)
	p.want(event.Type == watch.Bookmark, "the event is %s %v", event.Type, bookmark)
	p.want(bookmark.GetAnnotations()[metav1.InitialEventsAnnotationKey] == "true", "the bookmark is %v", bookmark)
	p.create("three")
	p.wantEvent(events, watch.Added, "three")
	p.wantEvent(p.watch(metav1.ListOptions{ResourceVersion: bookmark.GetResourceVersion()}), watch.Added, "three")
}

// A watch with a timeout ends after it without an error.
func TestWatchTimeout(t *testing.T) {
	p := start(t)
	second := int64(1)
	events := p.watch(metav1.ListOptions{ResourceVersion: p.revision(), TimeoutSeconds: &second})
	for event := range events {
		p.Fatalf("the watch tells %s %v", event.Type, event.Object)
	}
}
