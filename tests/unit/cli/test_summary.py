from anthropic_metrics.cli.summary import summary
from anthropic_metrics.kernel.tally import Tally


def test_a_failure_of_many_pollers_is_said_once_and_names_each_stream_once() -> None:
    failed = [
        Tally("agent", "agent-default"),
        Tally("grains", "agent-default"),
        Tally("cost", "cost-default"),
    ]
    for tally in failed:
        tally.failures.append("The key was refused.")
    assert summary(failed).problems == ("agent-default, cost-default: The key was refused.",)


def test_a_failure_comes_with_the_address_of_its_help() -> None:
    tally = Tally("usage", "usage-default")
    tally.failures.append("The Admin API answered 429 rate_limit_error to /v1/x.")
    (problem,) = summary([tally]).problems
    assert problem.endswith(
        "See https://github.com/anthropic-metrics/anthropic-metrics/blob/main/docs/"
        "troubleshooting.md#the-admin-api-answered-429-to"
    )
