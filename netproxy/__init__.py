"""The service proxy of a node: portals (iptables), a userspace balancer, node ports that are really held."""
