"""Which objects a list, watch or deletecollection is about: namespace, labels and fields."""

from collections.abc import Iterable
from dataclasses import dataclass

from api.errors import BadRequest, shown
from api.resources import Resource
from api.selectors import EVERYTHING, FieldTerm, Selector, parse, parse_fields
from master.apiserver.cache import Item, Table
from master.apiserver.call import Call
from master.apiserver.forms import stored_field
from master.apiserver.indexes import Place

_COMMON = ("metadata.name", "metadata.namespace")


@dataclass(frozen=True, slots=True)
class Selection:
    """All three must hold."""

    namespace: str = ""
    labels: Selector = EVERYTHING
    fields: tuple[FieldTerm, ...] = ()

    @property
    def is_everything(self) -> bool:
        """Whether nothing beside the namespace is asked for."""
        return not self.labels and not self.fields

    def candidates(self, table: Table, *, after: str = "") -> list[Item]:
        """Objects among which are all that are picked, in order: few, where an index can tell."""
        place, values = self._narrowest()
        found = table.having(place, values, after=after) if place is not None else None
        return table.items(self.namespace, after=after) if found is None else found

    def _narrowest(self) -> tuple[Place | None, Iterable[str]]:
        """The first term that an index can answer, with its values."""
        for term in self.labels.terms:
            if term.operator == "In":
                return ("label", term.key), term.values
        if self.only is not None:
            field, value = self.only
            return ("field", field), (value,)
        return None, ()

    @property
    def only(self) -> tuple[str, str] | None:
        """The first field, and the value it must have."""
        for field in self.fields:
            if field.equal and field.field != "metadata.namespace":
                return field.field, field.value
        return None

    def picks(self, item: Item) -> bool:
        if self.namespace and item.namespace != self.namespace:
            return False
        if self.labels.terms and not self.labels.matches(item.labels):
            return False
        for term in self.fields:  # noqa: SIM110 - as in Selector.matches
            if (item.fields[term.field] == term.value) is not term.equal:
                return False
        return True


def selection_of(call: Call) -> Selection:
    """Raises BadRequest for a selector that cannot be read, or a field that the resource does not offer."""
    label_text, field_text = call.option("labelSelector"), call.option("fieldSelector")
    fields = parse_fields(field_text) if field_text else ()
    for term in fields:
        if not _offered(call.target.resource, term.field):
            raise BadRequest(_not_offered(call.target.resource, term.field))
    fields = tuple(FieldTerm(stored_field(call.target.resource, t.field), t.value, t.equal) for t in fields)
    labels = parse(label_text) if label_text else EVERYTHING
    if call.target.name:
        fields += (FieldTerm("metadata.name", call.target.name),)
    return Selection(call.target.namespace, labels, fields)


def _not_offered(resource: Resource, field: str) -> str:
    """Kubernetes has two ways to say it: for kinds with fields of their own, and for all others."""
    if resource.fields:
        return f"field label not supported: {field}"
    return f'{shown(field)} is not a known field selector: only "metadata.name", "metadata.namespace"'


def _offered(resource: Resource, field: str) -> bool:
    return field in _COMMON or field in (resource.fields or ())
