"""Whether the Claude API sends its traces anywhere, and whether they arrive."""

from __future__ import annotations

from anthropic_metrics.admin_api.client import AdminClient
from anthropic_metrics.admin_api.destinations import Destination, telemetry_destinations
from anthropic_metrics.checks.finding import Finding, Status
from anthropic_metrics.config import Config
from anthropic_metrics.errors import AuthError, BadRequest, MetricsError
from anthropic_metrics.kernel.problems import Problems
from anthropic_metrics.telemetry.ways import DOCS, setup_steps

WHAT = "Telemetry destinations"
_LOST = "Fix it in the Console: spans that it misses are lost."
_CURES = {
    "sustained_failure": "Deliveries failed for a long time. Fix the endpoint, then enable the destination.",
    "redirect": "The endpoint answered with a redirect. Enter the address that it leads to, then enable it.",
    "invalid_address": "The endpoint's address is not public. Use a public one, then enable it.",
}


def destinations(client: AdminClient, config: Config) -> Finding:
    """Nothing requires traces: without destinations this is a warning that says how to get them."""
    problems = Problems()
    try:
        listed = telemetry_destinations(client, problems=problems)
    except (AuthError, BadRequest) as error:
        if config.telemetry.enabled == "true" or (isinstance(error, AuthError) and error.status == 401):
            return Finding(
                WHAT, Status.failed, error.message, "Set telemetry.enabled to auto, or ask for access."
            )
        details = f"not in this organization's preview; {DOCS} says how to send traces"
        return Finding(WHAT, Status.skipped, details)
    except MetricsError as error:
        return Finding(WHAT, Status.failed, error.message, error.cure)
    if problems.total:
        return Finding(
            WHAT, Status.failed, str(problems), "The API may have changed: look for a newer agent."
        )
    if not listed:
        return Finding(WHAT, Status.warning, "none: requests, latency and 429s are not known", setup_steps())
    told = "; ".join(map(_told, listed))
    if bad := [destination for destination in listed if destination.health in ("failing", "disabled")]:
        return Finding(WHAT, Status.failed, told, _cure(bad))
    if any(destination.traces.content_mode == "content" for destination in listed):
        advice = f"Choose metadata only unless prompts and answers are to be stored; see {DOCS}."
        return Finding(WHAT, Status.warning, told, advice)
    return Finding(WHAT, Status.ok, told)


def _told(destination: Destination) -> str:
    state = destination.health
    if state == "disabled":
        state += f" ({destination.reason})" if destination.reason else ""
    elif state == "failing":
        state += f" ({destination.delivery_health.last_error or 'no reason given'})"
    with_content = ", prompts and answers included" if destination.traces.content_mode == "content" else ""
    return f"{destination.name}: {state}{with_content}"


def _cure(bad: list[Destination]) -> str:
    return " ".join(
        [
            _LOST,
            *dict.fromkeys(_CURES[destination.reason] for destination in bad if destination.reason in _CURES),
        ]
    )
