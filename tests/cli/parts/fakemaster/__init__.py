"""An API server of the tests' own: it knows /readyz and one node, which is ready."""
