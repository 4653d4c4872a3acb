"""`steer uncordon NODE`: it may have new pods again."""

from cli.steer.cordoning import verb

command = verb("uncordon", unschedulable=False)
