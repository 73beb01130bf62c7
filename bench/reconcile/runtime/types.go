package main

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

var groupVersion = schema.GroupVersion{Group: "reference.example.com", Version: "v1alpha1"}

// Website is the custom resource, as controller-gen would have it.
type Website struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata,omitempty"`
	Spec              WebsiteSpec   `json:"spec,omitempty"`
	Status            WebsiteStatus `json:"status,omitempty"`
}

type WebsiteSpec struct {
	GitRepo  string `json:"gitRepo"`
	Branch   string `json:"branch,omitempty"`
	Replicas int32  `json:"replicas,omitempty"`
}

type WebsiteStatus struct {
	Replicas           int32              `json:"replicas"`
	ReadyReplicas      int32              `json:"readyReplicas"`
	Selector           string             `json:"selector,omitempty"`
	URL                string             `json:"url,omitempty"`
	ObservedGeneration int64              `json:"observedGeneration,omitempty"`
	Conditions         []metav1.Condition `json:"conditions,omitempty"`
}

type WebsiteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Website `json:"items"`
}

func addKnownTypes(scheme *runtime.Scheme) {
	scheme.AddKnownTypes(groupVersion, &Website{}, &WebsiteList{})
	metav1.AddToGroupVersion(scheme, groupVersion)
}

func (site *Website) DeepCopy() *Website {
	out := *site
	site.ObjectMeta.DeepCopyInto(&out.ObjectMeta)
	out.Status.Conditions = nil
	for _, condition := range site.Status.Conditions {
		out.Status.Conditions = append(out.Status.Conditions, *condition.DeepCopy())
	}
	return &out
}

func (site *Website) DeepCopyObject() runtime.Object { return site.DeepCopy() }

func (list *WebsiteList) DeepCopyObject() runtime.Object {
	out := *list
	list.ListMeta.DeepCopyInto(&out.ListMeta)
	out.Items = make([]Website, 0, len(list.Items))
	for i := range list.Items {
		out.Items = append(out.Items, *list.Items[i].DeepCopy())
	}
	return &out
}
