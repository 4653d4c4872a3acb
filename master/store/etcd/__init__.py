"""The contract's store on etcd v3 (3.4 or newer), for several masters over one set of data.

Why etcd's JSON gateway over a small HTTP/1.1 client of our own and not grpcio: measured side by side with 700-byte
puts to one member on two cores, the gateway took 1,336 / 5,574 / 5,712 puts a second from 1 / 16 / 64 writers and
gRPC (grpc.aio) 1,241 / 6,980 / 7,658; but in the master's own event loop, where time is scarce, a put cost 138 / 52 /
27 µs against 373 / 98 / 66 µs. It needs no library beyond httptools and msgspec, which are here anyway; grpcio adds
19 MB. The price: with etcd's client certificates on, the member's own certificate must also be good for client
authentication, since its gateway calls itself with it; and etcd's users by certificate name (auth enable) are not
possible through it.

The rule for writes. Every write is one transaction that compares the key's mod revision, and it can be applied at
most once however often and however late it is received:

- an update or delete compares `mod == X` with X above 0, and no key ever comes back to an old mod revision;
- a create compares `mod == 0` (absent), and also that the tombstone of the key's shard is the one we know. Every delete
  puts its shard's tombstone in the same transaction, so a key that was created and deleted again has another one.

Therefore a transaction without an answer (member killed, frozen, leader lost) is sent again, word for word, to the
next member, until `write_timeout_s`. What came of it is told by three facts, in this order:

1. an answer that it succeeded: written at that revision;
2. its id: each value and each tombstone carries the id of its write, and the watch, which brings every change in
   order, looks for ids that are waited for. After an answer that the compare failed, key and tombstone are read; once
   local state has reached their revisions, an earlier sending that was applied has been seen: written at that one;
3. neither: the compare failed for good, nothing was written and no copy under way can be. It is decided afresh.

Only when time runs out after a sending, or when etcd compacted the very changes that would have told, OutcomeUnknown
is raised. StoreBroken alone means that nothing was sent, or that etcd refused the only sending.

Refusals (KeyExists, RevisionConflict, KeyMissing) are given after a linearizable read confirmed them and local state
has caught up with it, so that another master's newer write is never denied.
"""
