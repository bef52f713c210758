"""Kibana over its HTTP API."""
