"""What a cluster leaves on a host, one kind a file: how it is found, and how it is taken away.

The rule: only what carries our name, label or marker, or lies below a directory of ours, is ever touched.
"""
