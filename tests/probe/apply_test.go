package probe

import (
	"fmt"
	"reflect"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	metaapply "k8s.io/client-go/applyconfigurations/meta/v1"
)

// intent is what a manager applies: the name, and a spec or a status.
func intent(name, part string, fields map[string]any) *unstructured.Unstructured {
	object := &unstructured.Unstructured{Object: map[string]any{part: fields}}
	object.SetGroupVersionKind(version.WithKind(kind))
	object.SetName(name)
	return object
}

func (p *probe) apply(manager string, force bool, fields map[string]any) (*unstructured.Unstructured, error) {
	options := metav1.ApplyOptions{FieldManager: manager, Force: force}
	return p.websites().Apply(p.ctx, "site", intent("site", "spec", fields), options)
}

func (p *probe) applied(manager string, fields map[string]any) *unstructured.Unstructured {
	p.Helper()
	object, err := p.apply(manager, false, fields)
	p.must(err)
	return object
}

// owned is the FieldsV1 of the manager's apply, empty if it has none.
func owned(object *unstructured.Unstructured, manager, subresource string) string {
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == manager && entry.Operation == metav1.ManagedFieldsOperationApply && entry.Subresource == subresource {
			return string(entry.FieldsV1.Raw)
		}
	}
	return ""
}

// Apply creates; applied again, nothing is written; a field that is no longer applied goes away.
func TestApply(t *testing.T) {
	p := start(t)
	created := p.applied("alice", map[string]any{"gitRepo": repo, "branch": "main"})
	p.want(created.GetUID() != "" && created.GetGeneration() == 1, "what is created is %v", created)
	fields := owned(created, "alice", "")
	p.want(fields == `{"f:spec":{"f:branch":{},"f:gitRepo":{}}}`, "alice owns %s", fields)

	again := p.applied("alice", map[string]any{"gitRepo": repo, "branch": "main"})
	p.want(again.GetResourceVersion() == created.GetResourceVersion(), "the same apply has written something")

	without := p.applied("alice", map[string]any{"gitRepo": repo})
	p.want(member(without, "spec", "branch") == nil, "the branch is still there: %v", without)
	p.want(without.GetGeneration() == 2, "the generation is %d", without.GetGeneration())
}

// Who applies another's field gets a conflict that names it and its owner; who forces it takes it over; whose value is
// the same shares it.
func TestApplyConflict(t *testing.T) {
	p := start(t)
	p.applied("alice", map[string]any{"gitRepo": repo, "replicas": int64(2)})
	_, err := p.apply("bob", false, map[string]any{"gitRepo": repo, "replicas": int64(3)})
	p.refused(err, errors.IsConflict, "an apply of another's field")
	causes := err.(errors.APIStatus).Status().Details.Causes
	p.want(len(causes) == 1, "the causes are %v", causes)
	p.want(causes[0].Type == metav1.CauseTypeFieldManagerConflict, "the cause is %v", causes[0])
	p.want(causes[0].Field == ".spec.replicas", "the cause's field is %q", causes[0].Field)
	p.want(causes[0].Message == `conflict with "alice"`, "the cause says %q", causes[0].Message)

	forced, err := p.apply("bob", true, map[string]any{"replicas": int64(3)})
	p.must(err)
	p.want(owned(forced, "alice", "") == `{"f:spec":{"f:gitRepo":{}}}`, "alice owns %s", owned(forced, "alice", ""))
	p.want(owned(forced, "bob", "") == `{"f:spec":{"f:replicas":{}}}`, "bob owns %s", owned(forced, "bob", ""))

	shared := p.applied("carol", map[string]any{"replicas": int64(3)})
	p.want(owned(shared, "bob", "") == owned(shared, "carol", ""), "the field is not shared: %v", shared.GetManagedFields())
	kept := p.applied("carol", map[string]any{})
	p.want(member(kept, "spec", "replicas") == int64(3), "the field went with one of its two owners: %v", kept)
}

// An update makes its manager the owner of what it changes, and apply then conflicts with it.
func TestApplyAfterUpdate(t *testing.T) {
	p := start(t)
	object := p.applied("alice", map[string]any{"gitRepo": repo, "replicas": int64(2)})
	p.must(unstructured.SetNestedField(object.Object, int64(5), "spec", "replicas"))
	_, err := p.websites().Update(p.ctx, object, metav1.UpdateOptions{FieldManager: "editor"})
	p.must(err)
	_, err = p.apply("alice", false, map[string]any{"gitRepo": repo, "replicas": int64(2)})
	p.refused(err, errors.IsConflict, "an apply of a field that an update has changed")
	p.want(strings.Contains(err.Error(), `conflict with "editor" using `+version.String()), "the conflict says %q", err)
}

