"""While `up` waits: which component keeps ending, and what it said last."""

from pathlib import Path

from cli.board import Board, Entry
from cli.cluster import Settings, complete
from cli.processes import identity
from cli.readiness import trouble


def started(tmp_path: Path, **restarts: int) -> Settings:
    """A cluster whose supervisor tells of these restarts."""
    settings = complete(Settings(root=tmp_path))
    entries = tuple(Entry(name, None, 0.0, count, "exit code 1") for name, count in restarts.items())
    Board(identity(1), entries).write(settings.run)
    settings.logs.mkdir(parents=True)
    return settings


def test_the_first_of_many_is_told_with_the_end_of_its_log(tmp_path: Path) -> None:
    settings = started(tmp_path, apiserver=4, controllers=5, scheduler=1, agent=3)
    (settings.logs / "apiserver.log").write_text("12:00 info api: begun\n12:01 error api: port 6443 is taken\n")
    assert trouble(settings, "does not answer yet") == (
        "does not answer yet; apiserver ended 4 times (exit code 1), others too: controllers, agent; "
        "its log: error api: port 6443 is taken"
    )


def test_without_a_log_or_a_trouble_nothing_is_made_up(tmp_path: Path) -> None:
    settings = started(tmp_path, apiserver=3, agent=2)
    assert trouble(settings, "not ready") == "not ready; apiserver ended 3 times (exit code 1)"
    (settings.logs / "apiserver.log").touch()
    assert trouble(settings, "not ready") == "not ready; apiserver ended 3 times (exit code 1)"
    assert trouble(started(tmp_path / "well", agent=2), "not ready") == "not ready"
