"""Budgets: what a period may cost or use, what it has so far, and what it will have by its end."""
