"""The one list of components: the name on the command line, the package behind it, the line in `--help`.

A component is a package with `config.Config` (a frozen dataclass; each field is a setting) and
`main.run(config, stop)`, which works until `stop` is set. Its modules are imported only when it is run.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Protocol, cast


class Run(Protocol):
    """The work of a component: blocks until `stop` is set, raises when it cannot start."""

    def __call__(self, config: Any, stop: threading.Event) -> None: ...


@dataclass(frozen=True, slots=True)
class Component:
    """One program of the cluster."""

    name: str
    package: str
    help: str
    leaves_traces: bool = False  # rules, routes, interfaces: its `main.cleanup(config)` takes them away

    def config_class(self) -> type[Any]:
        """The dataclass that declares the settings."""
        return cast(type[Any], import_module(f"{self.package}.config").Config)

    def run(self) -> Run:
        """The function that does the work."""
        return cast(Run, import_module(f"{self.package}.main").run)

    def cleanup(self) -> Callable[[Any], list[str]]:
        """The function that removes from the host what `run` leaves there, and says what it removed."""
        return cast("Callable[[Any], list[str]]", import_module(f"{self.package}.main").cleanup)

    @property
    def env_prefix(self) -> str:
        return f"STEERSMAN_{self.name.upper()}_"


# In the order they are started; the first is stopped last, so that the API is there until the others have said goodbye.
COMPONENTS = (
    Component("apiserver", "master.apiserver", "serves the API and keeps the state"),
    Component("controllers", "master.controllers", "keeps replicas, endpoints, nodes and namespaces as wanted"),
    Component("scheduler", "master.scheduler", "chooses a node for each pod"),
    Component("agent", "agent", "runs the pods of this node", leaves_traces=True),
    Component("netproxy", "netproxy", "leads service addresses and node ports to pods", leaves_traces=True),
    Component("dns", "clusterdns", "answers for the names of services and pods", leaves_traces=True),
    Component("cadvisor", "cadvisor_lite", "measures containers and the machine"),
)


def component(name: str) -> Component:
    """The component of that name; KeyError when there is none."""
    for one in COMPONENTS:
        if one.name == name:
            return one
    raise KeyError(name)
