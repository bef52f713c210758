"""`setup` with a Kibana, `dashboards export` and `dashboards render`, as their user runs them."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.harness.command_line import run
from tests.servers.kibana import SimulatedKibana
from tests.servers.kibana_rules import Refused

KEY = "a2V5LW9mLWEtdGVzdA=="
EXPORTED = Path(__file__).parents[3] / "kibana" / "dashboards.ndjson"
WORDS = {"created", "updated", "deleted", "unchanged", "skipped", "failed"}
TITLES = [json.loads(line)["attributes"]["title"] for line in EXPORTED.read_text("utf-8").splitlines()]


@pytest.fixture
def kibana() -> Iterator[SimulatedKibana]:
    with SimulatedKibana(key=KEY).running() as running:
        yield running


@pytest.fixture
def settings(kibana: SimulatedKibana, elasticsearch_url: str, namespace: str) -> dict[str, str]:
    return {
        "ELASTICSEARCH_URL": elasticsearch_url,
        "KIBANA_URL": kibana.url,
        "KIBANA_API_KEY": KEY,
        "ANTHROPIC_METRICS_NAMESPACE": namespace,
        "COLUMNS": "220",
    }


def test_setup_imports_the_dashboards_and_may_be_repeated(
    tmp_path: Path, settings: dict[str, str], kibana: SimulatedKibana
) -> None:
    for result in ("created", "unchanged"):
        done = run(tmp_path, "setup", **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        for title in TITLES:
            assert any(title in line and result in line for line in done.stdout.splitlines())
    assert "Nothing changed" in done.stdout
    assert len(kibana.objects) == len(TITLES)


def test_setup_installs_the_rules_and_leaves_alone_what_a_user_changed_there(
    tmp_path: Path, settings: dict[str, str], kibana: SimulatedKibana
) -> None:
    def results() -> set[str]:
        done = run(tmp_path, "setup", **settings)
        assert done.returncode == 0, done.stdout + done.stderr
        rules = [line for line in done.stdout.splitlines() if line.startswith("alert rule")]
        assert len(rules) == len(kibana.alerting.rules) > 10
        return {next(word for word in line.split() if word in WORDS) for line in rules}

    assert results() == {"created"}
    assert results() == {"unchanged"}
    changed = next(iter(kibana.alerting.rules.values()))
    changed["schedule"] = {"interval": "3h"}
    assert results() == {"unchanged", "skipped"}
    assert changed["schedule"] == {"interval": "3h"}


def test_setup_says_why_the_rules_could_not_be_installed(
    tmp_path: Path, settings: dict[str, str], kibana: SimulatedKibana
) -> None:
    def refuse(method: str, path: str) -> None:
        raise Refused(403, "Unauthorized to find rules")

    kibana.alerting.before = refuse
    done = run(tmp_path, "setup", **settings)
    assert done.returncode == 1
    assert "Stack Rules" in done.stderr
    assert len(kibana.objects) == len(TITLES)


@pytest.mark.parametrize("option", ["--dry-run", "--no-kibana"])
def test_setup_leaves_kibana_alone_when_told_to(
    tmp_path: Path, settings: dict[str, str], kibana: SimulatedKibana, option: str
) -> None:
    done = run(tmp_path, "setup", option, **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {path for method, path in kibana.requests if method != "GET"} <= {"/api/saved_objects/_export"}
    assert kibana.objects == {}
    assert (TITLES[1] in done.stdout) is ("alert rule" in done.stdout) is (option == "--dry-run")


def test_setup_names_the_object_that_failed_and_why(
    tmp_path: Path, settings: dict[str, str], kibana: SimulatedKibana
) -> None:
    kibana.refuse["anthropic-metrics-cost"] = {"type": "unsupported_type"}
    done = run(tmp_path, "setup", **settings)
    assert done.returncode == 1
    assert "Cost and billing: Give the key's role" in done.stderr
    assert KEY not in done.stdout + done.stderr


def test_setup_without_a_kibana_says_how_to_import_by_hand(tmp_path: Path, settings: dict[str, str]) -> None:
    del settings["KIBANA_URL"], settings["KIBANA_API_KEY"]
    done = run(tmp_path, "setup", **settings)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "dashboards export" in done.stdout


def test_export_writes_what_kibana_imports(tmp_path: Path) -> None:
    assert run(tmp_path, "dashboards", "export").stdout == EXPORTED.read_text("utf-8")
    done = run(tmp_path, "dashboards", "export", "--output", "ours.ndjson")
    assert (done.returncode, done.stdout) == (0, "")
    assert (tmp_path / "ours.ndjson").read_bytes() == EXPORTED.read_bytes()


@pytest.mark.parametrize("output", ["ours.json", "absent/ours.ndjson"])
def test_an_export_to_a_place_that_cannot_work_is_a_usage_error(tmp_path: Path, output: str) -> None:
    done = run(tmp_path, "dashboards", "export", "--output", output)
    assert done.returncode == 2
    assert "--output" in done.stderr
    assert "Traceback" not in done.stderr


def test_render_draws_a_cluster_without_data_too(tmp_path: Path, settings: dict[str, str]) -> None:
    done = run(tmp_path, "dashboards", "render", **settings)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "anthropic-metrics.html").read_text("utf-8")
    assert f"metrics-anthropic_metrics.cost-{settings['ANTHROPIC_METRICS_NAMESPACE']} does not exist" in page
    assert "do not exist: nothing has been written." in done.stderr
    assert (tmp_path / "anthropic-metrics.html").as_uri() in done.stderr


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--month", "2026-13"), "--month: '2026-13' is not a month; write 2026-10"),
        (("--month", "2999-01"), "--month: 2999-01 has not begun"),
        (("--month", "2026-10", "--since", "7d"), "--month and --since or --until exclude each other"),
        (("--since", "7x"), "--since: '7x' is not a date; write a day"),
        (("--since", "yesterweek"), "--since: 'yesterweek'"),
        (("--since", "7d", "--until", "8d"), "--since: 7d is not before the end of the range"),
    ],
)
def test_a_range_that_cannot_be_is_a_usage_error(
    tmp_path: Path, settings: dict[str, str], options: tuple[str, ...], said: str
) -> None:
    done = run(tmp_path, "dashboards", "render", *options, **settings)
    assert done.returncode == 2
    assert said in done.stderr


def test_a_month_is_drawn_on_every_panel(tmp_path: Path, settings: dict[str, str]) -> None:
    done = run(tmp_path, "dashboards", "render", "--month", "2026-10", **settings)
    assert done.returncode == 0, done.stderr
    page = (tmp_path / "anthropic-metrics.html").read_text("utf-8")
    covered = Counter(re.findall(r'<p class="range">(.+?)</p>', page))
    assert covered.pop("October 2026") > 50
    two_weeks, today, a_week_ago = "16 \N{EN DASH} 29 Oct 2026", "31 Oct 2026", "24 Oct 2026"
    assert covered == {two_weeks: 1, today: 2, a_week_ago: 1}


def test_render_without_a_cluster_is_a_usage_error(tmp_path: Path) -> None:
    done = run(tmp_path, "dashboards", "render")
    assert done.returncode == 2
    assert "elasticsearch.hosts" in done.stderr
