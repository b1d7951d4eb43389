# ruff: noqa: RUF001 - Greek letters are meant here
"""The offline models find, sort, answer from and abstain on plain words, in English and in Greek."""

import subprocess
import sys
import time
from math import isclose

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from f.core.citations import CitedPassage, is_abstention, resolve_citations
from f.core.language import detect_language
from f.core.offline_models import answer, embed, rerank, rewrite
from f.core.prompts import AnswerRequest, Passage, Turn
from tests.support.patience import PROMPTLY_SECONDS

LEASE = (
    "## Rent\n\nThe tenant pays 850 euros a month, due on the 5th of each month [12]. The deposit is returned within "
    "30 days after the tenant has left.\n\n| Item | Amount |\n|---|---|\n| Heating | 90 € |"
)
PASSPORTS = (
    "Maria's passport AB123 expires on 3 June 2027. Nikos's passport CD987 expires on 9 January 2026. They are blue."
)
HEALTH = (
    "Η Μαρία έχει αλλεργία στην πενικιλίνη. Το τελευταίο εμβόλιο τετάνου έγινε στις 14 Μαρτίου 2022.\n\n"
    "Ομάδα αίματος: Α+"
)
QUESTIONS = "How long is the warranty?\n\nTwo years from the day of purchase.\n\nWho repairs it? The shop."
PASSAGES = [
    Passage(1, "Lease", "Rent", 1, LEASE),
    Passage(2, "Passports", None, None, PASSPORTS),
    Passage(3, "Ιατρική σύνοψη", None, None, HEALTH),
    Passage(4, "Washing machine", None, None, QUESTIONS),
]


def ask(question: str, history: list[Turn] | None = None, passages: list[Passage] = PASSAGES) -> str:
    return answer(AnswerRequest(question, passages, history or [], detect_language(question)))


def similarity(left: str, right: str) -> float:
    one, other = embed([left, right])
    return sum(a * b for a, b in zip(one, other, strict=True))


@settings(max_examples=50)
@given(st.lists(st.text(max_size=100), max_size=4))
def test_vectors_have_length_one_and_the_right_dimension(texts: list[str]) -> None:
    vectors = embed(texts)
    assert len(vectors) == len(texts)
    for vector in vectors:
        assert len(vector) == 1024
        assert isclose(sum(value * value for value in vector), 1.0, rel_tol=1e-9)


@pytest.mark.parametrize("text", ["", " ", "…", "the", "😀", "\ud800"])
def test_no_text_gives_zeros(text: str) -> None:
    assert isclose(similarity(text, text), 1.0)


def test_vectors_are_the_same_in_every_process() -> None:
    program = "from f.core.offline_models import embed; print(repr(embed(['Rent of 850 euros', 'Ενοίκιο'])))"
    runs = {
        subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert runs == {repr(embed(["Rent of 850 euros", "Ενοίκιο"])) + "\n"}


def test_what_shares_words_or_their_forms_is_nearer() -> None:
    assert (
        similarity("When does the passport expire?", PASSPORTS)
        > 0.2
        > similarity("When does the passport expire?", LEASE)
    )
    assert similarity("εμβολίου τετάνου", HEALTH) > 0.1 > abs(similarity("εμβολίου τετάνου", PASSPORTS))


def test_hundreds_of_chunks_are_embedded_in_no_more_than_seconds() -> None:
    chunks = [f"{LEASE} {PASSPORTS} {HEALTH} {QUESTIONS} chunk{n} " * 2 for n in range(300)]
    began = time.process_time()
    embed(chunks)
    assert time.process_time() - began < PROMPTLY_SECONDS


def test_reranking_prefers_the_text_that_covers_the_question() -> None:
    texts = [passage.text for passage in PASSAGES]
    for question, right in [("When is the deposit returned?", 0), ("passport of Nikos", 1), ("αλλεργία της Μαρίας", 2)]:
        scores = rerank(question, texts)
        assert max(scores) == scores[right]
        assert all(0 <= score <= 1 for score in scores)
    assert rerank("xyzzy", texts) == [0.0] * 4
    assert rerank("anything", []) == []
    assert rerank("", ["text"]) == [0.0]


def test_words_close_together_count_more() -> None:
    near, far = "the deposit is returned soon " + "word " * 100, "the deposit is " + "word " * 100 + "returned soon"
    assert rerank("deposit returned", [near, far])[0] > rerank("deposit returned", [near, far])[1]


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("When is the rent due?", "The tenant pays 850 euros a month, due on the 5th of each month. [1]"),
        ("When does Maria's passport expire?", "Maria's passport AB123 expires on 3 June 2027. [2]"),
        ("How much is the heating?", "Heating, 90 €. [1]"),
        ("How long is the warranty?", "Two years from the day of purchase. [4]"),
        ("Πότε έγινε το εμβόλιο τετάνου;", "Το τελευταίο εμβόλιο τετάνου έγινε στις 14 Μαρτίου 2022. [3]"),
        ("Σε τι έχει αλλεργία η Μαρία;", "Η Μαρία έχει αλλεργία στην πενικιλίνη. [3]"),
        ("Ποια είναι η ομάδα αίματος;", "Ομάδα αίματος: Α+. [3]"),
    ],
)
def test_the_answer_is_the_sentence_that_holds_it(question: str, expected: str) -> None:
    text = ask(question)
    assert text.split("\n\n")[0] == expected
    note = "Απάντηση εκτός σύνδεσης" if detect_language(question) == "greek" else "Offline answer"
    assert text.split("\n\n")[1].startswith(f"({note}")
    cited = [CitedPassage(passage.n, passage.text, 0) for passage in PASSAGES]
    assert resolve_citations(text, cited).supported == 1.0


