"""The two ways in which a call to Docker fails: the daemon said no, or it did not answer."""

from collections.abc import Iterator
from contextlib import contextmanager

import requests
from docker.errors import APIError, DockerException


class RuntimeFailure(Exception):
    """A call to Docker failed."""


class RuntimeRefusal(RuntimeFailure):
    """Docker answered with an error. ``code`` is the HTTP status."""

    def __init__(self, message: str, *, code: int) -> None:
        super().__init__(message)
        self.code = code

    @property
    def missing(self) -> bool:
        return self.code == 404

    @property
    def in_use(self) -> bool:
        """Podman lets no container go while others, dead or alive, are in its namespaces."""
        return "has dependent containers" in str(self)

    @property
    def conflict(self) -> bool:
        return self.code == 409


class RuntimeUnreachable(RuntimeFailure):
    """Docker did not answer, or not in time: what was asked may or may not have been done."""


@contextmanager
def docker_errors() -> Iterator[None]:
    """Turns what docker-py and requests raise into the two errors above."""
    try:
        yield
    except TimeoutError:
        raise
    except APIError as error:
        message = error.explanation if isinstance(error.explanation, str) else str(error)
        raise RuntimeRefusal(message, code=error.status_code or 500) from error
    except (DockerException, requests.RequestException, OSError) as error:
        raise RuntimeUnreachable(f"{type(error).__name__}: {error}") from error
