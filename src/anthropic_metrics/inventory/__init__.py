"""The inventory: what the organization consists of each day, who uses it, and what changed."""
