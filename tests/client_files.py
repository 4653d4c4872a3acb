"""The Python clients write certificates and keys into temporary files, and remove them when the process exits.

Test processes that are told to stop do not come to that: for them the files lie in the folder of the run, which goes.
"""

import tempfile
from collections.abc import Iterator

import pytest


@pytest.fixture(scope="session", autouse=True)
def client_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    before, tempfile.tempdir = tempfile.tempdir, str(tmp_path_factory.mktemp("clients"))
    yield
    tempfile.tempdir = before
