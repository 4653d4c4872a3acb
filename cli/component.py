"""`steersman COMPONENT`: run one component in the foreground, with settings from flags, environment and a file.

SIGHUP has all of these read again. The log level is taken up at once; of the others the log says which wait for a
restart. What a component follows by itself (certificates, resolvers, the file of services) needs no signal. Settings
that cannot be used are told in the log and change nothing.
"""

import argparse
import logging
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from cli import daemon, logs
from cli.alive import question_of
from cli.components import Component
from cli.errors import SettingsError
from cli.flags import Help, add_flags, read_flags
from cli.settings import Setting, Value, Values, build, read_environment, read_file, settings_of, to_yaml

log = logging.getLogger(__name__)


# Every component has this one beside its own; it is the setting that a running component takes up (SIGHUP).
LOG_LEVEL = Setting("log_level", str, False, False, "info", f"what is logged: {', '.join(logs.LEVELS)}")


def main(component: Component, arguments: list[str], *, environ: Mapping[str, str] = os.environ) -> int:
    """Run the component, or only check its settings; the exit code."""
    own = settings_of(component.config_class())
    settings = (*own, LOG_LEVEL)
    namespace = _parser(component, settings).parse_args(arguments)

    def settled() -> tuple[Any, Values, str]:
        file = read_file(namespace.config, settings) if namespace.config else {}
        environment = read_environment(component.env_prefix, settings, environ)
        said, level = take_log_level(file | environment | read_flags(namespace, settings))
        config, values = build(component.config_class(), said)
        return config, values | {LOG_LEVEL.name: level}, level.value

    config, values, level = settled()
    if namespace.check_config:
        print(effective(settings, values), end="")
        return 0
    logs.start(level)

    def reload() -> None:
        changed, _, new_level = settled()
        logs.set_level(new_level)
        waiting = [one.key for one in own if getattr(changed, one.name) != getattr(config, one.name)]
        log.info("settings read again log_level=%s after_restart=%s", new_level, ",".join(waiting) or "none")

    run = component.run()
    question = question_of(component.name, config)
    return daemon.serve(component.name, lambda stop: run(config, stop), question=question, reload=reload)


def take_log_level(said: Values, default: str = LOG_LEVEL.default) -> tuple[Values, Value]:
    """What was said without the log level, and the level; SettingsError for one there is not."""
    level = said.get(LOG_LEVEL.name, Value(default, "default"))
    if level.value not in logs.LEVELS:
        raise SettingsError([f"{level.origin}: must be one of {', '.join(logs.LEVELS)}, is {level.value!r}"])
    return {name: value for name, value in said.items() if name != LOG_LEVEL.name}, level


def _parser(component: Component, settings: tuple[Setting, ...]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog=f"steersman {component.name}",
        description=f"{component.name}: {component.help}.",
        allow_abbrev=False,
        formatter_class=Help,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="YAML file with settings, keys as the flags")
    parser.add_argument(
        "--check-config", action="store_true", help="print the settings in effect, or what is wrong; do not run"
    )
    add_flags(parser, settings, env_prefix=component.env_prefix)
    return parser


def effective(settings: tuple[Setting, ...], values: Values) -> str:
    """The settings in effect as a YAML file that can be used again, each with where it was said."""
    import json  # who runs needs it not

    lines = []
    for setting in settings:
        value = values[setting.name]
        shown = json.dumps(to_yaml(value.value), ensure_ascii=False)  # JSON is YAML, on one line
        lines.append(f"{setting.key}: {shown}  # {value.origin}\n")
    return "".join(lines)
