"""The container runtime: all that talks to Docker, and the pure translation to and from its words."""
