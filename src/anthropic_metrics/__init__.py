"""Anthropic usage, cost and rate limits in your own Elasticsearch, kept right."""

__version__ = "0.1.0"
