"""The digest: what a day or a week cost, what moved, what is left, and what could cost less."""
