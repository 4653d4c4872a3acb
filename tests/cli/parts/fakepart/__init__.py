"""A component of the tests' own: it does nothing but live, in the ways that its settings ask for."""
