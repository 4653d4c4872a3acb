"""The one list of checks, from the ground up: what a later one needs is checked by an earlier one."""

from typing import Any

from cli.doctor import (
    certificates,
    cgroups,
    clock,
    dockerd,
    firewall,
    flavours,
    kernel,
    master,
    ports,
    ranges,
    resolver,
    storage,
)
from cli.doctor.finding import Check
from cli.doctor.look import cluster, host, network, probe, rules

CHECKS: tuple[Check[Any], ...] = (
    Check("kernel features", probe.features, kernel.features),
    Check("cgroups", host.cgroups, cgroups.judge),
    Check("disk", host.disks, storage.judge),
    Check("docker", cluster.docker_daemon, dockerd.judge),
    Check("ip forwarding", network.forwarding, kernel.forwarding),
    Check("bridge-nf", network.bridge_nf, kernel.bridge_nf),
    Check("rp_filter", network.reverse_path, kernel.reverse_path),
    Check("connections", network.connections, kernel.connections),
    Check("iptables flavours", rules.flavours, flavours.judge),
    Check("firewall forward", rules.firewall, firewall.forward),
    Check("firewall input", rules.firewall, firewall.inward),
    Check("pod and service ranges", network.routes, ranges.judge),
    Check("ports", host.listeners, ports.judge),
    Check("host's resolvers", host.resolvers, resolver.judge),
    Check("certificates", cluster.certificates, certificates.judge),
    Check("api server", cluster.api_server, master.judge),
    Check("clock", cluster.api_server, clock.judge),
)
