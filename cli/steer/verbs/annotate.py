"""`steer annotate TYPE NAME KEY=VALUE… KEY-…`."""

from cli.steer.marks import verb

command = verb(
    "annotation",
    done=lambda _before, _after, _overwrite: "annotated",
    clash="--overwrite is false but found the following declared annotation(s): {}",
)
