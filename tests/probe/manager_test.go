package probe

import (
	"context"
	"fmt"
	"testing"

	"github.com/go-logr/logr/testr"
	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/util/retry"
	controllerruntime "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
)

const finalizer = "example.com/record"

// recorder keeps a ConfigMap beside each object, which it removes itself before the object may go.
type recorder struct {
	client.Client
}

func (r *recorder) Reconcile(ctx context.Context, request controllerruntime.Request) (controllerruntime.Result, error) {
	site := &Website{}
	if err := r.Get(ctx, request.NamespacedName, site); err != nil {
		return controllerruntime.Result{}, client.IgnoreNotFound(err)
	}
	if !site.DeletionTimestamp.IsZero() {
		return controllerruntime.Result{}, r.finish(ctx, site)
	}
	return controllerruntime.Result{}, r.keep(ctx, site)
}

func (r *recorder) keep(ctx context.Context, site *Website) error {
	if controllerutil.AddFinalizer(site, finalizer) {
		if err := r.Update(ctx, site); err != nil {
			return err
		}
	}
	if err := r.record(ctx, site); err != nil {
		return err
	}
	return r.report(ctx, site)
}

func record(site *Website) *core.ConfigMap {
	return &core.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: site.Namespace, Name: site.Name + "-record"}}
}

func (r *recorder) record(ctx context.Context, site *Website) error {
	kept := record(site)
	_, err := controllerutil.CreateOrUpdate(ctx, r.Client, kept, func() error {
		kept.Data = map[string]string{"repo": site.Spec.GitRepo}
		return controllerutil.SetControllerReference(site, kept, r.Scheme())
	})
	return err
}

func (r *recorder) report(ctx context.Context, site *Website) error {
	before := site.copy()
	site.Status.ObservedGeneration = site.Generation
	site.Status.ReadyReplicas = *site.Spec.Replicas
	meta.SetStatusCondition(&site.Status.Conditions, metav1.Condition{
		Type: "Ready", Status: metav1.ConditionTrue, Reason: "Recorded", ObservedGeneration: site.Generation,
	})
	return r.Status().Patch(ctx, site, client.MergeFrom(before))
}

func (r *recorder) finish(ctx context.Context, site *Website) error {
	if err := r.Delete(ctx, record(site)); client.IgnoreNotFound(err) != nil {
		return err
	}
	if controllerutil.RemoveFinalizer(site, finalizer) {
		return r.Update(ctx, site)
	}
	return nil
}

// manage runs a manager with the recorder in the probe's namespace until the test ends; the manager's client.
func (p *probe) manage() client.Client {
	p.Helper()
	controllerruntime.SetLogger(testr.New(p.T))
	manager, err := controllerruntime.NewManager(p.config, controllerruntime.Options{
		Scheme:     p.scheme(),
		Metrics:    server.Options{BindAddress: "0"},
		Cache:      cache.Options{DefaultNamespaces: map[string]cache.Config{p.namespace: {}}},
		Controller: config.Controller{SkipNameValidation: new(true)},
	})
	p.must(err)
	p.must(controllerruntime.NewControllerManagedBy(manager).
		For(&Website{}, builder.WithPredicates(predicate.GenerationChangedPredicate{})).
		Owns(&core.ConfigMap{}).
		Complete(&recorder{manager.GetClient()}))
	ctx, stop := context.WithCancel(p.ctx)
	ended := make(chan error, 1)
	go func() { ended <- manager.Start(ctx) }()
	p.Cleanup(func() {
		stop()
		if err := receive(p, "the manager's end", ended); err != nil {
			p.Error(err)
		}
	})
	return manager.GetClient()
}

func (p *probe) wantRecorded(name string, replicas int64) *unstructured.Unstructured {
	p.Helper()
	var object *unstructured.Unstructured
	p.eventually(fmt.Sprintf("the status is of this generation and of %d replicas", replicas), func() bool {
		object = p.get(name)
		current := member(object, "status", "observedGeneration") == object.GetGeneration()
		return current && member(object, "status", "readyReplicas") == replicas
	})
	return object
}

// A controller-runtime manager reconciles the kind: finalizer, owned object, status, and the end in the right order.
func TestManager(t *testing.T) {
	p := start(t)
	events := p.watch(metav1.ListOptions{ResourceVersion: p.revision()})
	manager := p.manage()
	replicas := int32(2)
	site := &Website{Spec: WebsiteSpec{GitRepo: repo, Replicas: &replicas}}
	site.Namespace, site.Name = p.namespace, "site"
	p.must(manager.Create(p.ctx, site))
	object := p.wantRecorded("site", 2)
	p.want(object.GetFinalizers()[0] == finalizer, "the finalizers are %v", object.GetFinalizers())

	p.must(retry.RetryOnConflict(patience, func() error { // the recorder may write once more
		object := p.get("site")
		p.must(unstructured.SetNestedField(object.Object, int64(3), "spec", "replicas"))
		_, err := p.websites().Update(p.ctx, object, metav1.UpdateOptions{})
		return err
	}))
	p.wantRecorded("site", 3)
	p.wantRecordAgain("site-record")

	p.must(manager.Delete(p.ctx, site))
	p.wantEnd(events)
	p.wantGone("site-record")
}

// wantRecordAgain: an owned object that somebody deletes comes back.
func (p *probe) wantRecordAgain(name string) {
	p.Helper()
	records := p.client.Resource(configMaps).Namespace(p.namespace)
	kept, err := records.Get(p.ctx, name, metav1.GetOptions{})
	p.must(err)
	p.must(records.Delete(p.ctx, name, metav1.DeleteOptions{}))
	p.eventually("the record is there again", func() bool {
		again, err := records.Get(p.ctx, name, metav1.GetOptions{})
		return err == nil && again.GetUID() != kept.GetUID()
	})
}

// wantEnd: the object is marked first, with its finalizer, and goes when that is removed.
func (p *probe) wantEnd(events <-chan watch.Event) {
	p.Helper()
	marked := false
	for {
		event := receive(p, "the end of the object", events)
		object := event.Object.(*unstructured.Unstructured)
		if event.Type == watch.Deleted {
			p.want(marked, "it went before it was marked")
			return
		}
		marked = marked || (object.GetDeletionTimestamp() != nil && len(object.GetFinalizers()) == 1)
	}
}

func (p *probe) wantGone(record string) {
	p.Helper()
	_, err := p.client.Resource(configMaps).Namespace(p.namespace).Get(p.ctx, record, metav1.GetOptions{})
	p.refused(err, errors.IsNotFound, "the record of what is gone")
}

// A status that is the same again is no write, so that a controller does not wake itself up for ever.
func TestSameStatus(t *testing.T) {
	p := start(t)
	object := p.create("site")
	p.must(unstructured.SetNestedField(object.Object, int64(1), "status", "observedGeneration"))
	first, err := p.websites().UpdateStatus(p.ctx, object, metav1.UpdateOptions{})
	p.must(err)
	second, err := p.websites().UpdateStatus(p.ctx, first, metav1.UpdateOptions{})
	p.must(err)
	p.want(first.GetResourceVersion() == second.GetResourceVersion(), "the same status is written again")
}
