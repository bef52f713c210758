"""Forms: texts that are filled in."""

from __future__ import annotations

import pytest
from pydantic_core import to_json

from anthropic_metrics.admin_api.replies import Workspace
from anthropic_metrics.documents.forms import Form, marks, texts
from anthropic_metrics.kernel.names import Names
from anthropic_metrics.redaction import redact
from anthropic_metrics.reports import build
from tests.harness.report_samples import frame, usage_row

TEXT, NUMBER = marks(2)


def test_a_form_is_filled_in_place_by_place() -> None:
    form = Form(to_json({"a": TEXT, "share": "100 %d", "b": NUMBER}), (TEXT,), (NUMBER,))
    assert form.fill((*texts("x"), 7)) == b'{"a":"x","share":"100 %d","b":7}'


@pytest.mark.parametrize("text", [b"{}", b"%d %d" % (NUMBER, TEXT)], ids=["no place", "no text in quotes"])
def test_a_value_without_its_place_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match="no place"):
        Form(text, (TEXT,), (NUMBER,))


def test_a_secret_that_becomes_known_later_is_not_written_from_a_form() -> None:
    secret = "known-only-later-1"
    names = Names.of("org", "Org", [Workspace(id="wrkspc_1", name=f"has {secret}")], [])
    place = frame(names=names)
    assert secret.encode() in build.usage_documents(place, [usage_row()])[0].body
    redact.add(secret)
    assert secret.encode() not in build.usage_documents(place, [usage_row()])[0].body


def test_no_more_forms_are_kept_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MOST_FORMS", 2)
    place = frame()
    place.names.written.clear()  # other tests have the same names
    rows = [usage_row(model=f"m{number}") for number in range(5)]
    documents = build.usage_documents(place, rows)
    assert [document.source["anthropic"]["model"] for document in documents] == [row.model for row in rows]
    (forms,) = (kept for key, kept in place.names.written.items() if key[0] == "usage")
    assert len(forms) == 1
