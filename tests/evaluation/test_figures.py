"""What figures are made of: scores, fusion, follow-ups, a judge's verdict."""

import pytest

from evaluation.data import EvaluationSet, Question
from evaluation.follow_ups import follow_ups, shorten
from evaluation.fusion import fuse
from evaluation.judge import Judge, Verdict, read_verdict
from evaluation.report import Row
from evaluation.scores import score
from evaluation.targets import hybrid_rows, target_rows
from f.core.ai_settings import ModelSettings
from f.core.retrieval import Ranked
from tests.support.provider_servers import openai_server


def test_recall_counts_the_first_right_passage_of_any() -> None:
    scores = score([["a", "b", "c"], ["x", "y"], []], [("c", "b"), ("x",), ("z",)])
    assert scores.recall == {1: 1 / 3, 5: 2 / 3, 10: 2 / 3}
    assert scores.reciprocal_rank == pytest.approx((1 / 2 + 1) / 3)
    assert score([], []).row()["R@1"] == 0


def test_fusion_weighs_the_vectors_and_breaks_ties_by_id() -> None:
    words, vectors = [Ranked(1), Ranked(2)], [Ranked(3), Ranked(2)]
    assert [p.chunk_id for p in fuse(words, vectors, vector_weight=1.0, rank_constant=60)] == [2, 1, 3]
    assert [p.chunk_id for p in fuse(words, vectors, vector_weight=0.1, rank_constant=60)] == [2, 1, 3]
    assert [p.chunk_id for p in fuse(words, vectors[:1], vector_weight=0.1, rank_constant=60)] == [1, 2, 3]


@pytest.mark.parametrize(
    ("first", "second", "shortened"),
    [
        ("Which team lost Super Bowl 50?", "Which team won the Super Bowl 50?", "Which team won it?"),
        ("Πότε ιδρύθηκε η Βαρσοβία;", "Πόσους κατοίκους έχει σήμερα η Βαρσοβία;", "Πόσους κατοίκους έχει σήμερα αυτό;"),
        ("Who won?", "Who lost the cup?", None),
        ("Where is Rome?", "When was Rome?", None),
        ("How large is the Amazon?", "How many tribes lived in the Amazon basin?", None),
    ],
)
def test_a_follow_up_has_a_pronoun_for_what_both_questions_share(
    first: str, second: str, shortened: str | None
) -> None:
    assert shorten(first, second) == shortened


def test_each_question_is_in_one_conversation_at_most() -> None:
    texts = ["Where is the Amazon River?", "How long is the Amazon River?", "How deep on average is the Amazon River?"]
    chosen = EvaluationSet("s", (), tuple(Question("t", text, ("p",), ()) for text in texts))
    (pair,) = follow_ups(chosen)
    assert (pair.first.text, pair.second.text) == (texts[0], texts[2])


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ('Here: {"statements": 4, "supported": 3, "relevance": 2}', Verdict(0.75, 0.5)),
        ('{"statements": 0, "supported": 0, "relevance": 0}', Verdict(1.0, 0.0)),
        ('{"statements": 1, "supported": 2, "relevance": 4}', None),
        ('{"statements": 1, "supported": 1}', None),
        ("It is a good answer.", None),
    ],
)
def test_a_judge_is_believed_only_in_the_form_it_was_asked_for(text: str, verdict: Verdict | None) -> None:
    assert read_verdict(text) == verdict


def test_a_judge_is_asked_over_openais_protocol() -> None:
    with openai_server() as server:
        server.answer = lambda messages: (
            '{"statements": 2, "supported": 1, "relevance": 4}' if "PASSAGE" in messages[-1]["content"] else "no"
        )
        judge = Judge(ModelSettings("judge", f"{server.base_url}/v1"))
        assert judge.grade("Why?", "Because [1].", ["PASSAGE"]) == Verdict(0.5, 1.0)
        assert judge.grade("Why?", "Because.", []) is None
        assert server.requests[0].body["model"] == "judge"


def test_a_target_that_is_missed_by_a_hair_is_missed() -> None:
    bm25: Row = {"R@1": 0.9, "R@5": 0.98}
    reached = {"xquad/en": Row({"R@1": 0.9151, "R@5": 0.9849}), "mine": Row({"R@1": 0.1, "R@5": 0.2})}
    rows = target_rows(reached, {"xquad/en": bm25, "mine": bm25}, foreign=1)
    assert [(row["measure"], row["reached"]) for row in rows] == [
        ("R@1", "yes"),
        ("R@5", "NO"),
        ("rows of other tenants", "NO"),
    ]


def test_hybrid_is_compared_with_words_alone_on_each_set() -> None:
    legs = {"words": 0.9, "vectors": 0.1, "fused": 0.9, "fused + rerank": 0.8999}
    ablations = [Row({"set": "mine", "method": name, "R@1": share, "R@5": 1.0}) for name, share in legs.items()]
    assert [(row["measure"], row["reached"]) for row in hybrid_rows(ablations)] == [
        ("fused: R@1", "yes"),
        ("fused: R@5", "yes"),
        ("fused + rerank: R@1", "NO"),
        ("fused + rerank: R@5", "yes"),
    ]
