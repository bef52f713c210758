"""`headroom` answers "will I hit a 429 next week?" from every weekday of the last fourteen days."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from elasticsearch import Elasticsearch

from anthropic_metrics.cli.headroom import PEAKS, _above, _days, _growing, _row, _young
from anthropic_metrics.config import Config
from anthropic_metrics.elastic.outlook import Selection, begins, growing, lines
from anthropic_metrics.elastic.setup import apply, plan_setup
from anthropic_metrics.kernel.datasets import HEADROOM, stream_name
from anthropic_metrics.kernel.ranges import Range

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
MONDAY = datetime(2026, 11, 16, 9, 30, tzinfo=UTC)


def test_a_limit_that_was_exceeded_last_monday_is_no_quiet_76_percent_and_a_peak_that_may_grow_is_marked(
    es: Elasticsearch, elasticsearch_url: str, namespace: str
) -> None:
    settings = Config.model_validate(
        {"elasticsearch": {"hosts": [elasticsearch_url]}, "namespace": namespace}
    )
    apply(es, plan_setup(es, settings))
    stream = stream_name(HEADROOM, namespace)
    for at, share in ((MONDAY, 1.02), (NOW - timedelta(days=1), 0.76)):
        window = {
            "scope": "organization",
            "group_id": "g",
            "group_name": "Opus",
            "limit_type": "output_tokens_per_minute",
            "limit": 1000,
            "peak_tokens": int(share * 1000),
            "peak_share": share,
            "peak_minute": at.isoformat(),
            "headroom_share": 1 - share,
            "minutes_above_80": 1,
            "minutes_above_100": int(share > 1),
            "unmapped": False,
            "complete": at < NOW - timedelta(days=2),
        }
        source = {"organization": {"id": "o"}, "anthropic": {"headroom": window}}
        es.index(index=stream, op_type="create", document={"@timestamp": at.isoformat(), **source})
    es.indices.refresh(index=stream)

    span = Range(NOW - timedelta(days=7), NOW)
    (line,) = lines(es, stream, Selection("o", span))
    assert line.peak_share == 0.76
    assert PEAKS.table([_row(line, NOW)]).cells()[0][4] == "~76%"
    (growing_,) = _growing(growing(es, stream, Selection("o", span)))
    assert growing_.startswith("1 window is not complete yet, the first from 2026-11-24 12:00 UTC")
    monday = Selection("o", Range(MONDAY, NOW - timedelta(days=2)))
    (whole,) = lines(es, stream, monday)
    assert PEAKS.table([_row(whole, NOW)]).cells()[0][4] == "102%"
    assert list(_growing(growing(es, stream, monday))) == []
    assert line.above_on == (date(2026, 11, 16),)
    assert _days([day.isoformat() for day in line.above_on]) == "Mon 11-16"
    assert "429 again" in "".join(_above([line]))
    assert begins(es, stream, "o") == MONDAY
    assert list(_young(begins(es, stream, "o"), span)) == []
    assert "earlier minutes are not in" in "".join(_young(NOW - timedelta(days=1), span))
