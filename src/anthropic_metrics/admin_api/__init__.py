"""Talks to Anthropic's Admin API; knows nothing of Elasticsearch."""
