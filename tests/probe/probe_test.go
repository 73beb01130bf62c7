// Package probe drives a kind with Kubernetes' own Go clients. The kind is Website, in whatever API group PROBE_GROUP
// names: the same claims are made of the server through the aggregator and of the kind as a custom resource.
//
// KUBECONFIG says where. A test that wants the server restarted or its storage compacted asks whoever runs it: see ask.
package probe

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	kind = "Website"
	repo = "https://example.com/site.git"
	soon = 240 * time.Second // for what may take its time on a busy machine
	tick = 20 * time.Millisecond
)

var (
	version    = schema.GroupVersion{Group: os.Getenv("PROBE_GROUP"), Version: "v1alpha1"}
	websites   = version.WithResource("websites")
	configMaps = schema.GroupVersionResource{Version: "v1", Resource: "configmaps"}
	namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}
)

// probe is what one test works with.
type probe struct {
	*testing.T
	ctx       context.Context
	config    *rest.Config
	requests  *requestLog // of everything that was made from config
	client    dynamic.Interface
	namespace string // that nobody else uses
}

func start(t *testing.T) *probe {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatal(err)
	}
	config.QPS = -1 // no throttling by the client
	p := &probe{T: t, ctx: t.Context(), config: config, requests: &requestLog{}}
	config.Wrap(p.requests.wrap)
	p.client, err = dynamic.NewForConfig(config)
	p.must(err)
	p.namespace = p.newNamespace()
	return p
}

func (p *probe) newNamespace() string {
	p.Helper()
	object := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace"}}
	object.SetGenerateName("probe-")
	created, err := p.client.Resource(namespaces).Create(p.ctx, object, metav1.CreateOptions{})
	p.must(err)
	return created.GetName()
}

func (p *probe) websites() dynamic.ResourceInterface {
	return p.client.Resource(websites).Namespace(p.namespace)
}

func (p *probe) must(err error) {
	p.Helper()
	if err != nil {
		p.Fatal(err)
	}
}

// want fails the test unless it is so.
func (p *probe) want(so bool, format string, args ...any) {
	p.Helper()
	if !so {
		p.Fatalf(format, args...)
	}
}

// refused fails the test unless err is of that sort; told is what was asked for.
func (p *probe) refused(err error, sort func(error) bool, told string) {
	p.Helper()
	if err == nil || !sort(err) {
		p.Fatalf("%s: the answer is %q (%s)", told, err, errors.ReasonForError(err))
	}
}

// eventually waits until it is so.
func (p *probe) eventually(told string, so func() bool) {
	p.Helper()
	check := func(context.Context) (bool, error) { return so(), nil }
	if err := wait.PollUntilContextTimeout(p.ctx, tick, soon, true, check); err != nil {
		p.Fatalf("not in %s: %s", soon, told)
	}
}

// receive is the next value of a channel; told is what it will be.
func receive[T any](p *probe, told string, channel <-chan T) T {
	p.Helper()
	select {
	case value, open := <-channel:
		p.want(open, "the channel is closed, no %s", told)
		return value
	case <-time.After(soon):
		p.Fatalf("not in %s: %s", soon, told)
		panic("unreachable")
	}
}

func website(name string) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{"spec": map[string]any{"gitRepo": repo}}}
	object.SetGroupVersionKind(version.WithKind(kind))
	object.SetName(name)
	return object
}

func (p *probe) create(name string) *unstructured.Unstructured {
	p.Helper()
	created, err := p.websites().Create(p.ctx, website(name), metav1.CreateOptions{})
	p.must(err)
	return created
}

func (p *probe) get(name string) *unstructured.Unstructured {
	p.Helper()
	object, err := p.websites().Get(p.ctx, name, metav1.GetOptions{})
	p.must(err)
	return object
}

func (p *probe) delete(name string) {
	p.Helper()
	p.must(p.websites().Delete(p.ctx, name, metav1.DeleteOptions{}))
}

// label sets a label, or removes it when the value is empty.
func (p *probe) label(name, key, value string) *unstructured.Unstructured {
	p.Helper()
	object := p.get(name)
	labels := object.GetLabels()
	delete(labels, key)
	if value != "" {
		labels = map[string]string{key: value}
	}
	object.SetLabels(labels)
	updated, err := p.websites().Update(p.ctx, object, metav1.UpdateOptions{})
	p.must(err)
	return updated
}

// member is the value at a path of the object, nil if there is none.
func member(object *unstructured.Unstructured, path ...string) any {
	value, _, err := unstructured.NestedFieldNoCopy(object.Object, path...)
	if err != nil {
		return nil
	}
	return value
}

// ask has the runner of this test do something to the server, and returns when it is done.
func (p *probe) ask(what string) {
	p.Helper()
	fmt.Printf("\nASK %s\n", what)
	answer, err := bufio.NewReader(os.Stdin).ReadString('\n')
	p.must(err)
	p.want(answer == "done\n", "%s: %s", what, answer)
}
