"""The child process of `processors.py`."""

from __future__ import annotations

from typing import Any

import jpype

from anthropic_metrics.embedded.child import java_path, java_settings, serve
from anthropic_metrics.embedded.process import Spec


def boot_opensearch(spec: Spec) -> tuple[Any, int]:
    settings = java_settings(jpype.JClass("org.opensearch.common.settings.Settings"), spec.settings)
    jpype.JClass("java.lang.System").setProperty("opensearch.path.home", spec.home)
    jpype.JClass("org.opensearch.common.logging.LogConfigurator").configureWithoutConfig(settings)
    environment = jpype.JClass("org.opensearch.env.Environment")(settings, java_path(spec.config))
    node = jpype.JClass("org.opensearch.node.Node")(environment)
    node.start()
    http = node.injector().getInstance(jpype.JClass("org.opensearch.http.HttpServerTransport"))
    return node, int(http.boundAddress().publishAddress().getPort())


if __name__ == "__main__":
    serve(boot_opensearch)
