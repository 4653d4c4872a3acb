"""Completes a service with its cluster address and node ports, and follows the cache to know which are in use."""

import asyncio
import logging
from collections.abc import Callable

from api.core import Service
from api.errors import FieldError, InternalError, invalid, invalid_object
from master.apiserver.allocators import Addresses, Numbers, NumberTaken, OutOfRange, RangeFull
from master.apiserver.cache import Event, Item
from master.apiserver.reservation import Reservation
from master.apiserver.service_shapes import WITH_NODE_PORTS, Held, family_errors, held_by, needs_health_check

log = logging.getLogger(__name__)

# Longer than any write can be under way.
_DOUBT_S = 300.0


class ServiceNumbers:
    """The allocators of services. It follows the table of services."""

    def __init__(self, addresses: Addresses, node_ports: Numbers) -> None:
        self.addresses = addresses
        self.node_ports = node_ports

    def load(self, items: list[Item]) -> None:
        """Note what the stored services have."""
        for item in items:
            self._hold(_service(item))

    def offer(self, events: list[Event]) -> None:
        """Follow the commits."""
        for event in events:
            before = _service(event.before) if event.before is not None else None
            after = _service(event.after) if event.after is not None else None
            if after is not None:
                self._hold(after)
            if before is not None:
                self._let_go(before, held_by(after) if after is not None else Held("", frozenset()))

    def complete(self, new: Service, old: Service | None, reservation: Reservation) -> None:
        """Give a service the numbers it needs, before it is stored. Raises Invalid naming the field; then all that
        was reserved is given back."""
        if errors := list(family_errors(new)):
            raise invalid_object("", "Service", new.metadata.name, errors)
        try:
            self._complete_address(new, old, reservation)
            self._complete_ports(new, old, reservation)
            self._complete_health_check(new, old, reservation)
        except BaseException:
            reservation.give_back()
            raise

    def withdraw(self, reservation: Reservation, stored: Item | None, *, settled: bool = True) -> None:
        """The write failed: give back what it took, except for what the stored service has by now."""
        reservation.give_back(settled=settled)
        if stored is not None:
            self._hold(_service(stored))

    def hold_number(self, address: str, port: int, owner: str) -> None:
        """Note who has an address, or else a port, whatever was thought before."""
        if address:
            self.addresses.hold(address, owner)
        else:
            self.node_ports.hold(port, owner)

    def give_back_number(self, address: str, port: int, owner: str) -> None:
        """No-op when somebody else has it by now."""
        if address:
            self.addresses.give_back(address, owner)
        else:
            self.node_ports.give_back(port, owner)

    def _hold(self, service: Service) -> None:
        held = held_by(service)
        if held.address:
            self.addresses.hold(held.address, service.metadata.uid)
        for port in held.ports:
            self.node_ports.hold(port, service.metadata.uid)

    def _let_go(self, before: Service, kept: Held) -> None:
        held, owner = held_by(before), before.metadata.uid
        if held.address and held.address != kept.address:
            self.addresses.give_back(held.address, owner)
        for port in held.ports - kept.ports:
            self.node_ports.give_back(port, owner)

    def _complete_address(self, new: Service, old: Service | None, reservation: Reservation) -> None:
        spec, owner = new.spec, new.metadata.uid
        if spec.type == "ExternalName":
            spec.cluster_ip, spec.cluster_ips = "", []
            return
        if spec.cluster_ip not in ("", "None"):
            if old is None or old.spec.cluster_ip != spec.cluster_ip:
                self._take_address(new, reservation)
        elif not spec.cluster_ip:
            address = self._any_address(owner)
            self._undo_address(address, owner, reservation)
            spec.cluster_ip = address
        spec.cluster_ips = [spec.cluster_ip]

    def _take_address(self, new: Service, reservation: Reservation) -> None:
        address, owner = new.spec.cluster_ip, new.metadata.uid
        try:
            self.addresses.take(address, owner)
        except OutOfRange as error:
            why = f"failed to allocate IP {address}: the provided IP is not in the valid range. "
            why += f"The range of valid IPs is {self.addresses.cidr}"
            raise _refused(new, _address_error(address, why)) from error
        except NumberTaken as error:
            why = f"failed to allocate IP {address}: provided IP is already allocated"
            raise _refused(new, _address_error(address, why)) from error
        self._undo_address(address, owner, reservation)

    def _undo_address(self, address: str, owner: str, reservation: Reservation) -> None:
        reservation.on_failure(lambda: self.addresses.give_back(address, owner), settled=True)
        reservation.in_doubt(lambda: _look_later(self.addresses.doubt(address, owner), address))

    def _undo_port(self, port: int, owner: str, reservation: Reservation) -> None:
        reservation.on_failure(lambda: self.node_ports.give_back(port, owner), settled=True)
        reservation.in_doubt(lambda: _look_later(self.node_ports.doubt(port, owner), port))

    def _any_address(self, owner: str) -> str:
        try:
            return self.addresses.take_any(owner)
        except RangeFull as error:
            log.error("service addresses used up range=%s", self.addresses.cidr)
            raise InternalError("failed to allocate a serviceIP: range is full") from error

    def _complete_ports(self, new: Service, old: Service | None, reservation: Reservation) -> None:
        kept = held_by(old).ports if old is not None else frozenset()
        by_number: dict[int, int] = {}  # TCP and UDP of one number share a node port
        for index, port in enumerate(new.spec.ports):
            if new.spec.type not in WITH_NODE_PORTS:
                continue
            if not port.node_port and new.spec.allocate_load_balancer_node_ports is False:
                # What is asked for by number is taken all the same.
                continue
            if not port.node_port:
                port.node_port = by_number.get(port.port) or self._any_port(new, reservation)
            elif port.node_port not in kept:
                self._take_port(new, port.node_port, f"spec.ports[{index}].nodePort", reservation)
            by_number.setdefault(port.port, port.node_port)

    def _complete_health_check(self, new: Service, old: Service | None, reservation: Reservation) -> None:
        spec = new.spec
        if not needs_health_check(spec):
            return
        if not spec.health_check_node_port:
            spec.health_check_node_port = self._any_port(new, reservation)
        elif old is None or old.spec.health_check_node_port != spec.health_check_node_port:
            self._take_port(new, spec.health_check_node_port, "spec.healthCheckNodePort", reservation)

    def _any_port(self, new: Service, reservation: Reservation) -> int:
        owner = new.metadata.uid
        try:
            port = self.node_ports.take_any(owner)
        except RangeFull as error:
            log.error("node ports used up")
            raise InternalError("failed to allocate a nodePort: range is full") from error
        self._undo_port(port, owner, reservation)
        return port

    def _take_port(self, new: Service, number: int, path: str, reservation: Reservation) -> None:
        owner = new.metadata.uid
        had_it = self.node_ports.owner(number) == owner
        try:
            self.node_ports.take(number, owner)
        except OutOfRange as error:
            valid = f"{self.node_ports.first}-{self.node_ports.last}"
            why = f"provided port is not in the valid range. The range of valid ports is {valid}"
            raise _refused(new, invalid(path, number, why)) from error
        except NumberTaken as error:
            raise _refused(new, invalid(path, number, "provided port is already allocated")) from error
        if not had_it:
            self._undo_port(number, owner, reservation)


def _look_later(give_back: Callable[[], bool], number: str | int) -> None:
    def look() -> None:
        if give_back():
            log.warning("a write took a number and was never made: it is free again number=%s", number)

    asyncio.get_running_loop().call_later(_DOUBT_S, look)


def _address_error(address: str, why: str) -> FieldError:
    return FieldError("spec.clusterIPs", "FieldValueInvalid", f'Invalid value: ["{address}"]: {why}')


def _service(item: Item) -> Service:
    service = item.decode()
    assert isinstance(service, Service)
    return service


def _refused(service: Service, error: FieldError) -> Exception:
    return invalid_object("", "Service", service.metadata.name, [error])
