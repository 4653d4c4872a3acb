"""The names that dashboards and rules made for Kubernetes read, by who serves them: with type, labels and help.

Sources: the metrics that kubernetes-mixin's dashboards and alerts use, and Kubernetes' reference of its metrics
(types, labels, and help without the level of stability in front); for names, CoreDNS' own. Left out is what has no
counterpart here: ``go_goroutines``, and work queues of the API server, which has none.
"""

from dataclasses import dataclass

QUEUE, REST = ("name",), ("host", "verb")
OPERATION = ("operation_type",)
VOLUME = ("namespace", "persistentvolumeclaim")
REQUEST = ("component", "group", "resource", "scope", "subresource", "verb", "version")
POD = ("namespace", "pod")
TTL = (
    "The value is in seconds until certificate expiry (negative if already expired). "
    "If {} certificate is invalid or unused, the value will be +INF."
)
BUILD = (
    "A metric with a constant '1' value labeled by major, minor, git version, git commit, git tree state, build date, "
    "Go version, and compiler from which Kubernetes was built, and platform on which it is running."
)


@dataclass(frozen=True, slots=True)
class Name:
    """``seldom``: what nothing happens for in a healthy cluster, so that only its head need be there."""

    name: str
    kind: str
    labels: tuple[str, ...] = ()
    help: str = ""
    seldom: bool = False


def gauge(name: str, text: str, labels: tuple[str, ...] = (), *, seldom: bool = False) -> Name:
    return Name(name, "gauge", labels, text, seldom)


def counter(name: str, text: str, labels: tuple[str, ...] = (), *, seldom: bool = False) -> Name:
    return Name(name, "counter", labels, text, seldom)


def histogram(name: str, text: str, labels: tuple[str, ...] = (), *, seldom: bool = False) -> Name:
    return Name(name, "histogram", labels, text, seldom)


