"""Faults of one organization, and of Elasticsearch, leave every organization equal to its own truth."""

from __future__ import annotations

import pytest
from elasticsearch import Elasticsearch

from tests.harness.chaos_organizations import run_several


@pytest.mark.parametrize("seed", [501, 502])
def test_two_organizations_end_equal_to_the_truth_of_each(
    es: Elasticsearch, elasticsearch_url: str, seed: int
) -> None:
    run_several(es, elasticsearch_url, seed, organizations=2, series=5, steps=5)
