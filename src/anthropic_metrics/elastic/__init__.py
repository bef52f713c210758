"""Elasticsearch: how the streams are looked up, compared and written, and how they are set up."""
