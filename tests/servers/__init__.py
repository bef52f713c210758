"""Servers that only the tests need."""
