"""The bill for people who pay it: costs by any grouping, reports, exports. Read from the Admin API alone."""
