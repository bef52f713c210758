"""A server that runs ingest pipelines for real: OpenSearch with its fork of Elasticsearch's processors.

The embedded Elasticsearch has no processors, since Elastic publishes them in no artifact. Talk to this one
with plain HTTP: the Elasticsearch client refuses it. It is for tests only and no part of the product.

The fork lacks a few things that Elasticsearch has: `copy_from` of set (write a template instead), the
processors reroute and terminate, and `_meta` of a pipeline. `ignore_missing_pipeline` is taught to it by the
child process.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from anthropic_metrics.embedded.artifacts import (
    Artifact,
    Fetcher,
    cache_dir,
    jars,
    not_to_be_had,
    read_digests,
)
from anthropic_metrics.embedded.layout import build_once
from anthropic_metrics.embedded.process import ServerProcess, Spec

VERSION = "2.19.6"
REVISION = 1  # to be raised when what is put into the home changes
HOME = f"test-processors-{VERSION}-{REVISION}"
DIGESTS = Path(__file__).with_name("processors.sha512")
CHILD = (sys.executable, "-m", "tests.servers.processors_child")

NAMED = (
    *jars("org.opensearch", VERSION, "opensearch", "opensearch-plugin-classloader"),
    *jars("org.opensearch.plugin", VERSION, "transport-netty4-client", "ingest-common", "lang-painless"),
    *jars("org.opensearch.plugin", VERSION, "lang-mustache-client"),
    *jars("org.apache.logging.log4j", "2.25.4", "log4j-core"),
    *jars("org.locationtech.spatial4j", "0.7", "spatial4j"),
)

DESCRIPTOR = """\
name={name}
description={name}, for tests
version={version}
opensearch.version={version}
java.version=11
classname={classname}
extended.plugins={extends}
"""


@dataclass(frozen=True)
class Module:
    """A folder below modules/: its plugin class and the jars (by the beginning of their names) it takes."""

    name: str
    classname: str
    takes: tuple[str, ...]
    extends: str = ""


MODULES = (
    Module("transport-netty4", "org.opensearch.transport.Netty4Plugin", ("transport-netty4", "netty-")),
    Module(
        "lang-painless",
        "org.opensearch.painless.PainlessPlugin",
        ("lang-painless", "opensearch-scripting-painless-spi", "asm", "antlr4-runtime"),
    ),
    Module("lang-mustache", "org.opensearch.script.mustache.MustachePlugin", ("lang-mustache", "compiler-")),
    Module(
        "ingest-common",
        "org.opensearch.ingest.common.IngestCommonPlugin",
        ("ingest-common", "opensearch-grok", "opensearch-dissect", "joni", "jcodings"),
        extends="lang-painless",
    ),
)


class ProcessorsServer:
    """One OpenSearch node on 127.0.0.1 whose `_ingest/pipeline/_simulate` answers as Elasticsearch does."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: ServerProcess | None = None

    def start(self) -> str:
        """The URL; RetryLater or ConfigError as `EmbeddedElasticsearch.start`."""
        home = build_once(cache_dir() / HOME, _build)
        config = self._folder / "config"
        config.mkdir(parents=True, exist_ok=True)
        settings = {
            "path.home": str(home),
            "path.data": str(self._folder / "data"),
            "path.logs": str(self._folder / "logs"),
            "cluster.name": "processors",
            "node.name": "processors",
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": "0",
            "transport.port": "0",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
            "logger.level": "warn",
        }
        spec = Spec(str(home), str(config), "256m", settings)
        self._process = ServerProcess(CHILD, spec, self._folder / "server.log")
        return f"http://127.0.0.1:{self._process.start()}"

    def stop(self) -> None:
        if self._process:
            self._process.stop()


def _build(home: Path) -> None:
    with Fetcher(cache_dir(), digests=read_digests(DIGESTS)) as fetcher:
        files = [*fetcher.get_all(NAMED).values(), *_dependencies(fetcher)]
    left = {file.name: file for file in files}
    for module in MODULES:
        folder = home / "modules" / module.name
        folder.mkdir(parents=True)
        for name in [name for name in left if name.startswith(module.takes)]:
            shutil.copy(left.pop(name), folder)
        text = DESCRIPTOR.format(
            name=module.name, version=VERSION, classname=module.classname, extends=module.extends
        )
        (folder / "plugin-descriptor.properties").write_text(text, "utf-8")
    (home / "lib").mkdir()
    for file in left.values():
        shutil.copy(file, home / "lib")


def _dependencies(fetcher: Fetcher) -> list[Path]:
    """The jars that the named ones need at run time."""
    from jgo.maven import Dependency

    context = fetcher.context
    named = [context.project(each.group, each.name).at_version(each.version).artifact() for each in NAMED]
    try:
        _, needed = context.resolver.get_dependency_list([Dependency(artifact) for artifact in named])
    except (OSError, RuntimeError) as error:
        raise not_to_be_had("the list of what OpenSearch needs", str(error)) from error
    found = (Artifact(node.dep.groupId, node.dep.artifactId, node.dep.version) for node in needed)
    return list(fetcher.get_all(found).values())
