"""The files in deploy/: what the chart renders, what it refuses, the unit, the line for cron."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from anthropic_metrics.config import load_config
from deploy import manifests, tools

ROOT = Path(__file__).parents[2]
CHART = ROOT / "deploy/helm/anthropic-metrics"
CRON = ROOT / "deploy/cron/anthropic-metrics"
UNIT = ROOT / "deploy/systemd/anthropic-metrics.service"
EVERYTHING = CHART / "ci/all-values.yaml"


@pytest.fixture(scope="module")
def everything() -> list[dict[str, Any]]:
    return list(yaml.safe_load_all(manifests.rendered(EVERYTHING)))


def pods(documents: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The pod's spec by component."""
    found = {}
    for document in documents:
        spec = document.get("spec", {})
        template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
        if template:
            found[template["metadata"]["labels"]["app.kubernetes.io/component"]] = template["spec"]
    return found


def refused(tmp_path: Path, values: dict[str, Any]) -> str:
    path = tmp_path / "values.yaml"
    path.write_text(yaml.safe_dump(values))
    with pytest.raises(subprocess.CalledProcessError) as error:
        manifests.rendered(path)
    return str(error.value.stderr)


def test_everything_switched_on_renders_every_kind(everything: list[dict[str, Any]]) -> None:
    assert sorted(document["kind"] for document in everything) == [
        "ConfigMap",
        "CronJob",
        "Deployment",
        "Job",
        "NetworkPolicy",
        "PodMonitor",
        "PrometheusRule",
    ]


def test_no_pod_has_a_writable_root_a_token_a_capability_or_root(everything: list[dict[str, Any]]) -> None:
    assert pods(everything).keys() == {"agent", "setup", "once"}
    for pod in pods(everything).values():
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_both_probes_ask_healthz(everything: list[dict[str, Any]]) -> None:
    (container,) = pods(everything)["agent"]["containers"]
    probes = [container[name]["httpGet"]["path"] for name in ("livenessProbe", "readinessProbe")]
    assert probes == ["/healthz", "/healthz"]


def test_setup_has_a_secret_of_its_own_and_no_admin_key(everything: list[dict[str, Any]]) -> None:
    mounted = {
        component: {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
        for component, pod in pods(everything).items()
    }
    assert mounted["setup"] & mounted["agent"] == {"elasticsearch-ca"}
    (container,) = pods(everything)["setup"]["containers"]
    assert not any("ADMIN_KEY" in variable["name"] for variable in container["env"])


@pytest.mark.parametrize("component", ["agent", "setup", "once"])
def test_the_agent_reads_the_configuration_that_the_chart_writes(
    everything: list[dict[str, Any]], component: str, tmp_path: Path
) -> None:
    (configmap,) = (document for document in everything if document["kind"] == "ConfigMap")
    (tmp_path / "config.yaml").write_text(configmap["data"]["config.yaml"])
    (container,) = pods(everything)[component]["containers"]
    environ = {variable["name"]: variable["value"] for variable in container["env"]}
    mounts = {mount["mountPath"] for mount in container["volumeMounts"]}
    for name, value in environ.items():
        if value.startswith("/"):
            assert str(Path(value).parent) in mounts, name
            file = tmp_path / Path(value).name
            if not file.exists():
                file.write_text("text\n")
            environ[name] = str(file)
    config = load_config(tmp_path / "config.yaml", {**environ, "ALERT_WEBHOOK": "https://hooks.example/x"})
    assert config.anthropic.max_answer_bytes == 67108864
    assert [str(host) for host in config.elasticsearch.hosts] == ["https://elasticsearch.example:9200"]


def test_another_configuration_or_version_is_another_set_up_job(tmp_path: Path) -> None:
    def job(values: dict[str, Any]) -> str:
        path = tmp_path / "values.yaml"
        path.write_text(yaml.safe_dump(values))
        documents = list(yaml.safe_load_all(manifests.rendered(path)))
        return str(next(found for found in documents if found["kind"] == "Job")["metadata"]["name"])

    names = [job({}), job({}), job({"config": {"namespace": "two"}}), job({"image": {"tag": "9.9.9"}})]
    assert names[0] == names[1]
    assert len(set(names)) == 3


def test_a_secret_in_clear_text_is_refused(tmp_path: Path) -> None:
    for section, key in (("anthropic", "admin_key"), ("elasticsearch", "api_key"), ("alerts", "webhooks")):
        assert f"/config/{section}/{key}" in refused(tmp_path, {"config": {section: {key: "sk-ant-1"}}})


@pytest.mark.parametrize(
    "values",
    [
        {"config": {"usage": {"intervall": "5m"}}},
        {"replicas": 2},
        {"config": {"usage": {"interval": "soon"}}},
    ],
    ids=["a key that the agent does not know", "a value that the chart does not know", "no duration"],
)
def test_a_wrong_value_is_refused_before_anything_is_installed(
    values: dict[str, Any], tmp_path: Path
) -> None:
    assert "values don't meet the specifications of the schema" in refused(tmp_path, values)


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md"])
def test_helm_takes_the_command_that_a_page_shows(page: str) -> None:
    shown = re.findall(r"^helm install (.+)$", (ROOT / page).read_text("utf-8"), re.MULTILINE)
    assert shown
    for line in shown:
        name, chart, *options = shlex.split(line)
        text = manifests.helm("template", name, str(ROOT / chart), "--kube-version", "1.37.0", *options)
        assert "hosts: https://elasticsearch.example:9200" in text
        assert 'image: "registry.example/anthropic-metrics:' in text


def test_a_manifest_with_an_unknown_field_is_found() -> None:
    (document, *_) = yaml.safe_load_all(manifests.rendered(None))
    assert list(manifests.invalid(document)) == []
    assert list(manifests.invalid({**document, "speck": {}})) != []


def test_the_chart_has_the_agents_version() -> None:
    from anthropic_metrics import __version__

    chart = yaml.safe_load((CHART / "Chart.yaml").read_text("utf-8"))
    assert (chart["version"], chart["appVersion"]) == (__version__, __version__)


def test_a_machine_without_helm_is_told_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    for tool in (tools.helm, tools.promtool):
        with pytest.raises(tools.Missing, match="is missing: install"):
            tool()


@pytest.fixture
def unit(tmp_path: Path) -> Path:
    """The unit as it stands, with a program that exists on this machine."""
    path = tmp_path / UNIT.name
    program = "/opt/anthropic-metrics/bin/anthropic-metrics"
    text = UNIT.read_text("utf-8")
    assert f"ExecStart={program} run " in text
    path.write_text(text.replace(program, "/bin/true"))
    return path


def test_systemd_finds_nothing_wrong_with_the_unit(unit: Path) -> None:
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")


def test_systemd_calls_the_exposure_of_the_unit_ok(unit: Path) -> None:
    shown = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", unit],
        capture_output=True,
        text=True,
        check=True,
    )
    (exposure,) = re.findall(r"Overall exposure level for \S+: ([\d.]+)", shown.stdout)
    assert float(exposure) < 2


