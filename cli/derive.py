"""What each component is told when it runs as part of a cluster on this host.

Nearer to the component wins: the cluster's settings, then `<config-dir>/<component>.yaml`, then the component's own
environment variables.
"""

import os
from collections.abc import Mapping
from typing import Any

from cli.cluster import DEFAULT_NAME, Settings
from cli.component import LOG_LEVEL, take_log_level
from cli.components import Component
from cli.errors import SettingsError
from cli.settings import Value, Values, build, read_environment, read_file, settings_of


def told(settings: Settings) -> dict[str, dict[str, Any]]:
    """For each component the settings that follow from the cluster's; everything else keeps its default."""
    pki = settings.pki
    return {
        "apiserver": {
            "name": settings.name,
            "bind_address": settings.bind_address,
            "secure_port": settings.apiserver_port,
            "advertise_address": settings.advertise_address,
            "data_dir": settings.data / "apiserver",
            "config_dir": settings.config,
            "etcd_servers": settings.etcd_servers,
            "etcd_prefix": settings.etcd_prefix,
            "etcd_cafile": settings.etcd_cafile,
            "etcd_certfile": settings.etcd_certfile,
            "etcd_keyfile": settings.etcd_keyfile,
            "service_cluster_ip_range": settings.service_cidr,
            "service_node_port_range": settings.node_port_range,
            "cluster_domain": settings.cluster_domain,
        },
        "controllers": {
            "kubeconfig": settings.kubeconfig("controller-manager"),
            "cluster_cidr": settings.pod_cidr,
            "healthz_port": settings.controllers_health_port,
            "load_balancer_pool": settings.load_balancer_pool,
        },
        "scheduler": {
            "kubeconfig": settings.kubeconfig("scheduler"),
            "healthz_port": settings.scheduler_health_port,
        },
        "agent": {
            "name": settings.name,
            "kubeconfig": settings.kubeconfig("agent"),
            "node_name": settings.node_name,
            "node_ip": settings.advertise_address,
            "docker_host": settings.docker_host,
            "data_dir": settings.data / "agent",
            "bridge": settings.bridge,
            "cgroup_root": "/" if settings.name == DEFAULT_NAME else f"/{settings.name}",
            "cluster_dns": (settings.dns_address,),
            "cluster_domain": settings.cluster_domain,
            "address": settings.bind_address,
            "port": settings.agent_port,
            "tls_cert_file": pki / "agent.crt",
            "tls_private_key_file": pki / "agent.key",
            "client_ca_file": pki / "ca.crt",
            "container_log_dir": settings.container_log_dir,
            "pod_log_dir": settings.pod_log_dir,
        },
        "netproxy": {
            "kubeconfig": settings.kubeconfig("netproxy"),
            "node_name": settings.node_name,
            "cluster_cidr": settings.service_cidr,
            "chain_prefix": settings.chain_prefix,
            "node_port_range": settings.node_port_range,
            "load_balancer_pool": settings.load_balancer_pool,
            "healthz_bind_address": settings.bind_address,
            "healthz_port": settings.netproxy_health_port,
            "state_file": settings.data / "netproxy" / "state.json",
        },
        "dns": {
            "kubeconfig": settings.kubeconfig("dns"),
            "domain": settings.cluster_domain,
            "listen_address": settings.dns_address,
            "port": settings.dns_port,
            "interface": settings.dns_interface,
            "metrics_address": settings.bind_address,
            "metrics_port": settings.dns_metrics_port,
            "reverse_cidrs": (settings.service_cidr, settings.pod_cidr),
            "state_file": settings.data / "dns" / "names.json",
        },
        "cadvisor": {
            "listen_address": settings.bind_address,
            "port": settings.cadvisor_port,
            "docker_host": settings.docker_host,
        },
    }


def config_of(component: Component, settings: Settings, *, environ: Mapping[str, str] = os.environ) -> Any:
    """The component's settings as part of the cluster; SettingsError when they cannot be used."""
    return settled(component, settings, environ=environ)[0]


def settled(component: Component, settings: Settings, *, environ: Mapping[str, str] = os.environ) -> tuple[Any, str]:
    """The component's settings as part of the cluster, and its log level; SettingsError when they cannot be used."""
    config_class = component.config_class()
    own = settings_of(config_class)
    known = (*own, LOG_LEVEL)
    file = settings.config / f"{component.name}.yaml"
    said, level = take_log_level(
        (read_file(file, known) if file.exists() else {}) | read_environment(component.env_prefix, known, environ),
        settings.log_level,
    )
    config, _ = build(config_class, _derived(component, settings, frozenset(one.name for one in own)), said)
    return config, level.value


def _derived(component: Component, settings: Settings, known: frozenset[str]) -> Values:
    values = told(settings)[component.name]
    unknown = sorted(set(values) - known)
    if unknown:
        raise SettingsError([f"{component.name}: has no setting {name}: the cluster cannot set it" for name in unknown])
    return {name: Value(value, "the cluster's settings") for name, value in values.items()}
