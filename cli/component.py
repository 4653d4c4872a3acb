"""`steersman COMPONENT`: run one component in the foreground, with settings from flags, environment and a file."""

import argparse
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path

from cli import daemon, logs
from cli.components import Component
from cli.flags import add_flags, read_flags
from cli.settings import Setting, Values, build, read_environment, read_file, settings_of, to_yaml


def main(component: Component, arguments: list[str], *, environ: Mapping[str, str] = os.environ) -> int:
    """Run the component, or only check its settings; the exit code."""
    config_class = component.config_class()
    settings = settings_of(config_class)
    namespace = _parser(component, settings).parse_args(arguments)
    file = read_file(namespace.config, settings) if namespace.config else {}
    config, values = build(
        config_class,
        file,
        read_environment(component.env_prefix, settings, environ),
        read_flags(namespace, settings),
    )
    if namespace.check_config:
        print(effective(settings, values), end="")
        return 0
    logs.start(namespace.log_level)
    run = component.run()

    def work(stop: threading.Event) -> None:
        run(config, stop)

    return daemon.serve(component.name, work)


def _parser(component: Component, settings: tuple[Setting, ...]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"steersman {component.name}",
        description=f"{component.name}: {component.help}.",
        allow_abbrev=False,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML file with settings, keys as the flags")
    parser.add_argument(
        "--check-config", action="store_true", help="print the settings in effect, or what is wrong; do not run"
    )
    parser.add_argument("--log-level", choices=logs.LEVELS, default="info", help="what is logged (default: info)")
    add_flags(parser, settings, env_prefix=component.env_prefix)
    return parser


def effective(settings: tuple[Setting, ...], values: Values) -> str:
    """The settings in effect as a YAML file that can be used again, each with where it was said."""
    lines = []
    for setting in settings:
        value = values[setting.name]
        shown = json.dumps(to_yaml(value.value), ensure_ascii=False)  # JSON is YAML, on one line
        lines.append(f"{setting.key}: {shown}  # {value.origin}\n")
    return "".join(lines)
