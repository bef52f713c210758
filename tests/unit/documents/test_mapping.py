from anthropic_metrics.documents.cost import CostDocument
from anthropic_metrics.documents.mapping import fields, mapping
from anthropic_metrics.documents.usage import UsageDocument
from anthropic_metrics.streams.registry import BY_DATASET

# Fields that Elastic's own dashboards and rules for these three streams read.
ELASTIC = {
    "anthropic_metrics.usage": """model workspace_id api_key_id service_tier context_window inference_geo
        speed uncached_input_tokens cached_input_tokens cache_creation_input_tokens output_tokens
        bucket_start_time bucket_end_time""",
    "anthropic_metrics.cost": """workspace_id description inference_geo model service_tier cost_type
        token_type context_window currency amount bucket_start_time bucket_end_time""",
    "anthropic_metrics.rate_limit": """type group_type models requests_per_minute input_tokens_per_minute
        input_tokens_per_minute_cache_aware output_tokens_per_minute enqueued_batch_requests""",
}


def test_every_field_of_elastics_package_is_mapped_under_its_name() -> None:
    for dataset, names in ELASTIC.items():
        part = dataset.rpartition(".")[2]
        mapped = {leaf.name for leaf in fields(BY_DATASET[dataset].document)}
        assert {f"anthropic.{part}.{name}" for name in names.split()} <= mapped


def test_every_stream_has_the_fields_that_dashboard_controls_filter_by() -> None:
    shared = {
        "anthropic.model",
        "anthropic.workspace.id",
        "anthropic.workspace.name",
        "anthropic.api_key.id",
        "anthropic.api_key.name",
    }
    for info in BY_DATASET.values():
        assert shared <= {leaf.name for leaf in fields(info.document)}


def test_counts_are_longs_money_is_double_and_its_exact_text_a_keyword() -> None:
    usage = mapping(UsageDocument)["anthropic"]["properties"]["usage"]["properties"]
    cost = mapping(CostDocument)["anthropic"]["properties"]["cost"]["properties"]
    assert usage["cache_creation"]["properties"]["ephemeral_1h_input_tokens"]["type"] == "long"
    assert (cost["amount"]["type"], cost["amount_exact"]["type"]) == ("double", "keyword")


def test_only_figures_and_the_digest_have_no_index_of_their_own() -> None:
    for info in BY_DATASET.values():
        for leaf in fields(info.document):
            by_column = leaf.mapped.type in ("long", "double") or leaf.name == "event.hash"
            assert (("index", False) in leaf.mapped.parameters) == by_column, leaf.name


def test_every_field_says_what_it_means() -> None:
    unexplained = [
        leaf.name for info in BY_DATASET.values() for leaf in fields(info.document) if not leaf.description
    ]
    assert unexplained == []
