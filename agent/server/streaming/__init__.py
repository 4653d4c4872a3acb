"""Exec, attach and port-forward: the protocols towards clients, and what moves bytes between them and containers."""
