"""Makes conversations out of single questions, always the same ones. Pure.

Two questions of the same passage that share a name become a conversation: in the second one the name is
replaced by a pronoun, as somebody would say it who has just asked the first ("Which team lost Super Bowl 50?", then
"Which team won it?"). What it means can then only be known from what was said before.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from evaluation.data import EvaluationSet, Question
from f.core.words import STOP_WORDS, fold

_WORD = re.compile(r"\w+(?:['\u2019.-]\w+)*")
_PRONOUNS = {"greek": "αυτό", "other": "it"}
_LEAST_LEFT = 2


@dataclass(frozen=True, slots=True)
class FollowUp:
    """A conversation of two questions.

    Attributes:
        first: What is asked first.
        second: The second question as the data has it.
        shortened: The second question as it is asked.
    """

    first: Question
    second: Question
    shortened: str


def follow_ups(chosen: EvaluationSet) -> Iterator[FollowUp]:
    """Yield the conversations that a set gives, each question in one of them at most."""
    by_passage: dict[tuple[str, str], list[Question]] = {}
    for question in chosen.questions:
        if len(question.passages) == 1:
            by_passage.setdefault((question.tenant, question.passages[0]), []).append(question)
    for questions in by_passage.values():
        left = list(questions)
        while len(left) > 1:
            first = left.pop(0)
            for second in left:
                shortened = shorten(first.text, second.text)
                if shortened is not None:
                    left.remove(second)
                    yield FollowUp(first, second, shortened)
                    break


def shorten(first: str, second: str) -> str | None:
    """Replace the longest name that the second question shares with the first by a pronoun.

    Returns:
        None where they share no whole name, or too little would be left.
    """
    before = [fold(match.group()) for match in _WORD.finditer(first)]
    matches = list(_WORD.finditer(second))
    folded = [fold(match.group()) for match in matches]
    for length in range(len(matches), 0, -1):
        for start in range(1, len(matches) - length + 1):  # the first word asks
            end = start + length
            telling = [at for at in range(start, end) if folded[at] not in STOP_WORDS]
            if not telling or telling[0] != start or telling[-1] != end - 1 or not _occurs(folded[start:end], before):
                continue
            if not all(_is_name(matches[at].group()) for at in telling) or not _stands_alone(
                second, matches, start, end
            ):
                continue
            left = sum(1 for at, word in enumerate(folded) if not start <= at < end and word not in STOP_WORDS)
            return _replaced(second, matches[start].start(), matches[end - 1].end()) if left >= _LEAST_LEFT else None
    return None


def _is_name(word: str) -> bool:
    """Tell whether a word looks like a part of a name, or a number."""
    return word[0].isupper() or word[0].isdigit()


def _stands_alone(text: str, matches: list[re.Match[str]], start: int, end: int) -> bool:
    """Tell whether words are a whole name: what stands around them is no part of it, and depends on nothing of it."""
    if start > 1 and _is_name(matches[start - 1].group()):
        return False
    if end == len(matches):
        return True
    between = text[matches[end - 1].end() : matches[end].start()]
    follows = matches[end].group()
    return not _is_name(follows) and (between.strip() == "," or (between == " " and fold(follows) in STOP_WORDS))


def _occurs(phrase: list[str], text: list[str]) -> bool:
    """Tell whether words stand in a text, in a row."""
    return any(text[at : at + len(phrase)] == phrase for at in range(len(text) - len(phrase) + 1))


def _replaced(question: str, start: int, end: int) -> str:
    """Put a pronoun where a phrase, with the article before it, stands."""
    before = re.sub(r"(?i)\b(?:the|a|an|το|τα|τη|την|τον|του|της|των|ο|η|οι)\s+$", "", question[:start])  # noqa: RUF001 - Greek
    pronoun = _PRONOUNS["greek" if re.search("[α-ω]", question) else "other"]  # noqa: RUF001 - Greek
    return f"{before}{pronoun}{question[end:]}"
