"""In which form a client wants its answer: JSON, YAML or protobuf; the object itself, a Table, or its metadata alone.

The rule: the first clause by quality that we can serve wins; nothing acceptable is 406. As in Kubernetes a Table is
never protobuf, and a watch never YAML.
"""

from dataclasses import dataclass, replace
from enum import Enum
from functools import lru_cache

from api import protobuf
from api.errors import NotAcceptable
from api.resources import Resource

# As in Kubernetes, "application/*" alone is none of them.
_JSON = ("application/json", "*/*", "")
_YAML = ("application/yaml", "application/x-yaml", "text/yaml")
_ACCEPTED = "only the following media types are accepted: {}"
_IS_LIST = "you requested PartialObjectMetadata, but the requested object is a list (*{}.{}List)"
_IS_NO_LIST = "you requested PartialObjectMetadataList, but the requested object is not a list (*{}.{})"
_STREAMED = f"application/json, {protobuf.CONTENT_TYPE}"
_WHOLE = f"application/json, application/yaml, {protobuf.CONTENT_TYPE}"


class Form(Enum):
    """What is shown of an object."""

    OBJECT = "object"
    TABLE = "Table"
    METADATA = "PartialObjectMetadata"
    METADATA_LIST = "PartialObjectMetadataList"


@dataclass(frozen=True, slots=True)
class Output:
    """How to answer. JSON unless told otherwise.

    or_json: protobuf is wanted, and JSON would do as well. version: of meta.k8s.io for tables and metadata.
    """

    form: Form = Form.OBJECT
    yaml: bool = False
    protobuf: bool = False
    or_json: bool = False
    version: str = "v1"

    @property
    def stream_type(self) -> str:
        """The Content-Type of a watch."""
        return f"{protobuf.CONTENT_TYPE};stream=watch" if self.protobuf else "application/json"


@dataclass(frozen=True, slots=True)
class _Clause:
    media: str
    parameters: dict[str, str]
    quality: float


PLAIN = Output()


@lru_cache(maxsize=256)
def output_of(accept: str, *, stream: bool = False) -> Output:
    """The answer's form for an Accept header; an empty header accepts JSON. Raises NotAcceptable."""
    if not accept:
        return PLAIN
    wanted = [output for clause in clauses(accept) if (output := _served(clause)) and not (stream and output.yaml)]
    if not wanted:
        raise NotAcceptable(_ACCEPTED.format(_STREAMED if stream else _WHOLE))
    first = wanted[0]
    return replace(first, or_json=first.protobuf and replace(first, protobuf=False) in wanted)


def check_json(accept: str) -> None:
    """For documents that Kubernetes' router, which has words of its own, gives out as JSON. Raises NotAcceptable."""
    if accept and not any(clause.media in _JSON for clause in clauses(accept)):
        raise NotAcceptable("406: Not Acceptable")


def check_form(form: Form, resource: Resource, *, is_list: bool) -> None:
    """Raises NotAcceptable for metadata of one object where a list is answered, and the other way round."""
    if form is (Form.METADATA if is_list else Form.METADATA_LIST):
        # Go's names of the types, as Kubernetes tells them.
        package = resource.group.partition(".")[0] or "core"
        raise NotAcceptable((_IS_LIST if is_list else _IS_NO_LIST).format(package, resource.kind))


def clauses(accept: str) -> list[_Clause]:
    """The clauses of an Accept header, the most wanted first."""
    found = []
    for text in accept.split(","):
        media, *rest = (part.strip() for part in text.split(";"))
        parameters = dict(_pair(part) for part in rest)
        found.append(_Clause(media.lower(), parameters, _quality(parameters.get("q", "1"))))
    return sorted((clause for clause in found if clause.quality > 0), key=lambda clause: -clause.quality)


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip().lower(), value.strip().strip('"')


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _served(clause: _Clause) -> Output | None:
    yaml, binary = clause.media in _YAML, clause.media == protobuf.CONTENT_TYPE
    if not yaml and not binary and clause.media not in _JSON:
        return None
    shape, group, version = (clause.parameters.get(name, "") for name in ("as", "g", "v"))
    if not shape and not group and not version:
        return Output(yaml=yaml, protobuf=binary)
    if group != "meta.k8s.io" or version not in ("v1", "v1beta1"):
        return None
    try:
        form = Form(shape)
    except ValueError:
        return None
    return None if binary and form is Form.TABLE else Output(form, yaml=yaml, protobuf=binary, version=version)
