"""One pod: what to do next (``plan``), what to say of it (``status``), and the worker that carries both out."""
