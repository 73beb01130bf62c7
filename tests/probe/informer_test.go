package probe

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/features"
	featurestesting "k8s.io/client-go/features/testing"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/metadata/metadatainformer"
	"k8s.io/client-go/tools/cache"
)

// change is what an informer's handler was told.
type change struct{ what, name, tier string }

// Makes an informer of the probe's namespace, of objects that the selector chooses.
type newInformer func(p *probe, selector string) informers.GenericInformer

func dynamicInformer(p *probe, selector string) informers.GenericInformer {
	return dynamicinformer.NewFilteredDynamicInformer(p.client, websites, p.namespace, 0, cache.Indexers{}, chosen(selector))
}

func metadataInformer(p *probe, selector string) informers.GenericInformer {
	client, err := metadata.NewForConfig(p.config)
	p.must(err)
	return metadatainformer.NewFilteredMetadataInformer(client, websites, p.namespace, 0, cache.Indexers{}, chosen(selector))
}

func chosen(selector string) func(*metav1.ListOptions) {
	return func(options *metav1.ListOptions) { options.LabelSelector = selector }
}

// run starts an informer and returns when it holds what is there; its changes come through the channel.
func (p *probe) run(informer cache.SharedIndexInformer) <-chan change {
	p.Helper()
	changes := make(chan change, 1000)
	tell := func(what string, object any) {
		if last, ok := object.(cache.DeletedFinalStateUnknown); ok {
			object = last.Obj
		}
		accessor, err := meta.Accessor(object)
		if err != nil {
			p.Error(err)
			return
		}
		changes <- change{what, accessor.GetName(), accessor.GetLabels()["tier"]}
	}
	_, err := informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    func(object any) { tell("add", object) },
		UpdateFunc: func(_, object any) { tell("update", object) },
		DeleteFunc: func(object any) { tell("delete", object) },
	})
	p.must(err)
	ctx, stop := context.WithCancel(p.ctx)
	stopped := make(chan struct{})
	go func() {
		defer close(stopped)
		informer.RunWithContext(ctx)
	}()
	p.Cleanup(func() { stop(); <-stopped })
	limited, cancel := context.WithTimeout(ctx, soon)
	defer cancel()
	p.want(cache.WaitForCacheSync(limited.Done(), informer.HasSynced), "the informer has not synced in %s", soon)
	return changes
}

func (p *probe) expect(changes <-chan change, expected ...change) {
	p.Helper()
	for _, each := range expected {
		got := receive(p, fmt.Sprint(each), changes)
		p.want(got == each, "the informer tells %v, not %v", got, each)
	}
}

// inBothWays runs a check with the list as the beginning of the watch, and with a list of its own, for both informers.
func inBothWays(t *testing.T, check func(p *probe, informer newInformer, streamed bool)) {
	for name, informer := range map[string]newInformer{"dynamic": dynamicInformer, "metadata": metadataInformer} {
		for _, streamed := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s,WatchList=%t", name, streamed), func(t *testing.T) {
				featurestesting.SetFeatureDuringTest(t, features.WatchListClient, streamed)
				check(start(t), informer, streamed)
			})
		}
	}
}

// An informer holds what is there, then is told of each change, in the way it has asked for.
func TestInformer(t *testing.T) {
	inBothWays(t, func(p *probe, informer newInformer, streamed bool) {
		var names []string
		for i := range 25 {
			names = append(names, p.namespace+"/"+p.create(fmt.Sprintf("site-%02d", i)).GetName())
		}
		watched := informer(p, "").Informer()
		changes := p.run(watched)
		keys := watched.GetStore().ListKeys()
		slices.Sort(keys)
		p.want(slices.Equal(keys, names), "the informer holds %v", keys)
		for range names {
			p.want(receive(p, "add", changes).what == "add", "what is there at first is not added")
		}
		p.wantListed(streamed)

		p.create("late")
		p.label("late", "tier", "gold")
		p.delete("late")
		p.expect(changes, change{"add", "late", ""}, change{"update", "late", "gold"}, change{"delete", "late", "gold"})
		p.want(len(watched.GetStore().ListKeys()) == len(names), "the informer keeps what is deleted")
	})
}

func (p *probe) wantListed(streamed bool) {
	p.Helper()
	lists := p.requests.which(request.isList)
	streams := p.requests.which(func(r request) bool { return r.query.Get("sendInitialEvents") == "true" })
	if streamed {
		p.want(len(lists) == 0 && len(streams) == 1, "lists: %v, streams: %v", lists, streams)
	} else {
		p.want(len(lists) > 0 && len(streams) == 0, "lists: %v, streams: %v", lists, streams)
	}
}

// Of an informer with a selector, an object that begins to match is added, and one that no longer matches is deleted.
func TestInformerWithSelector(t *testing.T) {
	inBothWays(t, func(p *probe, informer newInformer, _ bool) {
		p.create("one")
		p.create("other")
		p.label("other", "tier", "silver")
		changes := p.run(informer(p, "tier=gold").Informer())

		p.label("one", "tier", "gold")
		p.label("other", "tier", "gold")
		p.label("one", "tier", "")
		p.delete("other")
		p.expect(changes, change{"add", "one", "gold"}, change{"add", "other", "gold"})
		gone := []change{receive(p, "one is gone", changes), receive(p, "other is gone", changes)}
		p.want(gone[0].what == "delete" && gone[0].name == "one", "the informer tells %v", gone)
		p.want(gone[1].what == "delete" && gone[1].name == "other", "the informer tells %v", gone)
	})
}

// An informer misses nothing when the server is restarted, even if what it has seen last is compacted.
func TestInformerOutlivesRestart(t *testing.T) {
	inBothWays(t, func(p *probe, informer newInformer, _ bool) {
		seen := p.create("before").GetResourceVersion()
		changes := p.run(informer(p, "").Informer())
		p.create("doomed")
		p.expect(changes, change{"add", "before", ""}, change{"add", "doomed", ""})

		elsewhere := p.client.Resource(websites).Namespace(p.newNamespace())
		_, err := elsewhere.Create(p.ctx, website("unseen"), metav1.CreateOptions{})
		p.must(err)
		p.ask("compact")
		p.ask("restart")
		p.wantExpired(seen)

		p.label("before", "tier", "gold")
		p.create("after")
		p.delete("doomed")
		p.expectAll(changes, change{"update", "before", "gold"}, change{"add", "after", ""}, change{"delete", "doomed", ""})
	})
}

// expectAll waits for all of them in any order: an informer that lists again tells what differs in no order, and that
// it has seen the rest again.
func (p *probe) expectAll(changes <-chan change, expected ...change) {
	p.Helper()
	for len(expected) > 0 {
		got := receive(p, fmt.Sprint(expected), changes)
		expected = slices.DeleteFunc(expected, func(each change) bool { return each == got })
	}
}
