"""A spend limit that cannot be read has not been removed, and the poll says that it could not."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import httpx
from pydantic import SecretStr

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.directory import AdminDirectory
from anthropic_metrics.admin_api.retry import RetryPolicy
from anthropic_metrics.budgets.board import Board
from anthropic_metrics.budgets.poller import BudgetPoller
from anthropic_metrics.config import AnthropicSettings, Config
from anthropic_metrics.documents.identity import Prepared
from anthropic_metrics.kernel.inventory import Inventory
from anthropic_metrics.kernel.outcome import Outcome
from anthropic_metrics.kernel.ports import Sink
from anthropic_metrics.kernel.tally import Tally
from anthropic_metrics.simulator import ADMIN_KEY
from tests.harness.memory_questions import MemoryQuestions
from tests.harness.memory_streams import NOW, small_wire


class NoSpend(MemoryQuestions):
    def spent(self, *_: object, **__: object) -> dict[datetime, dict[str, float]]:
        return {}


@dataclass
class Recording:
    """Notes the budgets that it is given, and whether what is not among them may be deleted."""

    names: set[str] = field(default_factory=set)
    deletes: set[bool] = field(default_factory=set)

    def reconcile(
        self, _stream: str, _window: object, documents: Iterable[Prepared], **options: Any
    ) -> Outcome:
        self.names |= {document.source["anthropic"]["budget"]["name"] for document in documents}
        self.deletes.add(options["deletes"])
        return Outcome()


def test_limits_that_could_not_be_read_keep_their_documents_and_are_a_failure_of_the_poll() -> None:
    wire, down = small_wire(NOW), [False]

    def answer(request: httpx.Request) -> httpx.Response:
        is_down = down[0] and request.url.path.endswith("/spend_limits")
        return httpx.Response(503) if is_down else wire.answer(request)

    settings = AnthropicSettings(base_url="http://admin.test", admin_key=SecretStr(ADMIN_KEY))
    transport, once = httpx.MockTransport(answer), RetryPolicy(attempts=1)

    def poll() -> tuple[Recording, Tally]:
        """One poll of an agent that has just started."""
        with AdminClient(settings, transport=transport, retry=once) as client:
            inventory, board = Inventory(AdminDirectory(client)), Board(clock=lambda: NOW)
            poller = BudgetPoller(Config(), client, inventory, board, clock=lambda: NOW)
            store, tally = Recording(), Tally(poller.only, poller.stream)
            (job,) = poller.live(Sink(cast(Any, store), lambda _: None, NoSpend()))
            job.run(tally)
        return store, tally

    store, tally = poll()
    assert "limit: organization" in store.names
    assert (store.deletes, tally.failures) == ({True}, [])
    down[0] = True
    store, tally = poll()
    assert (store.names, store.deletes) == (set(), {False})
    assert tally.failures[0].startswith(
        "Spend limits of the Console cannot be read: The Admin API answered 503"
    )
