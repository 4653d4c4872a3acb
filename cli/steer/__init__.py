"""The `steer` command: kubectl's everyday verbs, for hosts that have no kubectl."""
