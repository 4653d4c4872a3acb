"""What an object of the cluster is: its kinds, fields, defaults, rules and errors.

The ground floor: values and pure functions only. Nothing here opens a file, a socket or a database, and nothing here
imports from the
floors above.
"""
