"""The ways to pods of other nodes: routes, a tunnel where a router lies between, and the rules that let them in."""
