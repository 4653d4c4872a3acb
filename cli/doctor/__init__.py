"""`steersman doctor`: what of this host keeps a cluster from working, and what to do about it."""
