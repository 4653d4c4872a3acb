// Command client-go does with Kubernetes' own client library what components of Kubernetes do, and tells what it saw,
// a line for each thing. It is built by scripts/peers inside of Kubernetes' source tree and driven by tests/peers.
//
//	client-go KUBECONFIG CONTENT-TYPE NAMESPACE objects            typed calls, each checked; "done" at the end
//	client-go KUBECONFIG CONTENT-TYPE NAMESPACE informer           a shared informer of config maps, until stdin ends
//	client-go KUBECONFIG CONTENT-TYPE NAMESPACE bookmark           a watch that brings nothing but a bookmark
//	client-go KUBECONFIG CONTENT-TYPE NAMESPACE leader IDENTITY    leads by a Lease, until stdin ends
//
// CONTENT-TYPE is json or protobuf.
package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"io/ioutil"
	"os"
	"time"

	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"
	"k8s.io/client-go/tools/pager"
)

var ctx = context.Background()

func main() {
	if len(os.Args) < 5 {
		fail("wanted: KUBECONFIG CONTENT-TYPE NAMESPACE WHAT")
	}
	config, err := clientcmd.BuildConfigFromFlags("", os.Args[1])
	check(err)
	config.QPS = 1000
	config.Burst = 1000
	if os.Args[2] == "protobuf" {
		config.ContentType = runtime.ContentTypeProtobuf
		config.AcceptContentTypes = runtime.ContentTypeProtobuf
	}
	client := kubernetes.NewForConfigOrDie(config)
	namespace := os.Args[3]
	switch os.Args[4] {
	case "objects":
		objects(client, namespace)
	case "informer":
		informer(client, namespace)
	case "bookmark":
		bookmark(client, namespace)
	case "leader":
		leader(client, namespace, os.Args[5])
	default:
		fail("unknown: %s", os.Args[4])
	}
	say("done")
}

func say(format string, values ...interface{}) { fmt.Printf(format+"\n", values...) }

func fail(format string, values ...interface{}) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}

func check(err error) {
	if err != nil {
		fail("%T: %v", err, err)
	}
}

func must(holds bool, what string, values ...interface{}) {
	if !holds {
		fail("it does not hold: "+what, values...)
	}
}

func untilInputEnds() { io.Copy(ioutil.Discard, bufio.NewReader(os.Stdin)) }

func named(name string) meta.ObjectMeta {
	return meta.ObjectMeta{Name: name, Labels: map[string]string{"of": "client-go"}}
}

func template() core.PodTemplateSpec {
	return core.PodTemplateSpec{
		ObjectMeta: meta.ObjectMeta{Labels: map[string]string{"app": "web"}},
		Spec: core.PodSpec{
			Containers: []core.Container{{
				Name:  "main",
				Image: "web:1",
				Ports: []core.ContainerPort{{ContainerPort: 80}},
				Resources: core.ResourceRequirements{
					Requests: core.ResourceList{core.ResourceCPU: resource.MustParse("1500m")},
				},
				ReadinessProbe: &core.Probe{Handler: core.Handler{HTTPGet: &core.HTTPGetAction{
					Path: "/", Port: intstr.FromInt(80),
				}}},
			}},
		},
	}
}

func objects(client kubernetes.Interface, namespace string) {
	configMaps(client, namespace)
	pods(client, namespace)
	services(client, namespace)
	workloads(client, namespace)
}

