"""The small readers of the checks: each reads one thing of this host into plain values, and judges nothing."""
