"""The mode `nftables`: the kernel rewrites addresses by maps, and nothing of ours is in the way of the bytes."""