func configMaps(client kubernetes.Interface, namespace string) {
	maps := client.CoreV1().ConfigMaps(namespace)
	wanted := &core.ConfigMap{
		ObjectMeta: named("one"),
		Data:       map[string]string{"key": "värde"},
		BinaryData: map[string][]byte{"raw": {0, 1, 254, 255}},
	}
	made, err := maps.Create(ctx, wanted, meta.CreateOptions{})
	check(err)
	must(made.UID != "" && !made.CreationTimestamp.IsZero(), "created: %v", made)
	_, err = maps.Create(ctx, wanted, meta.CreateOptions{})
	must(apierrors.IsAlreadyExists(err), "already exists: %v", err)
	_, err = maps.Get(ctx, "none", meta.GetOptions{})
	must(apierrors.IsNotFound(err), "not found: %v", err)

	changed := made.DeepCopy()
	changed.Data["key"] = "2"
	updated, err := maps.Update(ctx, changed, meta.UpdateOptions{})
	check(err)
	must(updated.ResourceVersion != made.ResourceVersion, "an update has a new version")
	_, err = maps.Update(ctx, made, meta.UpdateOptions{})
	must(apierrors.IsConflict(err), "conflict: %v", err)
	got, err := maps.Get(ctx, "one", meta.GetOptions{})
	check(err)
	must(got.Data["key"] == "2" && string(got.BinaryData["raw"]) == "\x00\x01\xfe\xff", "data: %v", got)
	_, err = maps.Create(ctx, &core.ConfigMap{ObjectMeta: named("Not a name")}, meta.CreateOptions{})
	must(apierrors.IsInvalid(err), "invalid: %v", err)
	must(len(err.(*apierrors.StatusError).ErrStatus.Details.Causes) > 0, "causes: %v", err)
	say("config maps created, updated, refused")

	for n := 0; n < 25; n++ {
		_, err := maps.Create(ctx, &core.ConfigMap{ObjectMeta: named(fmt.Sprintf("m-%02d", n))}, meta.CreateOptions{})
		check(err)
	}
	pages := pager.New(func(ctx context.Context, options meta.ListOptions) (runtime.Object, error) {
		return maps.List(ctx, options)
	})
	pages.PageSize = 10
	count := 0
	check(pages.EachListItem(ctx, meta.ListOptions{LabelSelector: "of=client-go"}, func(runtime.Object) error {
		count++
		return nil
	}))
	must(count == 26, "26 are listed in pages, not %d", count)
	selected, err := maps.List(ctx, meta.ListOptions{FieldSelector: "metadata.name=m-07"})
	check(err)
	must(len(selected.Items) == 1 && selected.ResourceVersion != "", "selected: %v", selected)
	check(maps.DeleteCollection(ctx, meta.DeleteOptions{}, meta.ListOptions{LabelSelector: "of=client-go"}))
	left, err := maps.List(ctx, meta.ListOptions{LabelSelector: "of=client-go"})
	check(err)
	must(len(left.Items) == 0, "all are deleted: %v", left.Items)
	say("config maps listed in pages, deleted")
}

func pods(client kubernetes.Interface, namespace string) {
	pods := client.CoreV1().Pods(namespace)
	shape := template()
	made, err := pods.Create(ctx, &core.Pod{ObjectMeta: named("one"), Spec: shape.Spec}, meta.CreateOptions{})
	check(err)
	container := made.Spec.Containers[0]
	must(made.Status.Phase == core.PodPending && made.Spec.RestartPolicy == core.RestartPolicyAlways, "defaults: %v", made)
	must(container.Resources.Requests.Cpu().MilliValue() == 1500, "requests: %v", container.Resources)
	must(container.ReadinessProbe.HTTPGet.Port.IntValue() == 80, "the probe's port: %v", container.ReadinessProbe)

	must(made.Status.QOSClass == core.PodQOSBurstable, "its class: %v", made.Status)
	check(pods.Bind(ctx, &core.Binding{
		ObjectMeta: meta.ObjectMeta{Name: "one", UID: made.UID},
		Target:     core.ObjectReference{Kind: "Node", Name: "nowhere"},
	}, meta.CreateOptions{}))
	bound, err := pods.Get(ctx, "one", meta.GetOptions{})
	check(err)
	must(bound.Spec.NodeName == "nowhere", "bound: %v", bound.Spec)
	bound.Status.Conditions = append(bound.Status.Conditions, core.PodCondition{
		Type: core.PodReady, Status: core.ConditionFalse, LastTransitionTime: meta.Now(),
	})
	bound.Status.PodIP = "10.9.8.7"
	reported, err := pods.UpdateStatus(ctx, bound, meta.UpdateOptions{})
	check(err)
	must(reported.Status.PodIP == "10.9.8.7", "status: %v", reported.Status)
	patch := []byte(`{"metadata":{"annotations":{"a":"b"}},"spec":{"containers":[{"name":"main","image":"web:2"}]}}`)
	patched, err := pods.Patch(ctx, "one", types.StrategicMergePatchType, patch, meta.PatchOptions{})
	check(err)
	must(patched.Spec.Containers[0].Image == "web:2" && len(patched.Spec.Containers) == 1, "patched: %v", patched)
	now := int64(0)
	check(pods.Delete(ctx, "one", meta.DeleteOptions{GracePeriodSeconds: &now, Preconditions: meta.NewUIDPreconditions(string(made.UID))}))
	_, err = pods.Get(ctx, "one", meta.GetOptions{})
	must(apierrors.IsNotFound(err), "deleted: %v", err)
	say("pods created, bound, reported, patched, deleted")
}

func services(client kubernetes.Interface, namespace string) {
	services := client.CoreV1().Services(namespace)
	made, err := services.Create(ctx, &core.Service{
		ObjectMeta: named("web"),
		Spec: core.ServiceSpec{
			Type:     core.ServiceTypeNodePort,
			Selector: map[string]string{"app": "web"},
			Ports:    []core.ServicePort{{Name: "http", Port: 80, TargetPort: intstr.FromString("http")}},
		},
	}, meta.CreateOptions{})
	check(err)
	must(made.Spec.ClusterIP != "" && made.Spec.Ports[0].NodePort > 0, "numbers are given: %v", made.Spec)
	must(made.Spec.Ports[0].TargetPort.String() == "http", "the target: %v", made.Spec)
	check(services.Delete(ctx, "web", meta.DeleteOptions{}))
	say("services created, deleted")
}

