"""The apiserver: the REST door through which all components meet."""
