"""The people stream against the simulated reports, over HTTP, with streams in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.audit import compare
from anthropic_metrics.audit.compare import Audited
from anthropic_metrics.audit.people import audit_people
from anthropic_metrics.checks.admin import AdminFacts, admin_api
from anthropic_metrics.checks.finding import Status
from anthropic_metrics.config import AnthropicSettings, Config
from anthropic_metrics.config.money import TeamSettings, teams_of
from anthropic_metrics.config.people import PeopleSettings
from anthropic_metrics.errors import AnswerTooLarge, BadRequest, RetryLater
from anthropic_metrics.kernel import plan
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.questions import Row
from anthropic_metrics.kernel.ranges import Range
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.people.poller import PeoplePoller
from anthropic_metrics.people.read import Reader
from anthropic_metrics.simulator import ADMIN_KEY, SettableClock, Simulation, SimulatorServer, effects
from anthropic_metrics.simulator.analytics import Terms, analytics_rows
from anthropic_metrics.simulator.claude_code import claude_code_rows
from anthropic_metrics.simulator.organization import Organization, user_id
from tests.harness.memory_questions import MemoryQuestions
from tests.harness.memory_streams import MemoryStreams

NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = datetime(2026, 11, 20, tzinfo=UTC)
SALT = SecretStr("a salt for tests only, long enough")


@dataclass
class Remembered(MemoryQuestions):
    """Answers from the memory's own documents."""

    streams: MemoryStreams = field(default_factory=MemoryStreams)

    def latest(self, stream: str, organization_id: str, by: Sequence[str]) -> Iterator[tuple[Row, Row]]:
        for source in people(self.streams):
            person = source["anthropic"]["people"]["person"]
            yield {name: person.get(name.rpartition(".")[2]) for name in by}, source

    def documents(
        self,
        stream: str,
        organization_id: str,
        span: Range,
        fields: Sequence[str],
        *,
        terms: Mapping[str, Sequence[str]] | None = None,
    ) -> Iterator[tuple[str, Row]]:
        (wanted,) = (terms or {}).values()
        for source in people(self.streams):
            at = datetime.fromisoformat(source["@timestamp"])
            if span.start <= at < span.end and source["anthropic"]["people"]["basis"] in wanted:
                yield "", source


def people(streams: MemoryStreams) -> list[dict[str, Any]]:
    return [source for copy, source in streams.store.copies.values() if copy.missing_since is None]


@dataclass
class Interrupted(Tally):
    """Does something after the first page."""

    acts: list[Callable[[], object]] = field(default_factory=list)

    def page(self) -> None:
        super().page()
        while self.acts:
            self.acts.pop(0)()


@dataclass
class World:
    server: SimulatorServer
    clock: SettableClock
    streams: MemoryStreams = field(default_factory=MemoryStreams)

    @contextmanager
    def poller(self, teams: Sequence[TeamSettings] = (), **people: Any) -> Iterator[PeoplePoller]:
        """That of a new agent."""
        anthropic = AnthropicSettings(
            base_url=self.server.url, admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
        )
        config = Config(anthropic=anthropic, people=PeopleSettings(enabled=True, salt=SALT, **people))
        with AdminClient(anthropic, retry=RetryPolicy(attempts=1)) as client:
            inventory = Inventory(AdminDirectory(client), teams=teams_of(teams))
            yield PeoplePoller(config, client, inventory, clock=self.clock.now)

    def poll(
        self,
        *,
        kind: str = "live",
        teams: Sequence[TeamSettings] = (),
        meanwhile: Callable[[], object] | None = None,
        **people: Any,
    ) -> Tally:
        """A new agent's poll. A live poll of the same agent comes `meanwhile` something has happened, after
        the first answer."""
        with self.poller(teams, **people) as poller:
            sink = Sink(self.streams, lambda _: None, Remembered(streams=self.streams))
            (job,), (live,) = getattr(poller, kind)(sink), poller.live(sink)
            tally = Interrupted(job.poller, job.stream)
            if meanwhile is not None:
                tally.acts += [meanwhile, lambda: live.run(Tally(job.poller, job.stream))]
            job.run(tally)
        return tally

    @property
    def uses(self) -> list[dict[str, Any]]:
        return [each for each in self._fields() if each["kind"] == "use"]

    @property
    def works(self) -> list[dict[str, Any]]:
        return [each for each in self._fields() if each["kind"] == "claude_code"]

    def _fields(self) -> list[dict[str, Any]]:
        return [source["anthropic"]["people"] for source in people(self.streams)]

    def records(self) -> list[dict[str, Any]]:
        """What the Claude Code report has of the last three days."""
        days = [date(2026, 11, day) for day in (17, 18, 19)]
        return [row for day in days for row in claude_code_rows(self.server.simulation, day, NOW)]


