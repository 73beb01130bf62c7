// A controller-runtime controller for Websites: what bench/reconcile holds this project's reconciler against.
//
// It is written as the Kubebuilder book teaches: typed objects, reads from the manager's cache, children made by
// CreateOrUpdate and owned by the Website, conditions by meta.SetStatusCondition, status written when it differs.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

// reconciler makes a Deployment and a Service for each Website. The template is the JSON of both, with @NAME@,
// @NAMESPACE@ and @REPO@ in it.
type reconciler struct {
	client.Client
	template []byte
}

type children struct {
	Deployment appsv1.Deployment `json:"deployment"`
	Service    corev1.Service    `json:"service"`
}

func (r *reconciler) desired(site *Website) (children, error) {
	text := r.template
	for mark, value := range map[string]string{
		"@NAME@": site.Name, "@NAMESPACE@": site.Namespace, "@REPO@": site.Spec.GitRepo,
	} {
		text = bytes.ReplaceAll(text, []byte(mark), []byte(value))
	}
	var wanted children
	err := json.Unmarshal(text, &wanted)
	wanted.Deployment.Spec.Replicas = &site.Spec.Replicas
	return wanted, err
}

func (r *reconciler) Reconcile(ctx context.Context, request ctrl.Request) (ctrl.Result, error) {
	var site Website
	if err := r.Get(ctx, request.NamespacedName, &site); err != nil {
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	wanted, err := r.desired(&site)
	if err != nil {
		return ctrl.Result{}, err
	}
	deployment := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: wanted.Deployment.Name, Namespace: site.Namespace}}
	_, err = controllerutil.CreateOrUpdate(ctx, r.Client, deployment, func() error {
		deployment.Labels = wanted.Deployment.Labels
		if deployment.CreationTimestamp.IsZero() {
			deployment.Spec = wanted.Deployment.Spec
		}
		deployment.Spec.Replicas = wanted.Deployment.Spec.Replicas
		// Field by field: the rest of a Pod's template has defaults, which are not to be taken away again.
		for i, container := range wanted.Deployment.Spec.Template.Spec.Containers {
			live := &deployment.Spec.Template.Spec.Containers[i]
			live.Image, live.Command, live.Args, live.Env = container.Image, container.Command, container.Args, container.Env
		}
		return controllerutil.SetControllerReference(&site, deployment, r.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	service := &corev1.Service{ObjectMeta: metav1.ObjectMeta{Name: wanted.Service.Name, Namespace: site.Namespace}}
	_, err = controllerutil.CreateOrUpdate(ctx, r.Client, service, func() error {
		service.Labels = wanted.Service.Labels
		service.Spec.Type = wanted.Service.Spec.Type
		service.Spec.Selector = wanted.Service.Spec.Selector
		if service.CreationTimestamp.IsZero() {
			service.Spec.Ports = wanted.Service.Spec.Ports
		}
		return controllerutil.SetControllerReference(&site, service, r.Scheme())
	})
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{}, r.report(ctx, &site, deployment, service)
}

func (r *reconciler) report(ctx context.Context, site *Website, deployment *appsv1.Deployment, service *corev1.Service) error {
	before := site.DeepCopy()
	site.Status.Replicas = deployment.Status.Replicas
	site.Status.ReadyReplicas = deployment.Status.ReadyReplicas
	site.Status.ObservedGeneration = site.Generation
	site.Status.Selector = labels.SelectorFromSet(deployment.Spec.Selector.MatchLabels).String()
	site.Status.URL = fmt.Sprintf("http://%s.%s.svc", service.Name, service.Namespace)
	ready := metav1.Condition{
		Type: "Ready", Status: metav1.ConditionFalse, Reason: "ReplicasNotReady", ObservedGeneration: site.Generation,
		Message: fmt.Sprintf("%d of %d replicas are ready", deployment.Status.ReadyReplicas, site.Spec.Replicas),
	}
	current := deployment.Status.ObservedGeneration >= deployment.Generation
	if current && min(deployment.Status.ReadyReplicas, deployment.Status.UpdatedReplicas) >= site.Spec.Replicas {
		ready.Status, ready.Reason = metav1.ConditionTrue, "ReplicasReady"
	}
	meta.SetStatusCondition(&site.Status.Conditions, ready)
	if equality.Semantic.DeepEqual(before.Status, site.Status) {
		return nil
	}
	return client.IgnoreNotFound(r.Status().Patch(ctx, site, client.MergeFrom(before)))
}

func run(template string, workers int, selector string) error {
	text, err := os.ReadFile(template)
	if err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		return err
	}
	addKnownTypes(scheme)
	managed, err := labels.Parse(selector)
	if err != nil {
		return err
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return err
	}
	// kube-apiserver's priority and fairness limits clients; client-go's own limit would only slow this one down.
	config.QPS = -1
	manager, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:  scheme,
		Metrics: server.Options{BindAddress: "0"},
		Cache: cache.Options{ByObject: map[client.Object]cache.ByObject{
			&appsv1.Deployment{}: {Label: managed}, &corev1.Service{}: {Label: managed},
		}},
	})
	if err != nil {
		return err
	}
	err = ctrl.NewControllerManagedBy(manager).
		For(&Website{}).Owns(&appsv1.Deployment{}).Owns(&corev1.Service{}).
		WithOptions(controller.Options{MaxConcurrentReconciles: workers}).
		Complete(&reconciler{Client: manager.GetClient(), template: text})
	if err != nil {
		return err
	}
	return manager.Start(ctrl.SetupSignalHandler())
}

func main() {
	template := flag.String("template", "", "JSON file with the children")
	selector := flag.String("selector", "", "label selector of the children")
	workers := flag.Int("workers", 8, "concurrent reconciles")
	flag.Parse() // controller-runtime adds -kubeconfig
	ctrl.SetLogger(zap.New())
	if err := run(*template, *workers, *selector); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
