"""The part ``answers``: what ``chat`` answers, what it cites, and when it says that the documents hold no answer.

Everything goes through the project's own ``Asker``, as a member's job does.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from evaluation.data import Question
from evaluation.follow_ups import FollowUp, follow_ups
from evaluation.jobs import Member
from evaluation.judge import Judge
from evaluation.report import Results, Row, bar_plot, print_table, save_plot
from evaluation.run import Run
from evaluation.scores import score
from evaluation.stage import StoredSet
from f.core.asking import ChatData
from f.core.words import words


@dataclass(frozen=True, slots=True)
class Answered:
    """A question of the data and what was answered to it."""

    question: Question
    data: ChatData


def measure(run: Run, results: Results, most: int, judge: Judge | None) -> None:
    """Measure a sample of every set's questions, and print and keep the tables.

    Args:
        run: The evaluation.
        results: Where rows are kept.
        most: How many questions of a set are answered, spread evenly over all; and how many conversations are held.
        judge: Grades the answers, where one is configured.
    """
    tables: dict[str, list[Row]] = {"answers": [], "follow-ups": [], "cross-lingual": []}
    for stored, whole in zip(run.embedded, run.whole, strict=True):
        questions = stored.chosen.first(most).questions
        answered = [Answered(question, run.member(stored, question).ask(question.text)) for question in questions]
        row = {"set": stored.chosen.name, **answer_scores(stored, answered)}
        row["answered without its passage"] = answered_without(run, stored, questions)
        tables["answers"].append(row | (_judged(stored, answered, judge) if judge else {}))
        tables["follow-ups"] += _conversations(run, stored, list(follow_ups(whole))[:most])
    tables["cross-lingual"] = [row for pair in _pairs(run.embedded) for row in _cross_lingual(run, *pair, most)]
    chat = run.models.settings.chat.model
    print_table(f"Answers (model {chat}): shares of the questions", tables["answers"])
    print_table("Follow-ups in a conversation: shares of the second questions", tables["follow-ups"])
    if tables["cross-lingual"]:
        print_table("Questions in one language, passages in another", tables["cross-lingual"])
    for table, rows in tables.items():
        for kept in rows:
            results.add(table, kept)
    _plot(run, tables["answers"])


def answer_scores(stored: StoredSet, answered: Sequence[Answered]) -> Row:
    """Say how many were answered, how exact the citations are, and how often the right text is cited and said."""
    cited = [citation for one in answered for citation in one.data["citations"]]
    exact = sum(_is_exact(stored, one.question, citation) for one in answered for citation in one.data["citations"])
    golden = [one for one in answered if one.question.answers]
    return {
        "questions": len(answered),
        "answered": _share(sum(one.data["answered"] for one in answered), len(answered)),
        "citations": len(cited),
        "citation precision": _share(exact, len(cited)),
        "right passage cited": _share(sum(_cites_right(stored, one) for one in answered), len(answered)),
        "coverage": _share(sum(_covers(one) for one in golden), len(golden)),
    }


def _is_exact(stored: StoredSet, question: Question, citation: object) -> bool:
    """Tell whether a quote stands in its document exactly where the citation says."""
    assert isinstance(citation, dict)
    tenant = stored.tenants[question.tenant]
    text = tenant.texts[citation["document_id"]]
    quote = str(citation["quote"])
    return bool(quote) and text[citation["start"] : citation["end"]] == quote


def _cites_right(stored: StoredSet, one: Answered) -> bool:
    """Tell whether an answer cites a passage that is right for its question."""
    held = stored.tenants[one.question.tenant].passages
    return any(held[citation["document_id"]] in one.question.passages for citation in one.data["citations"])


def _covers(one: Answered) -> bool:
    """Tell whether an answer holds one of the texts that answer its question, case, accents and points aside."""
    said = f" {' '.join(words(one.data['answer']))} "
    return any(f" {' '.join(words(text))} " in said for text in one.question.answers)


def answered_without(run: Run, stored: StoredSet, questions: Sequence[Question]) -> float | None:
    """Ask each question while the documents that answer it are deleted: an answer then rests on something else."""
    answered = 0
    for question in questions:
        member = run.member(stored, question)
        with _taken_out(run, stored, question, member):
            answered += member.ask(question.text)["answered"]
    return _share(answered, len(questions))


@contextmanager
def _taken_out(run: Run, stored: StoredSet, question: Question, member: Member) -> Iterator[None]:
    """Delete the documents of a question's passages as a back end does, and bring them back at the end."""
    tenant = stored.tenants[question.tenant]
    documents = [tenant.document_of(passage) for passage in question.passages]
    for document in documents:
        member.delete(document)
    try:
        yield
    finally:
        run.stage.bring_back(documents)