@pytest.fixture
def w() -> Iterator[World]:
    clock = SettableClock(NOW)
    with SimulatorServer(Simulation(clock, days=5)) as server:
        server.behaviour.analytics = Terms("on", lag=timedelta(hours=4))
        yield World(server, clock)


def truth(w: World, kind: Any) -> list[dict[str, Any]]:
    groups = ("actor", "product", "model")
    return analytics_rows(w.server.simulation, kind, TODAY - 3 * DAY, TODAY, "1d", groups)


def test_the_last_three_days_are_the_reports_digit_for_digit_and_every_figure_is_labelled(w: World) -> None:
    tally = w.poll()

    cents = sum(Decimal(row["cost"]["amount"]) for row in truth(w, "cost"))
    assert sum(Decimal(each["amount_exact"]) for each in w.uses if "amount_exact" in each) == cents / 100
    tokens = sum(row["usage"]["total_tokens"] for row in truth(w, "usage"))
    assert sum(each["total_tokens"] for each in w.uses if "total_tokens" in each) == tokens
    assert sum(each["requests"] for each in w.uses if "requests" in each) == sum(
        row["usage"]["requests"] for row in truth(w, "usage")
    )
    assert {each["basis"] for each in w.uses} == {"billed"}
    assert {each["basis"] for each in w.works} == {"estimated"}
    assert all(each["bucket_complete"] for each in w.uses)
    assert (tally.windows, tally.failures, tally.newest_data) == (1, [], TODAY)


def test_the_work_with_claude_code_is_joined_to_the_same_person(w: World) -> None:
    w.poll()

    sessions = sum(row["core_metrics"]["num_sessions"] for row in w.records())
    assert sum(each["claude_code"]["sessions"] for each in w.works) == sessions > 0
    coders = {each["person"]["id"] for each in w.works}
    assert coders == {each["person"]["id"] for each in w.uses if each.get("product") == "claude_code"}
    assert all(person.startswith("person_") for person in coders)
    assert ".example" not in repr(people(w.streams))


def test_without_the_analytics_reports_the_estimates_stand_in_and_the_bill_replaces_them(w: World) -> None:
    w.server.behaviour.analytics = Terms("off")
    w.poll()
    assert {each["basis"] for each in w.uses} == {"estimated"}
    cents = sum(part["estimated_cost"]["amount"] for row in w.records() for part in row["model_breakdown"])
    assert float(sum(each["amount_usd"] for each in w.uses)) == pytest.approx(cents / 100)
    before = set(w.streams.store.copies)

    w.server.behaviour.analytics = Terms("on", lag=timedelta(hours=4))
    w.poll()

    assert {each["basis"] for each in w.uses} == {"billed"}
    assert before <= set(w.streams.store.copies)
    assert w.streams.store.deleted == []


def test_analytics_that_are_refused_for_once_do_not_turn_bills_into_estimates(w: World) -> None:
    w.poll()
    before = w.streams.store.says()
    w.server.behaviour.analytics = Terms("forbidden")

    with pytest.raises(RetryLater, match="nothing is written"):
        w.poll()

    assert w.streams.store.says() == before


