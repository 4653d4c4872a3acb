"""The node itself: its registration, its state and its lease."""
