# The versions are those of requirements/*.txt, with hashes. Nothing is written at run time.
FROM python:3.12-slim AS build
WORKDIR /source
COPY requirements/build.txt requirements/runtime.txt requirements/
RUN python -m venv /build && /build/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt
RUN python -m venv /app && /app/bin/pip install --no-cache-dir --require-hashes -r requirements/runtime.txt
COPY pyproject.toml hatch_build.py README.md LICENSE config.example.yaml ./
COPY src src
COPY index_templates index_templates
COPY ingest_pipelines ingest_pipelines
COPY alert_rules alert_rules
COPY kibana kibana
RUN /build/bin/hatchling build -t wheel && /app/bin/pip install --no-cache-dir --no-deps dist/*.whl \
    && /app/bin/pip uninstall --yes pip

FROM python:3.12-slim
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="anthropic-metrics" \
      org.opencontainers.image.description="Anthropic usage, cost and rate limits in your own Elasticsearch, kept right." \
      org.opencontainers.image.source="https://github.com/anthropic-metrics/anthropic-metrics" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION"
COPY --from=build /app /app
RUN useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin agent
USER 10001
# A config.yaml mounted here is found without being named.
WORKDIR /etc/anthropic-metrics
ENV PATH=/app/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    ANTHROPIC_METRICS_HEALTH__HOST=0.0.0.0
EXPOSE 9321
HEALTHCHECK --interval=30s --timeout=10s --start-period=15s CMD ["python", "-m", "anthropic_metrics.healthcheck"]
# Exec form: SIGTERM reaches the agent, which ends within ten seconds.
ENTRYPOINT ["anthropic-metrics"]
CMD ["run"]