@pytest.mark.parametrize("report", ["*/usage_report/claude_code", "*/users"])
def test_a_list_or_report_that_the_key_may_not_read_costs_only_itself(w: World, report: str) -> None:
    w.poll()
    before = len(w.works)
    w.server.faults.add(effects.status(403), report, times=None)

    assert w.poll().failures == []

    assert len(w.works) == before
    assert w.streams.store.deleted == []


def test_a_refusal_under_a_clock_that_was_wrong_is_not_believed_after_it_was_set_back() -> None:
    def refuse() -> str:
        raise BadRequest("The Admin API answered 404.", status=404)

    nothing: Any = None
    reader, tally = Reader(nothing), Tally("people", "people")
    assert reader._ask_report("users", NOW + 400 * DAY, tally, refuse) is None
    assert reader._ask_report("users", NOW, tally, lambda: "the list") == "the list"
    assert reader._ask_report("users", NOW, tally, refuse) is None
    assert reader._ask_report("users", NOW + timedelta(hours=23), tally, lambda: "asked too soon") is None
    assert reader._ask_report("users", NOW + DAY, tally, lambda: "the list") == "the list"


def test_a_deleted_user_keeps_the_id_and_stays_countable(w: World) -> None:
    w.poll()
    before = {each["person"]["id"] for each in w.works}
    gone = user_id(w.server.simulation.seed, "mateo")

    def without(organization: Organization) -> Organization:
        return replace(organization, users=tuple(each for each in organization.users if each.id != gone))

    w.server.simulation.edits.change(without)
    w.poll()

    assert {each["person"]["id"] for each in w.works} >= before
    deleted = [each["person"] for each in w.uses if each["person"].get("deleted")]
    assert {person["id"] for person in deleted} <= before
    assert deleted


def test_a_day_that_the_reports_have_not_loaded_says_so(w: World) -> None:
    w.server.behaviour.analytics = Terms("on", lag=timedelta(hours=30))
    w.poll()

    late = [source for source in people(w.streams) if source["@timestamp"].startswith("2026-11-19")]
    billed = [
        each["anthropic"]["people"] for each in late if each["anthropic"]["people"]["basis"] == "billed"
    ]
    assert billed
    assert not any(each["bucket_complete"] for each in billed)


def test_a_pass_over_everything_reads_the_history_and_a_second_agent_changes_nothing(w: World) -> None:
    w.poll(kind="whole")
    written = len(w.streams.store.written)
    assert {source["@timestamp"][:10] for source in people(w.streams)} == {
        f"2026-11-{day}" for day in range(15, 20)
    }

    tally = w.poll(kind="sweep")

    assert len(w.streams.store.written) == written
    assert tally.kept == written


