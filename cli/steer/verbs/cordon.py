"""`steer cordon NODE`: nothing new is put on it."""

from cli.steer.cordoning import verb

command = verb("cordon", unschedulable=True)
