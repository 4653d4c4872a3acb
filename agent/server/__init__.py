"""The agent's port: logs, pods, health and metrics, for the API server only."""
