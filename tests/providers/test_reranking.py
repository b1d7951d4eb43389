"""Reranking, with the real SDK against Cohere on loopback."""

from dataclasses import replace

import pytest

from f.core.ai_settings import AiSettings, ModelSettings
from f.core.errors import Misconfigured, ProviderRejected, ProviderUnavailable
from f.core.reranking import rerank
from tests.providers.conftest import KEYS, OFFLINE
from tests.support import provider_faults as faults
from tests.support.provider_faults import Fault
from tests.support.provider_servers import CohereServer


def test_scores_come_back_in_the_order_of_the_texts(cloud: AiSettings, cohere: CohereServer) -> None:
    cohere.rerank = lambda question, texts: [0.25, 0.75, 0.5]
    result = rerank("what?", ["a", "b", "c"], cloud, KEYS)
    assert (result.scores, result.searches, result.model) == ([0.25, 0.75, 0.5], 1, "rerank-v3.5")
    (request,) = cohere.requests
    assert request.path == "/v2/rerank"
    assert request.body == {"model": "rerank-v3.5", "query": "what?", "documents": ["a", "b", "c"], "top_n": 3}


def test_searches_are_those_that_are_billed_or_else_counted(cloud: AiSettings, cohere: CohereServer) -> None:
    cohere.rerank = lambda question, texts: [0.5 for _ in texts]
    assert rerank("what?", ["text"] * 150, cloud, KEYS).searches == 2
    cohere.counts_tokens = False
    assert rerank("what?", ["text"] * 201, cloud, KEYS).searches == 3


def test_no_texts_give_no_scores_and_no_call(cloud: AiSettings, cohere: CohereServer) -> None:
    assert rerank("what?", [], cloud, KEYS).scores == []
    assert cohere.requests == []


@pytest.mark.parametrize(
    "results",
    [
        [],
        [(0, 0.5)],
        [(0, 0.5), (0, 0.5)],
        [(0, 0.5), (2, 0.5)],
        [(0, 0.5), (1, 1.5)],
        [(0, 0.5), (1, -0.1)],
        [(0, 0.5), (1, float("nan"))],
        [(0, 0.5), (1, 0.5), (1, 0.5)],
    ],
)
def test_scores_that_cannot_be_used_are_rejected(
    cloud: AiSettings, cohere: CohereServer, results: list[tuple[int, float]]
) -> None:
    cohere.fail(faults.other_json({"results": [{"index": n, "relevance_score": score} for n, score in results]}))
    with pytest.raises(ProviderRejected, match="one score"):
        rerank("what?", ["a", "b"], cloud, KEYS)


@pytest.mark.parametrize(
    "fault",
    [
        faults.status(500),
        faults.rate_limit(0.05),
        faults.html(502),
        faults.html(200),
        faults.other_json({}),
        faults.other_json({"results": [{"index": 0}]}),
        faults.cut(),
        faults.hang(),
    ],
)
def test_what_may_pass_is_tried_again(cloud: AiSettings, cohere: CohereServer, fault: Fault) -> None:
    cohere.fail(fault)
    settings = replace(cloud, deadline_seconds=3) if fault.hang_seconds else cloud
    assert len(rerank("what?", ["a"], settings, KEYS).scores) == 1
    assert len(cohere.requests) == 2


def test_a_provider_that_is_down_is_unavailable(cloud: AiSettings, cohere: CohereServer) -> None:
    cohere.fail(faults.status(503), times=None)
    with pytest.raises(ProviderUnavailable, match="HTTP 503"):
        rerank("what?", ["a"], cloud, KEYS)
    assert len(cohere.requests) == 5


def test_there_must_be_a_model_for_it(cloud: AiSettings, local: AiSettings) -> None:
    for settings in (replace(cloud, rerank=None), replace(local, rerank=ModelSettings("any"))):
        with pytest.raises(Misconfigured, match="rerank"):
            rerank("what?", ["a"], settings, KEYS)


def test_offline_reranks_without_a_server() -> None:
    result = rerank("what does it exclude?", ["it excludes floods", "butter and flour"], OFFLINE, KEYS)
    assert len(result.scores) == 2
    assert result.model == "offline-overlap"
