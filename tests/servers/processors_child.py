"""The child process of `processors.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import jpype

from anthropic_metrics.embedded.child import java_path, java_settings, serve
from anthropic_metrics.embedded.process import Spec

Method = TypeVar("Method", bound=Callable[..., Any])
override: Callable[[Method], Method] = jpype.JOverride


def boot_opensearch(spec: Spec) -> tuple[Any, int]:
    settings = java_settings(jpype.JClass("org.opensearch.common.settings.Settings"), spec.settings)
    jpype.JClass("java.lang.System").setProperty("opensearch.path.home", spec.home)
    jpype.JClass("org.opensearch.common.logging.LogConfigurator").configureWithoutConfig(settings)
    environment = jpype.JClass("org.opensearch.env.Environment")(settings, java_path(spec.config))
    node = jpype.JClass("org.opensearch.node.Node")(environment)
    teach_ignore_missing_pipeline(node)
    node.start()
    http = node.injector().getInstance(jpype.JClass("org.opensearch.http.HttpServerTransport"))
    return node, int(http.boundAddress().publishAddress().getPort())


def teach_ignore_missing_pipeline(node: Any) -> None:
    """Adds the option of Elasticsearch's pipeline processor that the fork does not have.

    With it, a pipeline that does not exist when a document comes is passed over.
    """
    service_class = jpype.JClass("org.opensearch.ingest.IngestService")
    service = node.injector().getInstance(service_class)
    field = service_class.class_.getDeclaredField("processorFactories")
    field.setAccessible(True)
    factories = jpype.JClass("java.util.HashMap")(field.get(service))
    strict = factories.get("pipeline")

    @jpype.JImplements("org.opensearch.ingest.Processor")
    class Lenient:
        def __init__(self, name: str, tag: Any, description: Any) -> None:
            self._name, self._tag, self._description = name, tag, description

        @override
        def execute(self, document: Any, handler: Any) -> None:
            pipeline = service.getPipeline(self._name)
            if pipeline is None:
                handler.accept(document, None)
            else:
                document.executePipeline(pipeline, handler)

        @override
        def getType(self) -> str:
            return "pipeline"

        @override
        def getTag(self) -> Any:
            return self._tag

        @override
        def getDescription(self) -> Any:
            return self._description

    @jpype.JImplements("org.opensearch.ingest.Processor$Factory")
    class Factory:
        @override
        def create(self, registry: Any, tag: Any, description: Any, config: Any) -> Any:
            if not config.remove("ignore_missing_pipeline"):
                return strict.create(registry, tag, description, config)
            return Lenient(str(config.remove("name")), tag, description)

    factories.put("pipeline", Factory())
    field.set(service, factories)


if __name__ == "__main__":
    serve(boot_opensearch)
