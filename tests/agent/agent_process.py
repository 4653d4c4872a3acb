"""An agent in a process of its own, for tests that kill it: ``python -m tests.agent.agent_process PODS CONFIG``.

PODS is a file of pods as JSON, one a line; they are served by an API of its own. CONFIG is a pickled Config.
"""

import pickle
import sys
import threading
from pathlib import Path

from agent.main import Agent
from api.codec import decode
from api.core import Pod
from tests.agent.fake_api import FakeApi


def main() -> None:
    api = FakeApi()
    for line in Path(sys.argv[1]).read_bytes().splitlines():
        api.create(decode(line, Pod))
    agent = Agent(pickle.loads(Path(sys.argv[2]).read_bytes()), api)  # type: ignore[arg-type]
    agent.start()
    threading.Event().wait()


if __name__ == "__main__":
    main()
