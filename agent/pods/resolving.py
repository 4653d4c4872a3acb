"""resolv.conf and hosts file of a pod. Pure; written under the pod's directory and mounted, past Docker's own.

Docker would put its own name server into every container of a bridge network of ours; pods ask the cluster's.
"""

from collections.abc import Sequence

from api.core import Pod

MAX_SERVERS, MAX_SEARCHES = 3, 32  # glibc's MAXNS; the kubelet's limit of search domains


def hostname_of(pod: Pod) -> str:
    """At most 63 characters: what a host name may have."""
    return (pod.spec.hostname or pod.metadata.name)[:63].rstrip("-.")


def resolv_conf(pod: Pod, *, host_file: str, cluster_dns: Sequence[str], domain: str) -> str:
    """The pod's resolv.conf by its dnsPolicy and dnsConfig. ``host_file``: text of the host's own."""
    servers, searches, options = _by_policy(pod, host_file, cluster_dns=cluster_dns, domain=domain)
    extra = pod.spec.dns_config
    if extra is not None:
        servers += [server for server in extra.nameservers if server not in servers]
        searches += [name for name in extra.searches if name not in searches]
        added = {option.name: option.value for option in extra.options}
        kept = [text for text in options if text.partition(":")[0] not in added]
        options = kept + [f"{name}:{value}" if value else name for name, value in added.items()]
    lines = [f"nameserver {server}" for server in servers[:MAX_SERVERS]]
    if searches:
        lines.append("search " + " ".join(searches[:MAX_SEARCHES]))
    if options:
        lines.append("options " + " ".join(options))
    return "\n".join(lines) + "\n"


def _by_policy(
    pod: Pod, host_file: str, *, cluster_dns: Sequence[str], domain: str
) -> tuple[list[str], list[str], list[str]]:
    """Name servers, search domains and options."""
    policy = pod.spec.dns_policy or "ClusterFirst"
    servers, searches, options = parse_resolv_conf(host_file)
    if policy == "None":
        return [], [], []
    if policy == "Default" or (policy == "ClusterFirst" and pod.spec.host_network) or not cluster_dns:
        return servers, searches, options
    cluster = [f"{pod.metadata.namespace}.svc.{domain}", f"svc.{domain}", domain]
    return list(cluster_dns), [*cluster, *(name for name in searches if name not in cluster)], ["ndots:5"]


def parse_resolv_conf(text: str) -> tuple[list[str], list[str], list[str]]:
    """Name servers, search domains and options of a resolv.conf; the last search and options lines count."""
    servers: list[str] = []
    searches: list[str] = []
    options: list[str] = []
    for line in text.splitlines():
        words = line.split("#")[0].split(";")[0].split()
        if len(words) < 2:
            continue
        if words[0] == "nameserver":
            servers.append(words[1])
        elif words[0] in ("search", "domain"):
            searches = [name for name in words[1:] if name != "."]
        elif words[0] == "options":
            options = words[1:]
    return servers, searches, options


def hosts_file(pod: Pod, *, pod_ip: str, domain: str) -> str:
    """The pod's /etc/hosts, with hostAliases."""
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::0\tip6-localnet",
        "fe00::0\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    name = hostname_of(pod)
    if pod_ip:
        full = f"{name}.{pod.spec.subdomain}.{pod.metadata.namespace}.svc.{domain}\t" if pod.spec.subdomain else ""
        lines.append(f"{pod_ip}\t{full}{name}")
    if pod.spec.host_aliases:
        lines += ["", "# Entries added by HostAliases."]
        lines += [f"{alias.ip}\t" + "\t".join(alias.hostnames) for alias in pod.spec.host_aliases]
    return "\n".join(lines) + "\n"