def _conversations(run: Run, stored: StoredSet, chosen: Sequence[FollowUp]) -> list[Row]:
    """Ask second questions whole, shortened by themselves, and shortened in their conversation."""
    if not chosen:
        return []
    ways: dict[str, list[Answered]] = {
        "as the data has it": [],
        "shortened, alone": [],
        "shortened, in conversation": [],
    }
    for pair in chosen:
        member = run.member(stored, pair.second)
        session = member.ask(pair.first.text)["session_id"]
        for answered, data in zip(
            ways.values(),
            (member.ask(pair.second.text), member.ask(pair.shortened), member.ask(pair.shortened, session)),
            strict=True,
        ):
            answered.append(Answered(pair.second, data))
    return [{"set": stored.chosen.name, "asked": way, **answer_scores(stored, found)} for way, found in ways.items()]


def _pairs(stored: Sequence[StoredSet]) -> list[tuple[StoredSet, StoredSet]]:
    """Return the sets whose passages are the same in two languages, each with the English one first if there is one."""
    pairs = []
    for one in stored:
        for other in stored:
            folder = one.chosen.name.rpartition("/")[0]
            same = folder and folder == other.chosen.name.rpartition("/")[0] and one is not other
            if same and [p.id for p in one.chosen.passages] == [p.id for p in other.chosen.passages]:
                pairs.append((one, other))
    return pairs


def _cross_lingual(run: Run, passages: StoredSet, questions: StoredSet, most: int) -> list[Row]:
    """Ask the questions of one language where the passages are in the other."""
    asked = questions.chosen.questions
    known = StoredSet(run.database, questions.chosen, passages.tenants)
    vectors = run.vectors(questions)
    found = run.search(known, [question.text for question in asked], vectors)
    scores = score(known.rankings(found), known.right).row()
    answered = [
        Answered(question, run.member(passages, question).ask(question.text))
        for question in questions.chosen.first(most).questions
    ]
    said = answer_scores(known, answered)
    shown = {name: said[name] for name in ("answered", "citation precision", "right passage cited")}
    return [
        {
            "questions in": questions.chosen.name,
            "passages in": passages.chosen.name,
            "R@1": scores["R@1"],
            "R@5": scores["R@5"],
            **shown,
        }
    ]


def _judged(stored: StoredSet, answered: Sequence[Answered], judge: Judge) -> Row:
    """Have the answers graded by their citations' passages; those that say that there is none are left out."""
    verdicts = [
        judge.grade(one.question.text, one.data["answer"], _cited_texts(stored, one))
        for one in answered
        if one.data["answered"]
    ]
    graded = [verdict for verdict in verdicts if verdict]
    return {
        "judged": len(graded),
        "faithfulness": _share(sum(verdict.faithfulness for verdict in graded), len(graded)),
        "relevance": _share(sum(verdict.relevance for verdict in graded), len(graded)),
    }


def _cited_texts(stored: StoredSet, one: Answered) -> list[str]:
    """Return the documents that an answer cites, each once."""
    texts = stored.tenants[one.question.tenant].texts
    return [texts[document] for document in dict.fromkeys(c["document_id"] for c in one.data["citations"])]


def _share(part: float, whole: int) -> float | None:
    """Return a share, or None where there is nothing to share."""
    return part / whole if whole else None


def _plot(run: Run, rows: list[Row]) -> None:
    """Draw what is answered, cited and covered."""
    shown = ("answered", "right passage cited", "coverage", "answered without its passage")
    series = {name: [float(row[name] or 0) for row in rows] for name in shown}
    title = f"Answers ({run.models.settings.chat.model})"
    save_plot(bar_plot(title, [str(row["set"]) for row in rows], series, "share"), run.folder, "quality-answers")
