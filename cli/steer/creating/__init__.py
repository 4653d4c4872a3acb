"""The kinds that `steer create KIND NAME` makes of flags, a few kinds a file."""
