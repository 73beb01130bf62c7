package probe

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/metadata"
)

func (p *probe) metadata() metadata.ResourceInterface {
	p.Helper()
	client, err := metadata.NewForConfig(p.config)
	p.must(err)
	return client.Resource(websites).Namespace(p.namespace)
}

// The metadata client, which the garbage collector uses, reads, lists, and patches objects without their kind.
func TestMetadata(t *testing.T) {
	p := start(t)
	whole := p.create("site")
	p.create("other")
	part, err := p.metadata().Get(p.ctx, "site", metav1.GetOptions{})
	p.must(err)
	p.want(part.UID == whole.GetUID() && part.ResourceVersion == whole.GetResourceVersion(), "the part is %v", part)

	list, err := p.metadata().List(p.ctx, metav1.ListOptions{FieldSelector: "metadata.name=site"})
	p.must(err)
	p.want(len(list.Items) == 1 && list.Items[0].UID == whole.GetUID(), "the list is %v", list.Items)

	patch := []byte(`{"metadata":{"labels":{"tier":"gold"}}}`)
	patched, err := p.metadata().Patch(p.ctx, "site", types.MergePatchType, patch, metav1.PatchOptions{})
	p.must(err)
	p.want(patched.Labels["tier"] == "gold", "the labels are %v", patched.Labels)
	p.want(member(p.get("site"), "spec", "gitRepo") == repo, "the spec is gone")
}

// A delete of another uid or revision is refused as a conflict; the right ones delete.
func TestPreconditions(t *testing.T) {
	p := start(t)
	object := p.create("site")
	remove := func(uid types.UID, revision string) error {
		return p.metadata().Delete(p.ctx, "site", metav1.DeleteOptions{
			Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &revision},
		})
	}
	old := object.GetResourceVersion()
	object = p.label("site", "tier", "gold")
	p.refused(remove("another", object.GetResourceVersion()), errors.IsConflict, "a delete of another uid")
	p.refused(remove(object.GetUID(), old), errors.IsConflict, "a delete of an old revision")
	p.must(remove(object.GetUID(), object.GetResourceVersion()))
	_, err := p.metadata().Get(p.ctx, "site", metav1.GetOptions{})
	p.refused(err, errors.IsNotFound, "what is deleted")
}

// A patch that names another uid is refused as a conflict: it is of an object that is gone.
func TestPatchOfAnotherUID(t *testing.T) {
	p := start(t)
	p.create("site")
	patch := []byte(`{"metadata":{"uid":"another","finalizers":["example.com/hold"]}}`)
	_, err := p.metadata().Patch(p.ctx, "site", types.MergePatchType, patch, metav1.PatchOptions{})
	p.refused(err, errors.IsInvalid, "a patch of another uid")
}

// A collection is deleted by selector; what has a finalizer stays until that is removed.
func TestDeleteCollection(t *testing.T) {
	p := start(t)
	for _, name := range []string{"one", "two", "kept"} {
		p.create(name)
	}
	p.label("one", "tier", "gold")
	object := p.label("two", "tier", "gold")
	object.SetFinalizers([]string{"example.com/hold"})
	_, err := p.websites().Update(p.ctx, object, metav1.UpdateOptions{})
	p.must(err)

	policy := metav1.DeletePropagationBackground
	options := metav1.DeleteOptions{PropagationPolicy: &policy}
	p.must(p.metadata().DeleteCollection(p.ctx, options, metav1.ListOptions{LabelSelector: "tier=gold"}))
	_, err = p.metadata().Get(p.ctx, "one", metav1.GetOptions{})
	p.refused(err, errors.IsNotFound, "what is deleted")
	p.get("kept")
	held := p.get("two")
	p.want(held.GetDeletionTimestamp() != nil, "what has a finalizer is not marked")

	held.SetFinalizers(nil)
	_, err = p.websites().Update(p.ctx, held, metav1.UpdateOptions{})
	p.must(err)
	_, err = p.metadata().Get(p.ctx, "two", metav1.GetOptions{})
	p.refused(err, errors.IsNotFound, "what has lost its finalizer")
}
