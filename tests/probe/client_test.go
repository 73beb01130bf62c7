package probe

import (
	"fmt"
	"testing"

	autoscaling "k8s.io/api/autoscaling/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// typed is controller-runtime's client, without a cache.
func (p *probe) typed() client.Client {
	p.Helper()
	made, err := client.New(p.config, client.Options{Scheme: p.scheme()})
	p.must(err)
	return client.WithFieldOwner(made, "probe")
}

func (p *probe) site(name string) *Website {
	site := &Website{Spec: WebsiteSpec{GitRepo: repo}}
	site.Namespace, site.Name = p.namespace, name
	return site
}

// controller-runtime's client reads into and writes from Go types, status and scale included.
func TestTypedClient(t *testing.T) {
	p := start(t)
	c, site := p.typed(), p.site("site")
	p.must(c.Create(p.ctx, site))
	p.want(site.UID != "" && *site.Spec.Replicas == 1, "what is created is %v", site)
	site.Status.ReadyReplicas = 1
	p.must(c.Status().Update(p.ctx, site))

	scale := &autoscaling.Scale{}
	p.must(c.SubResource("scale").Get(p.ctx, site, scale))
	scale.Spec.Replicas = 3
	p.must(c.SubResource("scale").Update(p.ctx, site, client.WithSubResourceBody(scale)))
	read := &Website{}
	p.must(c.Get(p.ctx, client.ObjectKeyFromObject(site), read))
	p.want(*read.Spec.Replicas == 3 && read.Status.ReadyReplicas == 1, "what is read is %v", read)
	for _, entry := range read.ManagedFields {
		p.want(entry.Manager == "probe", "a manager is %q", entry.Manager)
	}
}

// A merge patch with an optimistic lock is refused when the object has changed since it was read.
func TestOptimisticLock(t *testing.T) {
	p := start(t)
	c, site := p.typed(), p.site("site")
	p.must(c.Create(p.ctx, site))
	stale := site.copy()
	site.Labels = map[string]string{"tier": "gold"}
	p.must(c.Update(p.ctx, site))

	changed := stale.copy()
	changed.Labels = map[string]string{"tier": "silver"}
	locked := client.MergeFromWithOptions(stale, client.MergeFromWithOptimisticLock{})
	p.refused(c.Patch(p.ctx, changed, locked), errors.IsConflict, "a patch of what has changed")
	p.must(c.Patch(p.ctx, changed, client.MergeFrom(stale)))
	p.want(changed.Labels["tier"] == "silver", "the labels are %v", changed.Labels)
}

// Lists by label and name, in pages, and deletes of all that match.
func TestTypedList(t *testing.T) {
	p := start(t)
	c := p.typed()
	for number := range 5 {
		site := p.site(fmt.Sprintf("site-%d", number))
		site.Labels = map[string]string{"odd": fmt.Sprint(number%2 == 1)}
		p.must(c.Create(p.ctx, site))
	}
	list := &WebsiteList{}
	odd := client.MatchingLabels{"odd": "true"}
	p.must(c.List(p.ctx, list, client.InNamespace(p.namespace), odd))
	p.want(len(list.Items) == 2, "the list is %v", list.Items)
	p.must(c.List(p.ctx, list, client.InNamespace(p.namespace), client.MatchingFields{"metadata.name": "site-4"}))
	p.want(len(list.Items) == 1 && list.Items[0].Name == "site-4", "the list is %v", list.Items)
	p.must(c.List(p.ctx, list, client.InNamespace(p.namespace), client.Limit(3)))
	p.want(len(list.Items) == 3 && *list.RemainingItemCount == 2, "the page is %v", list)
	p.must(c.DeleteAllOf(p.ctx, &Website{}, client.InNamespace(p.namespace), odd))
	p.must(c.List(p.ctx, list, client.InNamespace(p.namespace)))
	p.want(len(list.Items) == 3, "the list is %v", list.Items)
}

// Objects are read and patched as metadata alone, as controllers do that watch nothing else.
func TestTypedMetadata(t *testing.T) {
	p := start(t)
	c, site := p.typed(), p.site("site")
	p.must(c.Create(p.ctx, site))
	part := &metav1.PartialObjectMetadata{}
	part.SetGroupVersionKind(version.WithKind(kind))
	p.must(c.Get(p.ctx, client.ObjectKeyFromObject(site), part))
	p.want(part.UID == site.UID, "the part is %v", part)
	patch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"labels":{"tier":"gold"}}}`))
	p.must(c.Patch(p.ctx, part, patch))
	p.want(part.Labels["tier"] == "gold", "the labels are %v", part.Labels)
}
