"""Headroom: how close each minute came to the rate limit that was in force, computed once and stored."""