def test_of_all_people_the_documents_of_one_day_are_in_memory_at_once(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    ranges: list[Range] = []
    reconcile = w.streams.reconcile

    def note(stream: str, window: Range, *arguments: Any, **named: Any) -> Any:
        ranges.append(window)
        return reconcile(stream, window, *arguments, **named)

    monkeypatch.setattr(w.streams, "reconcile", note)
    w.poll()
    assert ranges == [Range(TODAY - days * DAY, TODAY - (days - 1) * DAY) for days in (3, 2, 1)]


def test_a_sweep_leaves_days_alone_that_a_poll_asked_for_after_it_has_written(w: World) -> None:
    w.server.behaviour.analytics = Terms("on", lag=timedelta(hours=30))

    def load() -> None:
        w.server.behaviour.analytics = Terms("on", lag=timedelta(hours=4))

    w.poll(kind="sweep", meanwhile=load)

    assert {source["@timestamp"][:10] for source in people(w.streams)} >= {"2026-11-15", "2026-11-19"}
    swept = w.streams.store.says()
    w.poll()
    assert w.streams.store.says() == swept


def test_an_audit_compares_people_day_by_day(w: World, monkeypatch: pytest.MonkeyPatch) -> None:
    days: list[Range] = []

    def copies(es: object, stream: str, window: Range, *_: Any, **__: Any) -> list[Any]:
        days.append(window)
        return []

    monkeypatch.setattr(compare, "stored_copies", copies)
    no_client: Any = None
    with w.poller() as poller:
        window = Range(TODAY - 3 * DAY, TODAY)
        result = audit_people(no_client, Remembered(streams=w.streams), poller, window, "org")
    assert days == [Range(TODAY - number * DAY, TODAY - (number - 1) * DAY) for number in (3, 2, 1)]
    assert isinstance(result, Audited)
    assert result.documents_there == len(result.differences) > 0


def test_days_whose_answer_is_too_large_are_read_in_smaller_parts(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, most = Reader._rows, DAY

    def limited(reader: Reader, path: str, item: Any, time_range: Range, tally: Tally) -> Any:
        if time_range.end - time_range.start > most:
            raise AnswerTooLarge("too large")
        return rows(reader, path, item, time_range, tally)

    w.poll()
    expected = w.streams.store.says()
    w.streams = MemoryStreams()
    monkeypatch.setattr(Reader, "_rows", limited)
    tally = w.poll()
    assert w.streams.store.says() == expected
    assert tally.windows == 3
    most = timedelta(0)
    with pytest.raises(AnswerTooLarge):
        w.poll()


def test_a_part_has_no_more_rows_than_fit_in_memory_by_the_part_before(
    w: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    days = Reader.days
    read: list[tuple[int, int]] = []

    def note(reader: Reader, time_range: Range, *arguments: Any) -> Any:
        each = days(reader, time_range, *arguments)
        read.append(((time_range.end - time_range.start) // DAY, reader.rows))
        return each

    monkeypatch.setattr(Reader, "days", note)
    w.poll(kind="sweep")
    (first, rows), *others = read
    assert (first, sum(count for count, _ in read)) == (7, 31)
    assert len(others) == 1, "few rows are read in few requests"
    read.clear()
    monkeypatch.setattr(plan, "WINDOW_ROWS", rows // 2)
    w.poll(kind="sweep")
    assert [count for count, _ in read] == [7, 3, 14, 7], "seven days had twice as many; older ones have none"


def test_a_day_that_could_not_be_read_leaves_the_days_before_it_written(w: World) -> None:
    w.server.faults.add(effects.status(500), "*/claude_code", nth=3, times=None)
    with pytest.raises(RetryLater):
        w.poll()
    assert {source["@timestamp"][:10] for source in people(w.streams)} == {"2026-11-17", "2026-11-18"}


def test_a_refused_row_is_counted_without_showing_an_address(w: World) -> None:
    w.server.faults.add(effects.bad_row("terminal_type", {"to": "ann@example.com"}), "*/claude_code")
    w.server.faults.add(effects.bad_row("customer_type", ["ann@example.com"]), "*/claude_code")

    tally = w.poll()

    assert tally.bad_rows > 0
    assert "@" not in str(tally.answers)


def test_teams_that_name_people_pay_for_them(w: World) -> None:
    mateo = user_id(w.server.simulation.seed, "mateo")

    w.poll(teams=[TeamSettings(team="science", people=(mateo,))])

    teams: dict[str, set[str]] = {}
    for source in people(w.streams):
        own = source["anthropic"]
        teams.setdefault(own["team"]["name"], set()).add(own["people"]["person"]["id"])
    assert len(teams["science"]) == 1
    assert not teams["science"] & teams["Unassigned"]
    assert mateo not in repr(people(w.streams))


def test_check_reads_what_the_poller_reads_and_names_the_report_that_is_not_here(w: World) -> None:
    w.server.behaviour.analytics = Terms("forbidden")
    anthropic = AnthropicSettings(
        base_url=w.server.url, admin_key=SecretStr(ADMIN_KEY), requests_per_minute=60_000
    )
    people = PeopleSettings(enabled=True, salt=SALT)

    found = {
        each.what: each for each in admin_api(Config(anthropic=anthropic, people=people), NOW, AdminFacts())
    }

    said = found["Reports about people"]
    assert said.status is Status.ok
    assert " rows of yesterday; not available: analytics (" in said.details
    assert "read:analytics" in said.details
    off = admin_api(Config(anthropic=anthropic), NOW, AdminFacts())
    assert "Reports about people" not in {each.what for each in off}
