package probe

import (
	"testing"

	autoscaling "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/scale"
)

func (p *probe) scales() scale.ScaleInterface {
	p.Helper()
	found, err := discovery.NewDiscoveryClientForConfig(p.config)
	p.must(err)
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(found))
	resolver := scale.NewDiscoveryScaleKindResolver(found)
	client, err := scale.NewForConfig(p.config, mapper, dynamic.LegacyAPIPathResolverFunc, resolver)
	p.must(err)
	return client.Scales(p.namespace)
}

// The scale client, which the autoscaler uses, finds the subresource by discovery; it reads status and writes spec.
func TestScale(t *testing.T) {
	p := start(t)
	object := p.create("site")
	status := map[string]any{"replicas": int64(2), "selector": "app=site"}
	p.must(unstructured.SetNestedMap(object.Object, status, "status"))
	_, err := p.websites().UpdateStatus(p.ctx, object, metav1.UpdateOptions{})
	p.must(err)

	scales, resource := p.scales(), websites.GroupResource()
	read, err := scales.Get(p.ctx, resource, "site", metav1.GetOptions{})
	p.must(err)
	p.want(read.UID == object.GetUID(), "the scale's uid is %s", read.UID)
	p.want(read.Spec.Replicas == 1 && read.Status.Replicas == 2, "the scale is %v", read)
	p.want(read.Status.Selector == "app=site", "the selector is %q", read.Status.Selector)

	read.Spec.Replicas = 4
	_, err = scales.Update(p.ctx, resource, read, metav1.UpdateOptions{})
	p.must(err)
	scaled := p.get("site")
	p.want(member(scaled, "spec", "replicas") == int64(4), "the spec is %v", member(scaled, "spec"))
	p.want(scaled.GetGeneration() == 2, "the generation is %d", scaled.GetGeneration())

	_, err = scales.Update(p.ctx, resource, read, metav1.UpdateOptions{})
	p.refused(err, errors.IsConflict, "an update of an old revision")

	patch := []byte(`{"spec":{"replicas":5}}`)
	patched, err := scales.Patch(p.ctx, websites, "site", types.MergePatchType, patch, metav1.PatchOptions{})
	p.must(err)
	p.want(patched.Spec.Replicas == 5, "the scale is %v", patched)
}

// What the kind's schema forbids, and what is not there, is refused.
func TestScaleRefusals(t *testing.T) {
	p := start(t)
	p.create("site")
	scales := p.scales()
	patch := []byte(`{"spec":{"replicas":-1}}`)
	_, err := scales.Patch(p.ctx, websites, "site", types.MergePatchType, patch, metav1.PatchOptions{})
	p.refused(err, errors.IsInvalid, "a negative number of replicas")
	_, err = scales.Get(p.ctx, websites.GroupResource(), "nobody", metav1.GetOptions{})
	p.refused(err, errors.IsNotFound, "a scale of nobody")
}

// Discovery says that the subresource is autoscaling/v1's.
func TestScaleKind(t *testing.T) {
	p := start(t)
	found, err := discovery.NewDiscoveryClientForConfig(p.config)
	p.must(err)
	gvk, err := scale.NewDiscoveryScaleKindResolver(found).ScaleForResource(websites)
	p.must(err)
	p.want(gvk == autoscaling.SchemeGroupVersion.WithKind("Scale"), "the kind is %s", gvk)
}
