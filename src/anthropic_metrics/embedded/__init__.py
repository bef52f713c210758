"""An Elasticsearch that runs inside Python: nothing to install but the extra `demo`.

For the demo, for `run --embedded` and for the tests; it is Elastic's own server in a minimal distribution,
see `elasticsearch.py` for what it can and cannot do.
"""

from __future__ import annotations

from anthropic_metrics.embedded.elasticsearch import EmbeddedElasticsearch, Users, download, is_downloaded

__all__ = ["EmbeddedElasticsearch", "Users", "download", "is_downloaded"]
