"""Checks of our own streams against each other: figures that are read twice must add up to the same."""
