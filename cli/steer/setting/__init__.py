"""What `steer set` sets on objects that are there, one subcommand a file or two."""
