"""Versions that several places depend on, each said once."""

from __future__ import annotations

# The version of the Elastic Common Schema that documents and log lines follow. It is part of every document's
# digest: another one replaces each document once.
ECS_VERSION = "9.3.0"
# The oldest Elasticsearch and Kibana that work.
OLDEST_ELASTIC = (8, 17)
OLDEST_TEXT = ".".join(map(str, OLDEST_ELASTIC))
# What the demo, `run --embedded`, the tests and compose.yaml start.
ELASTICSEARCH_VERSION = "8.19.21"
