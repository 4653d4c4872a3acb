"""Admission: what is added to a write and what refuses it, beyond what the object alone can tell. ``chain`` is the
form of a step, ``steps`` the list of them."""
