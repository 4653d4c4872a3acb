"""The rules that names, labels and other strings keep. Each returns what is wrong with a value, or an empty string.

Sources: RFC 1123 and RFC 1035 for names, RFC 6335 for port names, Kubernetes' ``util/validation`` for the sentences.
"""

import ipaddress
import re
from collections.abc import Callable
from functools import lru_cache, wraps

Rule = Callable[[str], str]
# Clients choose the strings, so both how many are remembered and how long they are is bounded.
_REMEMBERED = 4096
_REMEMBERED_LENGTH = 128


def _remembered(rule: Rule) -> Rule:
    """For what is nearly always one of a few strings: the keys of labels, the names of containers."""
    known = lru_cache(maxsize=_REMEMBERED)(rule)

    @wraps(rule)
    def judge(value: str) -> str:
        return known(value) if len(value) <= _REMEMBERED_LENGTH else rule(value)

    return judge


_LABEL = "[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_DNS_LABEL = re.compile(_LABEL)
_DNS_1035 = re.compile("[a-z]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN = re.compile(rf"{_LABEL}(\.{_LABEL})*")
_NAME_PART = re.compile("([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_LABEL_VALUE = re.compile("(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_HTTP_HEADER = re.compile("[-A-Za-z0-9]+")
_CONFIG_KEY = re.compile("[-._a-zA-Z0-9]+")
_PRINTABLE_ENV = re.compile(r"[ -<>-~]+")
_NAME_WORDS = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
NO_OPERATOR = "not a valid selector operator"
LABEL_OPERATORS = ("In", "NotIn", "Exists", "DoesNotExist")
NODE_OPERATORS = (*LABEL_OPERATORS, "Gt", "Lt")


@_remembered
def dns_label(value: str) -> str:
    if len(value) > 63:
        return "must be no more than 63 characters"
    if not _DNS_LABEL.fullmatch(value):
        return (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must "
            "start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
        )
    return ""


def dns_1035_label(value: str) -> str:
    if len(value) > 63:
        return "must be no more than 63 characters"
    if not _DNS_1035.fullmatch(value):
        return (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
            "validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
        )
    return ""


def dns_subdomain(value: str) -> str:
    if len(value) > 253:
        return "must be no more than 253 characters"
    if not _SUBDOMAIN.fullmatch(value):
        return (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and "
            "must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
        )
    return ""


def path_segment(value: str) -> str:
    """What may stand between two slashes: the names of roles and bindings."""
    if value in (".", ".."):
        return f"may not be '{value}'"
    found = next((sign for sign in ("/", "%") if sign in value), "")
    return f"may not contain '{found}'" if found else ""


@_remembered
def qualified_name(value: str) -> str:
    prefix, slash, name = value.rpartition("/")
    if "/" in prefix:
        return (
            f"a qualified name {_NAME_WORDS} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )
    if slash and not prefix:
        return "prefix part must be non-empty"
    if slash and dns_subdomain(prefix):
        return "prefix part " + dns_subdomain(prefix)
    if not name:
        return "name part must be non-empty"
    if len(name) > 63:
        return "name part must be no more than 63 characters"
    if not _NAME_PART.fullmatch(name):
        return f"name part {_NAME_WORDS}"
    return ""


@_remembered
def label_value(value: str) -> str:
    if len(value) > 63:
        return "must be no more than 63 characters"
    if not _LABEL_VALUE.fullmatch(value):
        return (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and "
            "must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', "
            "regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
        )
    return ""


def port_name(value: str) -> str:
    if len(value) > 15:
        return "must be no more than 15 characters"
    if not re.fullmatch("[-a-z0-9]+", value):
        return "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search("[a-z]", value):
        return "must contain at least one letter (a-z)"
    if "--" in value:
        return "must not contain consecutive hyphens"
    if value[0] == "-" or value[-1] == "-":
        return "must not begin or end with a hyphen"
    return ""


@_remembered
def env_name(value: str) -> str:
    if not _PRINTABLE_ENV.fullmatch(value):
        return "a valid environment variable name must consist only of printable ASCII characters other than '='"
    return ""


def parsed_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """An address as Go's net.ParseIP reads it: ``::ffff:127.0.0.1`` is 127.0.0.1, which it leads to, and there are no
    zones. Raises ValueError."""
    if "%" in text:
        raise ValueError(f"{text!r} has a zone")
    found = ipaddress.ip_address(text)
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found


def ip(value: str) -> str:
    try:
        parsed_address(value)
    except ValueError:
        return "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
    return ""


def relative_path(value: str) -> str:
    if value.startswith("/"):
        return "must be a relative path"
    if ".." in value.split("/"):
        return "must not contain '..'"
    return ""


def http_header(value: str) -> str:
    if _HTTP_HEADER.fullmatch(value):
        return ""
    return (
        "a valid HTTP header must consist of alphanumeric characters or '-' (e.g. 'X-Header-Name', "
        "regex used for validation is '[-A-Za-z0-9]+')"
    )


def config_key(value: str) -> str:
    if len(value) > 253:
        return "must be no more than 253 characters"
    if not _CONFIG_KEY.fullmatch(value):
        return (
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')"
        )
    if value in (".", ".."):
        return f"must not be '{value}'"
    return "must not start with '..'" if value.startswith("..") else ""


def csi_driver(value: str) -> str:
    return "must be no more than 63 characters" if len(value) > 63 else dns_subdomain(value.lower())


def resource_name(value: str) -> str:
    return qualified_name(value)


def _operator_of(known: tuple[str, ...]) -> Rule:
    return lambda value: "" if value in known else NO_OPERATOR


FORMATS: dict[str, Rule] = {
    "annotation": lambda value: qualified_name(value.lower()),
    "config_key": config_key,
    "csi_driver": csi_driver,
    "dns_label": dns_label,
    "env_name": env_name,
    "http_header": http_header,
    "ip": ip,
    "label": qualified_name,
    "label_operator": _operator_of(LABEL_OPERATORS),
    "label_value": label_value,
    "node_operator": _operator_of(NODE_OPERATORS),
    "port": port_name,
    "port_name": port_name,
    "qualified_name": qualified_name,
    "relative_path": relative_path,
    "resource_name": resource_name,
}
