"""The controllers: each compares what is wanted with what is, and closes the difference through the API. One file each.

They are named in one list, in ``main``. None keeps state of its own that it could not read again from the master.
"""
