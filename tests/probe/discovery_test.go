package probe

import (
	"maps"
	"path"
	"slices"
	"testing"

	openapi2 "github.com/google/gnostic-models/openapiv2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/openapi3"
	"k8s.io/client-go/restmapper"
	"k8s.io/kube-openapi/pkg/spec3"
	"k8s.io/kube-openapi/pkg/validation/spec"
)

func (p *probe) discovery(legacy bool) *discovery.DiscoveryClient {
	p.Helper()
	client, err := discovery.NewDiscoveryClientForConfig(p.config)
	p.must(err)
	client.UseLegacyDiscovery = legacy
	return client
}

// The kind and its subresources are found, by the aggregated document and by the old ones.
func TestDiscovery(t *testing.T) {
	for name, legacy := range map[string]bool{"aggregated": false, "legacy": true} {
		t.Run(name, func(t *testing.T) {
			p := start(t)
			_, lists, err := p.discovery(legacy).ServerGroupsAndResources()
			p.must(err)
			at := slices.IndexFunc(lists, func(l *metav1.APIResourceList) bool { return l.GroupVersion == version.String() })
			p.want(at >= 0, "%s is not found", version)
			found := map[string]metav1.APIResource{}
			for _, resource := range lists[at].APIResources {
				found[resource.Name] = resource
			}
			p.wantResource(found["websites"])
			p.want(found["websites/status"].Kind == kind, "websites/status is %v", found["websites/status"])
			p.want(found["websites/scale"].Kind == "Scale", "websites/scale is %v", found["websites/scale"])
		})
	}
}

func (p *probe) wantResource(resource metav1.APIResource) {
	p.Helper()
	p.want(resource.Kind == kind && resource.SingularName == "website" && resource.Namespaced, "it is %v", resource)
	p.want(slices.Equal(resource.ShortNames, []string{"ws"}), "its short names are %v", resource.ShortNames)
	p.want(slices.Equal(resource.Categories, []string{"all"}), "its categories are %v", resource.Categories)
	verbs := slices.Sorted(slices.Values(resource.Verbs))
	expected := []string{"create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"}
	p.want(slices.Equal(verbs, expected), "its verbs are %v", verbs)
}

// A RESTMapper maps kind, resource and short name; the category "all" has the resource.
func TestRESTMapper(t *testing.T) {
	p := start(t)
	client := memory.NewMemCacheClient(p.discovery(false))
	mapper := restmapper.NewShortcutExpander(restmapper.NewDeferredDiscoveryRESTMapper(client), client, func(warning string) {
		p.Logf("warning: %s", warning)
	})
	mapping, err := mapper.RESTMapping(schema.GroupKind{Group: version.Group, Kind: kind}, version.Version)
	p.must(err)
	p.want(mapping.Resource == websites, "the resource is %s", mapping.Resource)
	p.want(mapping.Scope.Name() == "namespace", "the scope is %s", mapping.Scope.Name())
	for _, word := range []string{"websites", "website"} {
		gvk, err := mapper.KindFor(schema.GroupVersionResource{Group: version.Group, Resource: word})
		p.must(err)
		p.want(gvk == version.WithKind(kind), "%q is the kind %s", word, gvk)
	}
	gvr, err := mapper.ResourceFor(schema.GroupVersionResource{Group: version.Group, Resource: "ws"})
	p.must(err)
	p.want(gvr == websites, `"ws" is the resource %s`, gvr)
	all, _ := restmapper.NewDiscoveryCategoryExpander(client).Expand("all")
	p.want(slices.Contains(all, websites.GroupResource()), `"all" is %v`, all)
}

// The OpenAPI documents, version 3 and 2, describe the kind.
func TestOpenAPI(t *testing.T) {
	p := start(t)
	document, err := openapi3.NewRoot(p.discovery(false).OpenAPIV3()).GVSpec(version)
	p.must(err)
	described := slices.ContainsFunc(slices.Collect(maps.Values(document.Components.Schemas)), func(s *spec.Schema) bool {
		return ofKind(s) && slices.Contains(s.Required, "spec") && describesRepo(document, s.Properties["spec"])
	})
	p.want(described, "no schema of the kind has its fields")
	p.awaitSchema()
}

// awaitSchema returns when the cluster's version 2 document has the kind.
func (p *probe) awaitSchema() {
	p.Helper()
	p.eventually("the kind is in version 2", func() bool {
		document, err := p.discovery(false).OpenAPISchema()
		p.must(err)
		return slices.ContainsFunc(document.GetPaths().GetPath(), func(path *openapi2.NamedPathItem) bool {
			return path.Name == "/apis/"+version.String()+"/namespaces/{namespace}/websites"
		})
	})
}

func ofKind(schema *spec.Schema) bool {
	kinds, _ := schema.Extensions["x-kubernetes-group-version-kind"].([]any)
	return slices.ContainsFunc(kinds, func(entry any) bool {
		named, _ := entry.(map[string]any)
		return named["group"] == version.Group && named["kind"] == kind
	})
}

// describesRepo follows references: a server may describe a part in place or by name.
func describesRepo(document *spec3.OpenAPI, schema spec.Schema) bool {
	for _, part := range append(schema.AllOf, schema) {
		name := path.Base(part.Ref.String())
		if referred := document.Components.Schemas[name]; referred != nil {
			part = *referred
		}
		if part.Properties["gitRepo"].Type.Contains("string") {
			return true
		}
	}
	return false
}
