"""The data streams: one file each, one line each in `streams.registry`.

Everything that iterates over streams reads the registry: index templates, pipelines, `retention` in the
configuration, the field reference and the table of streams in the docs, `--only`, `preview`, `audit`, health,
the steps of `setup`, `check`, and what the dashboards read. To add a stream: a document model, a file here
with a `Stream`, a line in the registry, then `scripts/docs`.
"""
