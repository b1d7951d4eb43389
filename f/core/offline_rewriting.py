"""Standalone questions without a model: a follow-up gets the words that it leaves out.

Shared module, pure.
"""

import re
from collections.abc import Iterable

from f.core.prompts import Turn
from f.core.words import STOP_WORDS, WORD, fold, names, numbers, stem

_REMEMBERED_TURNS = 12
_MOST_ADDED_WORDS = 12
_FEW_WORDS = 2
_FEW_INFORMATIVE_WORDS = 3
_FEW_INFORMATIVE_WORDS_AFTER_AND = 6

_OPENINGS = re.compile(
    r"\W*(?:and|but|also|or|what about|how about|what if|then|και|κι|αλλα|επισησ|η|μηπωσ και|τι γινεται με|"
    r"und|et|y|e|ed|en|og|och)\b"
)
_PRONOUNS = frozenset(
    """
    it its he him his she her hers they them their theirs this these those same
    αυτο αυτα αυτη αυτην αυτησ αυτοσ αυτον αυτου αυτοι αυτουσ αυτων αυτεσ εκεινο εκεινη εκεινοσ εκεινα εκει τοτε ιδιο
    ιδια ιδιοσ του τησ τουσ τον την το
    """.split()  # noqa: SIM905 - a list of quoted words could not be read
)
_GREEK_ARTICLES = frozenset("του τησ τουσ τον την το".split())  # noqa: SIM905


def rewrite(question: str, history: list[Turn]) -> str:
    """Make a follow-up question stand alone, for retrieval.

    "And for Maria?" after "When does Nikos's passport expire?" gets the words "passport expire"; "When does it expire?"
    gets what was asked about, and the names of the answer. What stands alone comes back as it is, and a repeat on the
    result changes nothing.

    Args:
        question: The last question.
        history: Earlier turns, oldest first.

    Returns:
        The question, with the missing words behind it where it has some.
    """
    standalone, answer = "", ""
    for turn in history[-_REMEMBERED_TURNS:]:
        if turn.role == "user":
            standalone = _complete(turn.text, standalone, answer)
            answer = ""
        else:
            answer = turn.text
    return _complete(question, standalone, answer)


def _complete(question: str, earlier: str, answer: str) -> str:
    """Add to a question what it takes from the one before and from its answer."""
    question = question.strip()
    pronoun = _has_pronoun(question)
    if not earlier or not _is_follow_up(question, pronoun):
        return question
    left_out = set[str]()
    own_names = names(question)
    if own_names and not pronoun:
        left_out.update(_stems(names(earlier)))
    if numbers(question):
        left_out.update(_stems(numbers(earlier)))
    present = set(_stems(WORD.findall(question))) | left_out
    candidates = WORD.findall(earlier)
    if pronoun:
        candidates += names(answer.split("\n", 1)[0])[:3]
    added: list[str] = []
    for word in candidates:
        folded = fold(word)
        if folded not in STOP_WORDS and stem(folded) not in present:
            present.add(stem(folded))
            added.append(word)
    if not added:
        return question
    mark = ";" if question.endswith((";", "\u037e")) else "?"
    return f"{question.rstrip(' ?;.!')}: {' '.join(added[:_MOST_ADDED_WORDS])}{mark}"


def _is_follow_up(question: str, pronoun: bool) -> bool:
    """Tell whether a question leans on what was said before."""
    found = [fold(word) for word in WORD.findall(question)]
    informative = sum(1 for word in found if word not in STOP_WORDS)
    if _OPENINGS.match(fold(question)):
        return informative <= _FEW_INFORMATIVE_WORDS_AFTER_AND
    if pronoun:
        return informative <= _FEW_INFORMATIVE_WORDS
    return not informative or len(found) <= _FEW_WORDS


def _has_pronoun(question: str) -> bool:
    """Tell whether a question says it, she, there and the like, or ends with a Greek possessive (its doctor)."""
    found = [fold(word) for word in WORD.findall(question)]
    return any(word in _PRONOUNS - _GREEK_ARTICLES for word in found) or (bool(found) and found[-1] in _GREEK_ARTICLES)


def _stems(found: Iterable[str]) -> list[str]:
    """Fold and stem words."""
    return [stem(fold(word)) for word in found]
