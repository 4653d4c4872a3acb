"""The node agent: what the kubelet does, on a Docker host.

It registers the node, runs the pods that are bound to it, and reports what became of them. Every source (the master's
watch, Docker's events, probes, timers) only names a pod; one worker at a time compares what is wanted with what is and
closes the difference.
"""
