"""Rate limits: a snapshot of every limit group at each poll, and what changed from one to the next."""
