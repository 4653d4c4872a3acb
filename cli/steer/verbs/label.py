"""`steer label TYPE NAME KEY=VALUE… KEY-…`."""

from collections.abc import Mapping

from cli.steer.marks import verb


def _done(before: Mapping[str, str], after: Mapping[str, str], overwrite: bool) -> str:
    if before == after:
        return "not labeled"
    return "unlabeled" if len(after) < len(before) and not overwrite else "labeled"


command = verb("label", done=_done, clash="{}, and --overwrite is false")
