"""Streams that pass through: exec, attach and port-forward, from clients to the agents of nodes."""
