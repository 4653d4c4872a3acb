"""The operations of the API, one a file. Each takes the backend and an authorized call, and returns an answer.

An operation that needs no commit is a plain function, and is answered without a task.
"""