@pytest.mark.parametrize(
    "question",
    [
        "What is the capital of Mongolia?",
        "Who won the football match?",
        "Πόσο κοστίζει το σχολικό λεωφορείο;",
        "What?",
        "",
        "When does Eleni's driving licence expire?",
    ],
)
def test_it_abstains_where_the_passages_do_not_hold_the_answer(question: str) -> None:
    text = ask(question)
    assert is_abstention(text)
    assert "Τα έγγραφά σας" in text if detect_language(question) == "greek" else "Your documents" in text


def test_no_passages_is_an_abstention() -> None:
    assert is_abstention(ask("When is the rent due?", passages=[]))
    assert is_abstention(ask("When is the rent due?", passages=[Passage(1, "", None, None, " \n")]))


def test_an_answer_is_bounded() -> None:
    long = Passage(1, "Notes", None, None, "the deposit " + "and other words " * 2000)
    assert len(ask("What about the deposit?", passages=[long])) < 900


@pytest.mark.parametrize(
    ("question", "history", "expected"),
    [
        ("When is the rent due?", [], "When is the rent due?"),
        ("And for Nikos?", ["When does Maria's passport expire?"], "And for Nikos: passport expire?"),
        ("When does it expire?", ["Where is the passport of Nikos?"], "When does it expire: passport Nikos?"),
        ("Και του τετάνου;", ["Πότε έγινε το τελευταίο εμβόλιο;"], "Και του τετάνου: έγινε τελευταίο εμβόλιο;"),
        ("Και για τον Νίκο;", ["Πότε λήγει το διαβατήριο της Μαρίας;"], "Και για τον Νίκο: λήγει διαβατήριο;"),
        ("and in 2024?", ["How much was the rent in 2023?"], "and in 2024: rent?"),
        ("Why?", ["Is smoking allowed?"], "Why: smoking allowed?"),
        ("What is the deposit?", ["When does Maria's passport expire?"], "What is the deposit?"),
        ("How tall is the tower in Paris?", ["When is it open?"], "How tall is the tower in Paris?"),
    ],
)
def test_a_follow_up_gets_what_it_leaves_out(question: str, history: list[str], expected: str) -> None:
    turns = [turn for text in history for turn in (Turn("user", text), Turn("assistant", "An answer [1]."))]
    assert rewrite(question, turns) == expected
    assert rewrite(expected, turns) == expected


def test_follow_ups_of_follow_ups_keep_the_subject() -> None:
    history = [Turn("user", "When does Maria's passport expire?"), Turn("user", "And for Nikos?")]
    assert rewrite("And for Eleni?", history) == "And for Eleni: passport expire?"


def test_a_pronoun_may_mean_a_name_in_the_answer() -> None:
    history = [Turn("user", "Who is the landlord?"), Turn("assistant", "It is Kostas Petrou [1].")]
    assert rewrite("What is his phone number?", history) == "What is his phone number: landlord Kostas Petrou?"


def test_an_answer_understands_a_follow_up() -> None:
    history = [Turn("user", "When does Maria's passport expire?"), Turn("assistant", "On 3 June 2027 [2].")]
    assert ask("And for Nikos?", history).startswith("Nikos's passport CD987 expires on 9 January 2026. [2]")
