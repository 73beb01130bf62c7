package probe

import (
	"slices"

	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

// Website is the kind as a controller's author would declare it, as far as the tests need it.
type Website struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`

	Spec   WebsiteSpec   `json:"spec,omitempty"`
	Status WebsiteStatus `json:"status,omitempty"`
}

type WebsiteSpec struct {
	GitRepo  string `json:"gitRepo"`
	Replicas *int32 `json:"replicas,omitempty"`
}

type WebsiteStatus struct {
	ReadyReplicas      int32              `json:"readyReplicas,omitempty"`
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type WebsiteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`

	Items []Website `json:"items"`
}

func (w *Website) DeepCopyObject() runtime.Object { return w.copy() }

func (w *Website) copy() *Website {
	made := *w
	made.ObjectMeta = *w.ObjectMeta.DeepCopy()
	if w.Spec.Replicas != nil {
		made.Spec.Replicas = new(*w.Spec.Replicas)
	}
	made.Status.Conditions = slices.Clone(w.Status.Conditions)
	return &made
}

func (l *WebsiteList) DeepCopyObject() runtime.Object {
	made := *l
	made.ListMeta = *l.ListMeta.DeepCopy()
	made.Items = nil
	for i := range l.Items {
		made.Items = append(made.Items, *l.Items[i].copy())
	}
	return &made
}

// scheme knows the kind, and the kinds of the cluster that a manager needs.
func (p *probe) scheme() *runtime.Scheme {
	p.Helper()
	scheme := runtime.NewScheme()
	p.must(core.AddToScheme(scheme))
	scheme.AddKnownTypes(version, &Website{}, &WebsiteList{})
	metav1.AddToGroupVersion(scheme, version)
	return scheme
}