func workloads(client kubernetes.Interface, namespace string) {
	shape, none := template(), int32(0)
	deployments := client.AppsV1().Deployments(namespace)
	half := intstr.FromString("50%")
	made, err := deployments.Create(ctx, &apps.Deployment{
		ObjectMeta: named("web"),
		Spec: apps.DeploymentSpec{
			Replicas: &none,
			Selector: &meta.LabelSelector{MatchLabels: map[string]string{"app": "web"}},
			Template: shape,
			Strategy: apps.DeploymentStrategy{
				Type:          apps.RollingUpdateDeploymentStrategyType,
				RollingUpdate: &apps.RollingUpdateDeployment{MaxSurge: &half},
			},
		},
	}, meta.CreateOptions{})
	check(err)
	must(made.Spec.Strategy.RollingUpdate.MaxSurge.String() == "50%", "the strategy: %v", made.Spec.Strategy)
	must(*made.Spec.Replicas == 0 && *made.Spec.RevisionHistoryLimit == 10, "numbers: %v", made.Spec)
	scale, err := deployments.GetScale(ctx, "web", meta.GetOptions{})
	check(err)
	must(scale.Status.Selector == "app=web", "the scale: %v", scale)
	orphan := meta.DeletePropagationBackground
	check(deployments.Delete(ctx, "web", meta.DeleteOptions{PropagationPolicy: &orphan}))
	controllers := client.CoreV1().ReplicationControllers(namespace)
	controller, err := controllers.Create(ctx, &core.ReplicationController{
		ObjectMeta: named("web"),
		Spec:       core.ReplicationControllerSpec{Replicas: &none, Template: &shape},
	}, meta.CreateOptions{})
	check(err)
	must(controller.Spec.Selector["app"] == "web", "the selector: %v", controller.Spec)
	check(controllers.Delete(ctx, "web", meta.DeleteOptions{PropagationPolicy: &orphan}))
	say("workloads created, scaled, deleted")
}

func informer(client kubernetes.Interface, namespace string) {
	factory := informers.NewSharedInformerFactoryWithOptions(client, 0, informers.WithNamespace(namespace),
		informers.WithTweakListOptions(func(options *meta.ListOptions) { options.LabelSelector = "of=client-go" }))
	maps := factory.Core().V1().ConfigMaps().Informer()
	maps.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: func(item interface{}) { say("added %s", item.(*core.ConfigMap).Name) },
		UpdateFunc: func(_, item interface{}) {
			say("updated %s %s", item.(*core.ConfigMap).Name, item.(*core.ConfigMap).Data["key"])
		},
		DeleteFunc: func(item interface{}) {
			if gone, unseen := item.(cache.DeletedFinalStateUnknown); unseen {
				item = gone.Obj
			}
			say("deleted %s", item.(*core.ConfigMap).Name)
		},
	})
	stop := make(chan struct{})
	factory.Start(stop)
	must(cache.WaitForCacheSync(stop, maps.HasSynced), "it synced")
	say("synced")
	untilInputEnds()
	close(stop)
}

func bookmark(client kubernetes.Interface, namespace string) {
	maps := client.CoreV1().ConfigMaps(namespace)
	list, err := maps.List(ctx, meta.ListOptions{})
	check(err)
	// What is made now is not picked by the watch, so that only a bookmark can tell of it.
	made, err := maps.Create(ctx, &core.ConfigMap{ObjectMeta: meta.ObjectMeta{Name: "unseen"}}, meta.CreateOptions{})
	check(err)
	seconds := int64(5)
	events, err := maps.Watch(ctx, meta.ListOptions{
		ResourceVersion: list.ResourceVersion, AllowWatchBookmarks: true, TimeoutSeconds: &seconds, LabelSelector: "of=client-go",
	})
	check(err)
	marked := ""
	for event := range events.ResultChan() {
		must(event.Type == watch.Bookmark, "nothing but bookmarks: %v", event)
		marked = event.Object.(*core.ConfigMap).ResourceVersion
	}
	must(marked != "", "a bookmark before the watch's time was over")
	must(marked == made.ResourceVersion, "the bookmark %s is of the version %s", marked, made.ResourceVersion)
	say("marked")
}

func leader(client kubernetes.Interface, namespace, identity string) {
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  meta.ObjectMeta{Name: "the-lock", Namespace: namespace},
		Client:     client.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: identity},
	}
	running, cancel := context.WithCancel(ctx)
	go func() {
		untilInputEnds()
		cancel()
	}()
	leaderelection.RunOrDie(running, leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: time.Second, ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(context.Context) { say("leading") },
			OnStoppedLeading: func() { say("stopped") },
			OnNewLeader:      func(who string) { say("leader %s", who) },
		},
	})
}
