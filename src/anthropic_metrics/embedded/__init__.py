"""An Elasticsearch that runs inside Python: nothing to install but the extra `demo`.

For the demo, for `run --embedded` and for the tests. It is Elastic's own server in its minimal distribution
with ES|QL added; `EmbeddedElasticsearch` says what it can and cannot do.
"""

from __future__ import annotations

from anthropic_metrics.embedded.artifacts import Progress, cache_dir
from anthropic_metrics.embedded.elasticsearch import EmbeddedElasticsearch, download, is_downloaded
from anthropic_metrics.embedded.users import Users

__all__ = ["EmbeddedElasticsearch", "Progress", "Users", "cache_dir", "download", "is_downloaded"]
