"""Portals: the iptables rules and the route that lead service addresses to the proxy's ports on this node."""
