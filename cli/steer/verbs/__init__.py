"""One verb a file: each has `command`, a click command."""
