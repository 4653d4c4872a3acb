"""The durable, ordered base of the API server.

`contract` says on one page what a store is; `sqlite` is the embedded one, `etcd` the one that several masters share;
`state` is what both hold in memory; `snapshot` saves and restores either. Who uses a store imports the contract and is
given an opened store; only the program's start names a backend.
"""
