"""The master: keeps the state of the cluster, serves it, and works to make it true."""