PROCESS = (
    gauge("process_resident_memory_bytes", "Resident memory size in bytes."),
    counter("process_cpu_seconds_total", "Total user and system CPU time spent in seconds."),
    gauge("process_start_time_seconds", "Start time of the process since unix epoch in seconds."),
    gauge("process_open_fds", "Number of open file descriptors."),
)
BUILD_INFO = gauge(
    "kubernetes_build_info",
    BUILD,
    (
        "build_date",
        "compiler",
        "git_commit",
        "git_tree_state",
        "git_version",
        "go_version",
        "major",
        "minor",
        "platform",
    ),
)
CLIENT = (
    counter(
        "rest_client_requests_total",
        "Number of HTTP requests, partitioned by status code, method, and host.",
        ("code", "host", "method"),
    ),
    histogram(
        "rest_client_request_duration_seconds", "Request latency in seconds. Broken down by verb, and host.", REST
    ),
)
LEADER = gauge(
    "leader_election_master_status",
    "Gauge of if the reporting system is master of the relevant lease, 0 indicates backup, 1 indicates master. 'name' "
    "is the string used to identify the lease. Please make sure to group by name.",
    QUEUE,
)
APISERVER = (
    counter(
        "apiserver_request_total",
        "Counter of apiserver requests broken out for each verb, dry run value, group, version, resource, scope, "
        "component, and HTTP response code.",
        (*REQUEST, "dry_run", "code"),
    ),
    histogram(
        "apiserver_request_duration_seconds",
        "Response latency distribution in seconds for each verb, dry run value, group, version, resource, subresource, "
        "scope and component.",
        (*REQUEST, "dry_run"),
    ),
    histogram(
        "apiserver_request_sli_duration_seconds",
        "Response latency distribution (not counting webhook duration and priority & fairness queue wait times) in "
        "seconds for each verb, group, version, resource, subresource, scope and component.",
        REQUEST,
    ),
    counter(
        "apiserver_request_terminations_total",
        "Number of requests which apiserver terminated in self-defense.",
        (*REQUEST, "code"),
        seldom=True,
    ),
    histogram(
        "apiserver_client_certificate_expiration_seconds",
        "Distribution of the remaining lifetime on the certificate used to authenticate a request.",
    ),
    gauge(
        "apiserver_current_inflight_requests",
        "Maximal number of currently used inflight request limit of this apiserver per request kind in last second.",
        ("request_kind",),
    ),
    gauge(
        "apiserver_storage_objects", "Number of stored objects at the time of last check split by kind.", ("resource",)
    ),
    BUILD_INFO,
    *PROCESS,
)
QUEUES = (
    counter("workqueue_adds_total", "Total number of adds handled by workqueue", QUEUE),
    gauge("workqueue_depth", "Current depth of workqueue", QUEUE),
    histogram(
        "workqueue_queue_duration_seconds",
        "How long in seconds an item stays in workqueue before being requested.",
        QUEUE,
    ),
    histogram("workqueue_work_duration_seconds", "How long in seconds processing an item from workqueue takes.", QUEUE),
    counter("workqueue_retries_total", "Total number of retries handled by workqueue", QUEUE),
    gauge(
        "workqueue_unfinished_work_seconds",
        "How many seconds of work has done that is in progress and hasn't been observed by work_duration. Large values "
        "indicate stuck threads. One can deduce the number of stuck threads by observing the rate at which this "
        "increases.",
        QUEUE,
    ),
    gauge(
        "workqueue_longest_running_processor_seconds",
        "How many seconds has the longest running processor for workqueue been running.",
        QUEUE,
    ),
)
CONTROLLERS = (*QUEUES, LEADER, *CLIENT, BUILD_INFO, *PROCESS)
RESULT = ("profile", "result")
SCHEDULER = (
    counter(
        "scheduler_schedule_attempts_total",
        "Number of attempts to schedule pods, by the result. 'unschedulable' means a pod could not be scheduled, while "
        "'error' means an internal scheduler problem.",
        RESULT,
    ),
    histogram(
        "scheduler_scheduling_attempt_duration_seconds",
        "Scheduling attempt latency in seconds (scheduling algorithm + binding)",
        RESULT,
    ),
    histogram("scheduler_scheduling_algorithm_duration_seconds", "Scheduling algorithm latency in seconds"),
    histogram(
        "scheduler_pod_scheduling_sli_duration_seconds",
        "E2e latency for a pod being scheduled, from the time the pod enters the scheduling queue",
        ("attempts",),
    ),
    histogram(
        "scheduler_volume_scheduling_duration_seconds",
        "Volume scheduling stage latency (Deprecated since 1.19.0)",
        ("operation",),
    ),
    counter(
        "scheduler_volume_scheduling_stage_error_total",
        "Volume scheduling stage error count",
        ("operation",),
        seldom=True,
    ),
    gauge("scheduler_pending_pods", "Number of pending pods, by the queue type.", ("queue",)),
    LEADER,
    *CLIENT,
    BUILD_INFO,
    *PROCESS,
)
PROXY = (
    histogram("kubeproxy_sync_proxy_rules_duration_seconds", "SyncProxyRules latency in seconds"),
    histogram("kubeproxy_network_programming_duration_seconds", "In Cluster Network Programming Latency in seconds"),
    gauge("kubeproxy_sync_proxy_rules_last_timestamp_seconds", "The last time proxy rules were successfully synced"),
    gauge("kubeproxy_sync_proxy_rules_last_queued_timestamp_seconds", "The last time a sync of proxy rules was queued"),
    counter("kubeproxy_sync_proxy_rules_endpoint_changes_total", "Cumulative proxy rules Endpoint changes"),
    counter("kubeproxy_sync_proxy_rules_service_changes_total", "Cumulative proxy rules Service changes"),
    *CLIENT,
    BUILD_INFO,
    *PROCESS,
)
DNS, CACHE = ("server", "view", "zone"), ("server", "view", "zones")
COREDNS = (
    counter(
        "coredns_dns_requests_total",
        "Counter of DNS requests made per zone, protocol and family.",
        (*DNS, "proto", "family", "type"),
    ),
    counter("coredns_dns_responses_total", "Counter of response status codes.", (*DNS, "rcode", "plugin")),
    histogram(
        "coredns_dns_request_duration_seconds", "Histogram of the time (in seconds) each request took per zone.", DNS
    ),
    counter("coredns_cache_hits_total", "The count of cache hits.", (*CACHE, "type")),
    counter("coredns_cache_requests_total", "The count of cache requests.", CACHE),
    gauge("coredns_cache_entries", "The number of elements in the cache.", (*CACHE, "type")),
    counter("coredns_forward_requests_total", "Counter of requests made per upstream.", ("to",), seldom=True),
    counter(
        "coredns_forward_responses_total", "Counter of responses received per upstream.", ("rcode", "to"), seldom=True
    ),
    histogram(
        "coredns_proxy_request_duration_seconds",
        "Histogram of the time each request took.",
        ("proxy_name", "rcode", "to"),
        seldom=True,
    ),
    gauge(
        "coredns_build_info",
        "A metric with a constant '1' value labeled by version, revision, and goversion from which CoreDNS was built.",
        ("goversion", "revision", "version"),
    ),
    *CLIENT,
    BUILD_INFO,
    *PROCESS,
)
KUBELET = (
    gauge("kubelet_node_name", "The node's name. The count is always 1.", ("node",)),
    gauge("kubelet_running_pods", "Number of pods that have a running pod sandbox"),
    gauge("kubelet_running_containers", "Number of containers currently running", ("container_state",)),
    gauge("volume_manager_total_volumes", "Number of volumes in Volume Manager", ("plugin_name", "state")),
    gauge(
        "kubelet_node_config_error",
        "This metric is true (1) if the node is experiencing a configuration-related error, false (0) otherwise.",
    ),
    counter(
        "kubelet_runtime_operations_total", "Cumulative number of runtime operations by operation type.", OPERATION
    ),
    counter(
        "kubelet_runtime_operations_errors_total",
        "Cumulative number of runtime operation errors by operation type.",
        OPERATION,
        seldom=True,
    ),
    histogram(
        "kubelet_runtime_operations_duration_seconds",
        "Duration in seconds of runtime operations. Broken down by operation type.",
        OPERATION,
    ),
    histogram(
        "kubelet_pod_start_duration_seconds",
        "Duration in seconds from kubelet seeing a pod for the first time to the pod starting to run",
    ),
    histogram(
        "kubelet_pod_worker_duration_seconds",
        "Duration in seconds to sync a single pod. Broken down by operation type: create, update, or sync",
        OPERATION,
    ),
    histogram("kubelet_pleg_relist_duration_seconds", "Duration in seconds for relisting pods in PLEG."),
    histogram("kubelet_pleg_relist_interval_seconds", "Interval in seconds between relisting in PLEG."),
    histogram(
        "kubelet_cgroup_manager_duration_seconds",
        "Duration in seconds for cgroup manager operations. Broken down by method.",
        OPERATION,
    ),
    histogram(
        "storage_operation_duration_seconds",
        "Storage operation duration",
        ("migrated", "operation_name", "status", "volume_plugin"),
    ),
    counter(
        "storage_operation_errors_total", "Storage operation errors", ("operation_name", "volume_plugin"), seldom=True
    ),
    gauge("kubelet_volume_stats_capacity_bytes", "Capacity in bytes of the volume", VOLUME),
    gauge("kubelet_volume_stats_available_bytes", "Number of available bytes in the volume", VOLUME),
    gauge("kubelet_volume_stats_used_bytes", "Number of used bytes in the volume", VOLUME),
    gauge("kubelet_volume_stats_inodes", "Maximum number of inodes in the volume", VOLUME),
    gauge("kubelet_volume_stats_inodes_used", "Number of used inodes in the volume", VOLUME),
    gauge("kubelet_volume_stats_inodes_free", "Number of free inodes in the volume", VOLUME),
    counter("kubelet_evictions", "Cumulative number of pod evictions by eviction signal", ("eviction_signal",)),
    gauge(
        "kubelet_certificate_manager_client_ttl_seconds",
        f"Gauge of the TTL (time-to-live) of the Kubelet's client certificate. {TTL.format('client')}",
    ),
    gauge(
        "kubelet_certificate_manager_server_ttl_seconds",
        f"Gauge of the shortest TTL (time-to-live) of the Kubelet's serving certificate. {TTL.format('serving')}",
    ),
    counter("kubelet_certificate_manager_client_expiration_renew_errors", "Counter of certificate renewal errors."),
    counter("kubelet_server_expiration_renew_errors", "Counter of certificate renewal errors."),
    *CLIENT,
    BUILD_INFO,
    *PROCESS,
)
RESOURCE = (
    counter("node_cpu_usage_seconds_total", "Cumulative cpu time consumed by the node in core-seconds"),
    gauge("node_memory_working_set_bytes", "Current working set of the node in bytes"),
    counter(
        "container_cpu_usage_seconds_total",
        "Cumulative cpu time consumed by the container in core-seconds",
        ("container", "namespace", "pod"),
    ),
    gauge(
        "container_memory_working_set_bytes",
        "Current working set of the container in bytes",
        ("container", "namespace", "pod"),
    ),
    counter("pod_cpu_usage_seconds_total", "Cumulative cpu time consumed by the pod in core-seconds", POD),
    gauge("pod_memory_working_set_bytes", "Current working set of the pod in bytes", POD),
    gauge("scrape_error", "1 if there was an error while getting container metrics, 0 otherwise"),
)
PROBES = (
    counter(
        "prober_probe_total",
        "Cumulative number of a liveness, readiness or startup probe for a container by result.",
        ("container", "namespace", "pod", "pod_uid", "probe_type", "result"),
    ),
)
