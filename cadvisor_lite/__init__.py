"""Container and machine usage from cgroups and /proc: Prometheus metrics, cAdvisor's REST API and a page on :4194.

Also a library: `cadvisor_lite.readers` is what the node's agent imports. Nothing of Steersman is imported here, so
that it runs on any Docker host. Nothing is spawned, and no directory is ever walked to add up its size.
"""
