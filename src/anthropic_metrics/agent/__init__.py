"""The agent itself: its pollers, one pass over all of them, and the daemon that schedules them."""
