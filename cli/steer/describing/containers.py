"""Containers, volumes and tolerations: of pods, and of the templates of pods."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from cli.steer.describing.page import Object, Page, truth, when

Statuses = Mapping[str, Object]
Told = list[tuple[str, Any]]


def containers(
    page: Page, title: str, found: Sequence[Object], statuses: Statuses | None, pad: str = "", ip: str = ""
) -> None:
    """``statuses`` by name, None for a template. ``pad`` is two blanks in a template."""
    if not found:
        page.add(f"{pad}{title}: <none>")
        return
    page.add(f"{pad}{title}:")
    for one in found:
        page.add(f"{' ' if pad else ''}{one['name']}:", 1)
        status = (statuses or {}).get(one["name"])
        if status is not None:
            page.field("Container ID", status.get("containerID", ""), 2)
        page.field("Image", one.get("image", ""), 2)
        if status is not None:
            page.field("Image ID", status.get("imageID", ""), 2)
        _ports(page, one.get("ports") or ())
        for name in ("command", "args"):
            if one.get(name):
                page.add(f"{name.title()}:", 2)
                for word in one[name]:
                    for line in str(word).split("\n"):
                        page.add(line, 3)
        if status is not None:
            _status(page, status)
        _resources(page, one.get("resources") or {})
        for name in ("liveness", "readiness", "startup"):
            if probe := one.get(f"{name}Probe"):
                page.field(name.title(), probe_text(probe), 2)
        _environment(page, one, ip)
        _mounts(page, one.get("volumeMounts") or ())


def _ports(page: Page, ports: Sequence[Object]) -> None:
    several = "s" if len(ports) > 1 else ""
    for name, key in (("Port", "containerPort"), ("Host Port", "hostPort")):
        told = [f"{port.get(key, 0)}/{port.get('protocol', 'TCP')}{_in_brackets(port.get('name'))}" for port in ports]
        page.field(name + several, ", ".join(told) or "<none>", 2)


def _in_brackets(text: str | None) -> str:
    return f" ({text})" if text else ""


def _status(page: Page, status: Object) -> None:
    _state(page, "State", status.get("state") or {})
    if (status.get("lastState") or {}).get("terminated"):
        _state(page, "Last State", status["lastState"])
    page.field("Ready", truth(status.get("ready")), 2)
    page.field("Restart Count", status.get("restartCount", 0), 2)


def _state(page: Page, title: str, state: Object) -> None:
    if running := state.get("running"):
        page.field(title, "Running", 2)
        page.field("Started", when(running.get("startedAt")), 3)
    elif ended := state.get("terminated"):
        page.field(title, "Terminated", 2)
        for name in ("reason", "message"):
            if ended.get(name):
                page.field(name.title(), ended[name], 3)
        page.field("Exit Code", ended.get("exitCode", 0), 3)
        if ended.get("signal"):
            page.field("Signal", ended["signal"], 3)
        page.field("Started", when(ended.get("startedAt")), 3)
        page.field("Finished", when(ended.get("finishedAt")), 3)
    else:
        page.field(title, "Waiting", 2)
        if reason := (state.get("waiting") or {}).get("reason"):
            page.field("Reason", reason, 3)


def _resources(page: Page, resources: Object) -> None:
    for name in ("limits", "requests"):
        if resources.get(name):
            page.add(f"{name.title()}:", 2)
            for key, value in sorted(resources[name].items()):
                page.field(key, value, 3)


def probe_text(probe: Object) -> str:
    """A probe in one line."""
    times = (
        f"delay={probe.get('initialDelaySeconds', 0)}s timeout={probe.get('timeoutSeconds', 1)}s "
        f"period={probe.get('periodSeconds', 10)}s successThreshold={probe.get('successThreshold', 1)} "
        f"failureThreshold={probe.get('failureThreshold', 3)}"
    )
    if command := probe.get("exec"):
        return f"exec [{' '.join(command.get('command') or ())}] {times}"
    if get := probe.get("httpGet"):
        path = get.get("path") or "/"
        address = f"{get.get('scheme', 'HTTP').lower()}://{get.get('host', '')}:{get['port']}{path}"
        return f"http-get {address} {times}"
    if tcp := probe.get("tcpSocket"):
        return f"tcp-socket {tcp.get('host', '')}:{tcp['port']} {times}"
    if grpc := probe.get("grpc"):
        return f"grpc <pod>:{grpc['port']} {grpc.get('service') or ''} {times}"
    return f"unknown {times}"


def _environment(page: Page, container: Object, ip: str) -> None:
    for one in container.get("envFrom") or ():
        if one is container["envFrom"][0]:
            page.add("Environment Variables from:", 2)
        ref, what = (
            (one.get("configMapRef"), "ConfigMap")
            if one.get("configMapRef")
            else (one.get("secretRef") or {}, "Secret")
        )
        prefix = f" with prefix '{one['prefix']}'" if one.get("prefix") else ""
        page.add(f"{ref.get('name')}\t{what}{prefix}\tOptional: {str(bool(ref.get('optional'))).lower()}", 3)
    variables = container.get("env") or ()
    if not variables:
        page.field("Environment", "<none>", 2)
        return
    page.add("Environment:", 2)
    for one in variables:
        page.field(one["name"], _value(one, ip), 3)


def _value(one: Object, ip: str) -> str:
    source = one.get("valueFrom") or {}
    if field := source.get("fieldRef"):
        value = ip if field["fieldPath"] == "status.podIP" else ""
        return f"{value} ({field.get('apiVersion', 'v1')}:{field['fieldPath']})"
    if resource := source.get("resourceFieldRef"):
        return f"({resource['resource']})"
    for key, where in (("secretKeyRef", "in secret"), ("configMapKeyRef", "of config map")):
        if ref := source.get(key):
            optional = str(bool(ref.get("optional"))).lower()
            return f"<set to the key '{ref['key']}' {where} '{ref.get('name', '')}'>\tOptional: {optional}"
    return str(one.get("value", "")).replace("\n", "\n\t\t")


def _mounts(page: Page, mounts: Sequence[Object]) -> None:
    if not mounts:
        page.field("Mounts", "<none>", 2)
        return
    page.add("Mounts:", 2)
    for mount in sorted(mounts, key=lambda mount: str(mount["mountPath"])):
        flags = ["ro" if mount.get("readOnly") else "rw"]
        if mount.get("subPath"):
            flags.append(f'path="{mount["subPath"]}"')
        page.add(f"{mount['mountPath']} from {mount['name']} ({','.join(flags)})", 3)


def _optional(source: Object) -> str:
    return str(bool(source.get("optional"))).lower()


def _empty_dir(source: Object) -> Told:
    return [
        ("Type", "EmptyDir (a temporary directory that shares a pod's lifetime)"),
        ("Medium", source.get("medium", "")),
        ("SizeLimit", source.get("sizeLimit") or "<unset>"),
    ]


def _projected(source: Object) -> Told:
    told: Told = [("Type", "Projected (a volume that contains injected data from multiple sources)")]
    for one in source.get("sources") or ():
        if token := one.get("serviceAccountToken"):
            told.append(("TokenExpirationSeconds", token.get("expirationSeconds", 3600)))
        elif ref := one.get("configMap"):
            told += [("ConfigMapName", ref.get("name", "")), ("Optional", _optional(ref))]
        elif ref := one.get("secret"):
            told += [("SecretName", ref.get("name", "")), ("Optional", _optional(ref))]
        elif "downwardAPI" in one:
            told.append(("DownwardAPI", "true"))
    return told


def _secret(source: Object) -> Told:
    told = [("Type", "Secret (a volume populated by a Secret)"), ("SecretName", source.get("secretName", ""))]
    return [*told, ("Optional", _optional(source))]


def _config_map(source: Object) -> Told:
    told = [("Type", "ConfigMap (a volume populated by a ConfigMap)"), ("Name", source.get("name", ""))]
    return [*told, ("Optional", _optional(source))]


def _host_path(source: Object) -> Told:
    told = [("Type", "HostPath (bare host directory volume)"), ("Path", source["path"])]
    return [*told, ("HostPathType", source.get("type", ""))]


def _claim(source: Object) -> Told:
    kind = "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)"
    return [("Type", kind), ("ClaimName", source["claimName"]), ("ReadOnly", _read_only(source))]


def _nfs(source: Object) -> Told:
    told = [("Type", "NFS (an NFS mount that lasts the lifetime of a pod)"), ("Server", source["server"])]
    return [*told, ("Path", source["path"]), ("ReadOnly", _read_only(source))]


def _downward(_: Object) -> Told:
    return [("Type", "DownwardAPI (a volume populated by information about the pod)")]


def _unknown(_: Object) -> Told:
    return [("Type", "<unknown>")]


def _read_only(source: Object) -> str:
    return str(bool(source.get("readOnly"))).lower()


_VOLUMES: dict[str, Callable[[Object], Told]] = {
    "hostPath": _host_path,
    "emptyDir": _empty_dir,
    "secret": _secret,
    "configMap": _config_map,
    "projected": _projected,
    "persistentVolumeClaim": _claim,
    "nfs": _nfs,
    "downwardAPI": _downward,
}


def volumes(page: Page, found: Sequence[Object], pad: str = "") -> None:
    """The volumes of a pod or template."""
    if not found:
        page.add(f"{pad}Volumes:\t<none>")
        return
    page.add(f"{pad}Volumes:")
    for volume in found:
        page.add(f"{' ' if pad else ''}{volume['name']}:", 1)
        kind = next((key for key in volume if key != "name"), "emptyDir")
        tell = _VOLUMES.get(kind, _unknown)
        for name, value in tell(volume.get(kind) or {}):
            page.field(name, value, 2)


def tolerations(page: Page, name: str, found: Sequence[Object]) -> None:
    """One a line."""
    page.several(name, [_toleration(one) for one in found])


def _toleration(one: Object) -> str:
    text = str(one.get("key", ""))
    if one.get("value"):
        text += f"={one['value']}"
    if one.get("effect"):
        text += f":{one['effect']}"
    if one.get("operator") == "Exists":
        text += " op=Exists" if text else "op=Exists"
    if one.get("tolerationSeconds") is not None:
        text += f" for {one['tolerationSeconds']}s"
    return text