def test_cron_runs_one_pass_that_no_second_joins() -> None:
    (line,) = (line for line in CRON.read_text("utf-8").splitlines() if "* *" in line)
    minutes, *rest = line.split(maxsplit=6)
    assert all(0 <= int(minute) < 60 for minute in minutes.split(","))
    assert rest[:5] == ["*", "*", "*", "*", "anthropic-metrics"]
    assert "flock --nonblock" in line
    assert "/bin/anthropic-metrics once" in line


def test_cron_has_the_keys_and_logs_nothing_but_errors(tmp_path: Path) -> None:
    environ = dict(re.findall(r"^([A-Z_]+)=(.+)$", CRON.read_text("utf-8"), re.MULTILINE))
    for name in ("admin_key", "api_key"):
        (tmp_path / name).write_text("text\n")
    (tmp_path / "config.yaml").write_text("elasticsearch: {hosts: ['https://elasticsearch.example:9200']}\n")
    environ = {name: at.replace("/etc/anthropic-metrics", str(tmp_path)) for name, at in environ.items()}
    config = load_config(Path(environ["ANTHROPIC_METRICS_CONFIG"]), environ)
    assert config.anthropic.admin_key_file == tmp_path / "admin_key"
    assert config.elasticsearch.api_key_file == tmp_path / "api_key"
    assert config.log.level == "error"


def test_the_pages_make_what_the_unit_and_cron_name() -> None:
    """Program, files and user: each is made in the section of systemd or cron of getting started."""
    page = (ROOT / "docs/getting-started.md").read_text("utf-8")
    unit, cron = (
        page.split(f"## {title}\n")[1].split("\n## ")[0] for title in ("Linux with systemd", "cron")
    )
    assert "umask 022" in unit.split("python3 -m venv")[0]  # the service's user has to read the rest
    assert "install -m 600 admin_key api_key /etc/anthropic-metrics/" in unit
    assert "config init --output /etc/anthropic-metrics/config.yaml" in unit
    assert "useradd --system" in cron
    assert "chown anthropic-metrics /etc/anthropic-metrics/admin_key /etc/anthropic-metrics/api_key" in cron
    for name in re.findall(r"^([A-Z_]+_FILE)=", CRON.read_text("utf-8"), re.MULTILINE):
        assert f"export {name}=" in unit  # `check` on this machine has the keys of the service
    both = CRON.read_text("utf-8") + UNIT.read_text("utf-8")
    named = re.findall(r"/(?:etc|opt)/anthropic-metrics/[\w./-]+", both)
    assert {Path(path).name for path in named} == {"admin_key", "anthropic-metrics", "api_key", "config.yaml"}


def test_the_unit_starts_again_whatever_ends_the_agent_except_a_wrong_configuration() -> None:
    """systemd counts the end by a hang-up as a success, so `on-failure` would leave the agent stopped."""
    lines = UNIT.read_text("utf-8").splitlines()
    assert [line for line in lines if line.startswith("Restart=")] == ["Restart=always"]
    assert "RestartPreventExitStatus=2" in lines


@pytest.mark.parametrize("page", ["README.md", "docs/getting-started.md"])
def test_the_image_that_the_chart_pulls_is_built_and_pushed_before(page: str) -> None:
    chart = yaml.safe_load((ROOT / "deploy/helm/anthropic-metrics/Chart.yaml").read_text("utf-8"))
    block = next(each for each in (ROOT / page).read_text("utf-8").split("```sh\n") if "helm install" in each)
    image = f"registry.example/anthropic-metrics:{chart['appVersion']}"
    before = block.split("helm install")[0].splitlines()
    assert [f"docker build -t {image} .", f"docker push {image}"] == before[:2]
