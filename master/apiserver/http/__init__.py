"""The HTTP/1.1 edge of the apiserver: sockets and bytes below, `message` as the only seam above."""
