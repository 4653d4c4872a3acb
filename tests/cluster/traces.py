"""What can be seen of a host: to be compared before Steersman came and after it went."""

from __future__ import annotations

from tests.cluster.machines import Machine

# What Docker, Prometheus, systemd, ssh and Ansible write while they run is theirs.
OTHERS = (
    "/proc", "/sys", "/dev", "/run", "/tmp", "/var/tmp", "/var/cache", "/root/.ansible", "/etc/.pwd.lock",
    "/var/lib/docker", "/var/lib/containerd", "/var/lib/prometheus", "/var/lib/systemd", "/var/log/journal",
)  # fmt: skip
NOT_OURS = "\\( " + " -o ".join(f"-path {path}" for path in OTHERS) + " -o -name __pycache__ \\)"
# Each prints lines; counters, times and the order of lines do not count.
SIGHTS = {
    "files": f"find / -xdev {NOT_OURS} -prune -o -print",
    "runtime files": "find /run /tmp /dev/shm -maxdepth 1 -name '*steer*'",
    "contents of /etc": r"find /etc -type f ! -name '*.lock' -exec sha256sum {} +",
    "units": "systemctl list-unit-files --no-legend --no-pager | grep -v '^session-' | awk '{print $1, $2}'",
    # That of SELinux runs at a host's first start only, and some hosts are started anew in between.
    "running services": "systemctl list-units --type=service,socket --state=active --plain --no-legend --no-pager"
    " | awk '{print $1}' | grep -vE '^(user|session|systemd-|getty|polkit|selinux-)'",
    "failed units": "systemctl --failed --plain --no-legend --no-pager",
    "users": "cut -d: -f1,3 /etc/passwd /etc/group",
    # A built-in table without a rule is the furniture of iptables: it stays when it was looked into once.
    "rules": "for save in iptables-save ip6tables-save; do $save; done | grep -v '^[#*]' |"
    " sed -E 's/\\[[0-9]+:[0-9]+\\]//'",
    "tables": "nft list tables | grep -vE '^table ip6? (filter|nat|mangle|raw)$'; ipset list -name 2>/dev/null",
    "policy rules": "ip rule",
    "routes": "ip route show table all | grep -v 'proto kernel' | sed -E 's/ linkdown//'",
    "interfaces": "ip -o link | awk -F': ' '{print $2}' | sed 's/@.*//'",
    "addresses": "ip -o -4 address | awk '{print $2, $4}'",
    "mounts": "awk '{print $2, $3}' /proc/mounts | grep -vE '^/run/(user|docker)|^/var/lib/docker/'",
    "containers": "docker ps --all --quiet",
    "networks": "docker network ls --format '{{.Name}} {{.Driver}}'",
    "volumes": "docker volume ls --quiet",
    "images": "docker images --format '{{.Repository}}:{{.Tag}}'",
    "cgroups": "find /sys/fs/cgroup -type d -name '*kubepods*'; find /sys/fs/cgroup -type d -name '*steersman*'",
    "processes": "ps -eo args --no-headers | grep -iE '[s]teer|[k]8s_'",
}


def seen(machine: Machine) -> dict[str, set[str]]:
    """All of it, in lines."""
    script = "\n".join(f"echo '== {name}'; {command.replace(chr(10), ' ')} || true" for name, command in SIGHTS.items())
    found: dict[str, set[str]] = {}
    for line in machine(script, limit_s=120).splitlines():
        if line.startswith("== "):
            lines = found.setdefault(line[3:], set())
        else:
            lines.add(line.rstrip())
    return found


def differences(before: dict[str, set[str]], after: dict[str, set[str]]) -> list[str]:
    """Lines that came (+) or went (-)."""
    told = []
    for name in before:
        told += [f"{name}: + {line}" for line in sorted(after[name] - before[name])]
        told += [f"{name}: - {line}" for line in sorted(before[name] - after[name])]
    return told
