"""The scheduler: gives each waiting pod a node. Filters say where it can run, scores where it runs best."""
