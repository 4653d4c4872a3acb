"""The `steersman` command: runs each component, and a whole cluster of them on one host."""
