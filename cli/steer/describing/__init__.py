"""What `steer describe` tells of an object, a kind or a family of kinds in a file; in kubectl's layout.

Source of the layout: kubectl's pkg/describe/describe.go.
"""
