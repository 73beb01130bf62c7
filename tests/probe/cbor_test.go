package probe

import (
	"testing"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/features"
	featurestesting "k8s.io/client-go/features/testing"
)

// A client that prefers CBOR learns from the answer to its first write that there is none, and goes on with JSON.
func TestClientThatPrefersCBOR(t *testing.T) {
	p := start(t)
	featurestesting.SetFeatureDuringTest(t, features.ClientsAllowCBOR, true)
	featurestesting.SetFeatureDuringTest(t, features.ClientsPreferCBOR, true)
	client, err := dynamic.NewForConfig(p.config)
	p.must(err)
	sites := client.Resource(websites).Namespace(p.namespace)
	_, err = sites.Create(p.ctx, website("site"), metav1.CreateOptions{})
	p.refused(err, errors.IsUnsupportedMediaType, "a create in CBOR")
	_, err = sites.Create(p.ctx, website("site"), metav1.CreateOptions{})
	p.must(err)
	list, err := sites.List(p.ctx, metav1.ListOptions{})
	p.must(err)
	p.want(len(list.Items) == 1, "the list is %v", list.Items)
}
