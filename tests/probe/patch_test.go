package probe

import (
	"strings"
	"sync"
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
)

func (p *probe) patch(sort types.PatchType, patch string, subresources ...string) (*unstructured.Unstructured, error) {
	return p.websites().Patch(p.ctx, "site", sort, []byte(patch), metav1.PatchOptions{}, subresources...)
}

// A JSON patch changes what it names; one whose test fails changes nothing.
func TestJSONPatch(t *testing.T) {
	p := start(t)
	p.create("site")
	patched, err := p.patch(types.JSONPatchType, `[
		{"op": "test", "path": "/spec/replicas", "value": 1},
		{"op": "replace", "path": "/spec/replicas", "value": 3},
		{"op": "add", "path": "/metadata/labels", "value": {"tier": "gold"}}
	]`)
	p.must(err)
	p.want(member(patched, "spec", "replicas") == int64(3), "the spec is %v", member(patched, "spec"))
	p.want(patched.GetLabels()["tier"] == "gold", "the labels are %v", patched.GetLabels())

	_, err = p.patch(types.JSONPatchType, `[{"op": "test", "path": "/spec/replicas", "value": 1}]`)
	p.refused(err, errors.IsInvalid, "a test that fails")
	_, err = p.patch(types.JSONPatchType, `[{"op": "replace", "path": "/nowhere/at/all", "value": 1}]`)
	p.refused(err, errors.IsInvalid, "a path that is not there")
	p.want(p.get("site").GetResourceVersion() == patched.GetResourceVersion(), "a refused patch has written something")
}

// A merge patch sets what it names and removes what is null; with a resourceVersion it is of that revision only.
func TestMergePatch(t *testing.T) {
	p := start(t)
	created := p.create("site")
	patched, err := p.patch(types.MergePatchType, `{"spec": {"branch": "main", "replicas": null}}`)
	p.must(err)
	p.want(member(patched, "spec", "branch") == "main", "the spec is %v", member(patched, "spec"))
	p.want(member(patched, "spec", "replicas") == int64(1), "the default is not filled in: %v", member(patched, "spec"))

	old := `{"metadata": {"resourceVersion": "` + created.GetResourceVersion() + `"}, "spec": {"branch": "other"}}`
	_, err = p.patch(types.MergePatchType, old)
	p.refused(err, errors.IsConflict, "a patch of an old revision")
	_, err = p.patch(types.MergePatchType, `{"spec": {"gitRepo": null}}`)
	p.refused(err, errors.IsInvalid, "a patch that removes what is required")
	p.want(strings.Contains(err.Error(), "spec.gitRepo: Required value"), "the refusal says %q", err)
}

// A patch of the status changes the status alone.
func TestStatusPatch(t *testing.T) {
	p := start(t)
	p.create("site")
	patched, err := p.patch(types.MergePatchType, `{"status": {"replicas": 2}, "spec": {"replicas": 9}}`, "status")
	p.must(err)
	p.want(member(patched, "status", "replicas") == int64(2), "the status is %v", member(patched, "status"))
	p.want(member(patched, "spec", "replicas") == int64(1), "the spec is %v", member(patched, "spec"))
}

// A strategic merge patch is refused as an unsupported media type, which client-go's callers take as "merge instead".
func TestStrategicMergePatch(t *testing.T) {
	p := start(t)
	p.create("site")
	_, err := p.patch(types.StrategicMergePatchType, `{"spec": {"replicas": 2}}`)
	p.refused(err, errors.IsUnsupportedMediaType, "a strategic merge patch")
}

// A dry run answers as if it were done, and does nothing.
func TestDryRun(t *testing.T) {
	p := start(t)
	all := []string{metav1.DryRunAll}
	made, err := p.websites().Create(p.ctx, website("site"), metav1.CreateOptions{DryRun: all})
	p.must(err)
	p.want(made.GetUID() != "" && made.GetResourceVersion() == "", "the answer is %v", made)
	_, err = p.websites().Get(p.ctx, "site", metav1.GetOptions{})
	p.refused(err, errors.IsNotFound, "what was made by a dry run")

	created := p.create("site")
	patch := []byte(`{"spec":{"replicas":7}}`)
	patched, err := p.websites().Patch(p.ctx, "site", types.MergePatchType, patch, metav1.PatchOptions{DryRun: all})
	p.must(err)
	p.want(member(patched, "spec", "replicas") == int64(7), "the answer is %v", patched)
	p.must(p.websites().Delete(p.ctx, "site", metav1.DeleteOptions{DryRun: all}))
	p.want(p.get("site").GetResourceVersion() == created.GetResourceVersion(), "a dry run has written something")
}

// warnings keeps what a server warns of.
type warnings struct {
	lock sync.Mutex
	all  []string
}

func (w *warnings) HandleWarningHeader(_ int, _ string, text string) {
	w.lock.Lock()
	defer w.lock.Unlock()
	w.all = append(w.all, text)
}

// An unknown field is a warning by default, an error for who is strict, and nothing for who ignores it.
func TestFieldValidation(t *testing.T) {
	p := start(t)
	told := &warnings{}
	p.config.WarningHandler = told
	client, err := dynamic.NewForConfig(p.config)
	p.must(err)
	create := func(name, validation string) error {
		object := website(name)
		p.must(unstructured.SetNestedField(object.Object, "red", "spec", "colour"))
		_, err := client.Resource(websites).Namespace(p.namespace).Create(p.ctx, object, metav1.CreateOptions{FieldValidation: validation})
		return err
	}
	p.must(create("warned", metav1.FieldValidationWarn))
	p.want(len(told.all) == 1 && told.all[0] == `unknown field "spec.colour"`, "the warnings are %q", told.all)
	p.must(create("ignored", metav1.FieldValidationIgnore))
	p.want(len(told.all) == 1, "the warnings are %q", told.all)
	p.refused(create("strict", metav1.FieldValidationStrict), errors.IsBadRequest, "an unknown field, strictly")
	p.want(member(p.get("warned"), "spec", "colour") == nil, "an unknown field is kept")
}
