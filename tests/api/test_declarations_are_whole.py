"""What every declaration of the model must keep, checked over all that is served."""

import pytest

from api.core import EphemeralContainer
from api.formats import FORMATS
from api.meta import DeleteOptions, Object, Status
from api.protobuf.numbers import path_of
from api.resources import RESOURCES, Resource, field_value, find, find_kind, resource_of
from api.schema import by_wire, fields_of, parts_of
from api.struct import Struct, wire_name

TOPS: tuple[type[Struct], ...] = (*(resource.type for resource in RESOURCES), DeleteOptions, Status)
PARTS = sorted({part for top in TOPS for part in parts_of(top)}, key=lambda part: f"{part.__module__}.{part.__name__}")


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_field_has_one_declaration_and_no_number_twice(part: type[Struct]) -> None:
    numbers = [path_of(part, field) for field in fields_of(part) if path_of(part, field) != (0,)]
    assert len(set(numbers)) == len(numbers)
    assert not {path[:1] for path in numbers if len(path) == 2} & {path for path in numbers if len(path) == 1}
    assert all(0 < step < 2**29 for path in numbers for step in path)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.__name__)
def test_every_rule_of_a_declaration_exists(part: type[Struct]) -> None:
    for field in fields_of(part):
        assert field.spec.text, field.attribute
        assert not field.spec.form or field.spec.form in FORMATS, field.attribute
        if field.spec.merge_key:
            assert field.shape.item is not None
            assert field.shape.item.struct is not None
            assert field.spec.merge_key in by_wire(field.shape.item.struct), field.attribute


def test_a_part_that_inherits_is_wrapped() -> None:
    numbers = {field.attribute: path_of(EphemeralContainer, field) for field in fields_of(EphemeralContainer)}
    assert numbers["image"] == (1, 2)
    assert numbers["target_container_name"] == (2,)


@pytest.mark.parametrize(
    ("attribute", "wire"),
    [
        ("api_version", "apiVersion"),
        ("pod_ip", "podIP"),
        ("pod_ips", "podIPs"),
        ("host_ip", "hostIP"),
        ("cluster_ip", "clusterIP"),
        ("cluster_ips", "clusterIPs"),
        ("external_ips", "externalIPs"),
        ("load_balancer_ip", "loadBalancerIP"),
        ("pod_cidr", "podCIDR"),
        ("pod_cidrs", "podCIDRs"),
        ("provider_id", "providerID"),
        ("machine_id", "machineID"),
        ("system_uuid", "systemUUID"),
        ("boot_id", "bootID"),
        ("container_id", "containerID"),
        ("image_id", "imageID"),
        ("se_linux_options", "seLinuxOptions"),
        ("run_as_non_root", "runAsNonRoot"),
        ("qos_class", "qosClass"),
        ("dns_policy", "dnsPolicy"),
        ("host_pid", "hostPID"),
        ("host_ipc", "hostIPC"),
        ("set_hostname_as_fqdn", "setHostnameAsFQDN"),
        ("client_ip", "clientIP"),
        ("ip_families", "ipFamilies"),
        ("downward_api", "downwardAPI"),
        ("http_get", "httpGet"),
        ("tcp_socket", "tcpSocket"),
        ("config_map_key_ref", "configMapKeyRef"),
        ("fields_v1", "fieldsV1"),
        ("os_image", "osImage"),
        ("continue_", "continue"),
        ("uid", "uid"),
        ("app_armor_profile", "appArmorProfile"),
        ("controller", "controller"),
    ],
)
def test_wire_names_are_those_of_kubernetes(attribute: str, wire: str) -> None:
    assert wire_name(attribute) == wire


@pytest.mark.parametrize("resource", RESOURCES, ids=lambda resource: resource.plural)
def test_every_resource_is_found_by_all_its_names(resource: Resource) -> None:
    assert resource_of(resource.type) is resource
    assert find(resource.group, resource.version, resource.plural) is resource
    assert find_kind(resource.api_version, resource.kind) is resource
    for path in (resource.fields or {}).values():
        assert isinstance(field_value(resource.type(), path), str)
        assert _leads_to_a_field(resource.type, path), path


def _leads_to_a_field(kind: type[Object], path: str) -> bool:
    part: type[Struct] | None = kind
    for step in path.split("."):
        found = next((field for field in fields_of(part) if field.attribute == step), None) if part else None
        if found is None:
            return False
        part = found.shape.struct
    return True
