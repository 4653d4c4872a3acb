"""The durable, ordered base of the API server.

`contract` says on one page what a store is; `sqlite` is the embedded one. Who uses a store imports the
contract and is given an opened store; only the program's start names a backend.
"""
