"""Runs the tests' component as `steersman fakepart` would."""

import sys

from cli.component import main
from cli.components import Component
from cli.errors import CommandError

try:
    sys.exit(main(Component("fakepart", "fakepart", "lives"), sys.argv[1:]))
except CommandError as error:
    print(error, file=sys.stderr)
    sys.exit(error.exit_code)