func (p *probe) applyCondition(manager, condition, status string) *unstructured.Unstructured {
	p.Helper()
	entry := map[string]any{
		"type": condition, "status": status, "reason": "Probed", "message": "", "lastTransitionTime": "2026-01-01T00:00:00Z",
	}
	fields := intent("site", "status", map[string]any{"conditions": []any{entry}})
	object, err := p.websites().ApplyStatus(p.ctx, "site", fields, metav1.ApplyOptions{FieldManager: manager})
	p.must(err)
	return object
}

// Two managers own a condition each of the same list, and give up only their own.
func TestApplyStatus(t *testing.T) {
	p := start(t)
	p.create("site")
	p.applyCondition("alice", "Ready", "True")
	object := p.applyCondition("bob", "Healthy", "True")
	conditions, _ := member(object, "status", "conditions").([]any)
	p.want(len(conditions) == 2, "the conditions are %v", conditions)
	p.want(strings.Contains(owned(object, "bob", "status"), `k:{\"type\":\"Healthy\"}`), "bob owns %s", owned(object, "bob", "status"))

	nothing := intent("site", "status", map[string]any{})
	object, err := p.websites().ApplyStatus(p.ctx, "site", nothing, metav1.ApplyOptions{FieldManager: "alice"})
	p.must(err)
	conditions, _ = member(object, "status", "conditions").([]any)
	p.want(len(conditions) == 1, "the conditions are %v", conditions)
	p.want(object.GetGeneration() == 1, "a status is a new generation: %d", object.GetGeneration())
}

// What a manager has applied is extracted again, by the schema that the cluster publishes, changed and applied.
func TestExtract(t *testing.T) {
	p := start(t)
	p.awaitSchema()
	extractor, err := metaapply.NewUnstructuredExtractor(p.discovery(false))
	p.must(err)
	p.applied("alice", map[string]any{"gitRepo": repo})
	p.applied("bob", map[string]any{"replicas": int64(2)})
	object := p.applyCondition("alice", "Ready", "True")

	mine, err := extractor.Extract(object, "alice")
	p.must(err)
	p.want(reflect.DeepEqual(mine.Object["spec"], map[string]any{"gitRepo": repo}), "alice has applied %v", mine)
	status, err := extractor.ExtractStatus(object, "alice")
	p.must(err)
	p.want(reflect.DeepEqual(status.Object["status"], object.Object["status"]), "alice has applied %v", status)
	p.must(unstructured.SetNestedField(mine.Object, "main", "spec", "branch"))
	object, err = p.websites().Apply(p.ctx, "site", mine, metav1.ApplyOptions{FieldManager: "alice"})
	p.must(err)
	p.want(member(object, "spec", "branch") == "main" && member(object, "spec", "replicas") == int64(2), "the object is %v", object)
}

// The main resource's apply leaves the status alone, and the status' apply the spec.
func TestApplyIsOfItsPart(t *testing.T) {
	p := start(t)
	both := intent("site", "spec", map[string]any{"gitRepo": repo})
	both.Object["status"] = map[string]any{"replicas": int64(9)}
	object, err := p.websites().Apply(p.ctx, "site", both, metav1.ApplyOptions{FieldManager: "alice"})
	p.must(err)
	p.want(member(object, "status") == nil, "the status is %v", member(object, "status"))
	both.Object["spec"] = map[string]any{"gitRepo": "https://example.com/other.git"}
	object, err = p.websites().ApplyStatus(p.ctx, "site", both, metav1.ApplyOptions{FieldManager: "alice"})
	p.must(err)
	p.want(member(object, "status", "replicas") == int64(9), "the status is %v", member(object, "status"))
	p.want(member(object, "spec", "gitRepo") == repo, "the spec is %v", member(object, "spec"))
}

// An apply without a manager, and force for another patch, are refused.
func TestApplyOptions(t *testing.T) {
	p := start(t)
	p.create("site")
	_, err := p.apply("", false, map[string]any{"gitRepo": repo})
	p.refused(err, errors.IsInvalid, "an apply without a manager")
	force := true
	patch := []byte(`{"spec":{"replicas":2}}`)
	_, err = p.websites().Patch(p.ctx, "site", types.MergePatchType, patch, metav1.PatchOptions{Force: &force})
	p.refused(err, errors.IsInvalid, "force for a merge patch")
}

// Many managers apply their own fields at the same time, and none of them is refused or lost.
func TestApplyUnderContention(t *testing.T) {
	p := start(t)
	p.create("site")
	together(func(writer int) {
		object := intent("site", "metadata", map[string]any{})
		key := fmt.Sprintf("writer-%d", writer)
		object.SetAnnotations(map[string]string{key: "here"})
		_, err := p.websites().Apply(p.ctx, "site", object, metav1.ApplyOptions{FieldManager: key})
		if err != nil {
			t.Error(err)
		}
	})
	object := p.get("site")
	p.want(len(object.GetAnnotations()) == writers, "the annotations are %v", object.GetAnnotations())
	p.want(len(object.GetManagedFields()) == writers+1, "there are %d managers", len(object.GetManagedFields()))
}
