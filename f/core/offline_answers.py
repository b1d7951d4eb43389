# ruff: noqa: RUF001 - Greek letters are meant here
"""Answers without a model: the sentences of the passages that cover the question best, each with its citation.

Shared module, pure. It never says anything that a passage does not say, it says at its end what it is, and it abstains
where the passages do not cover the question. A question in one language does not find an answer in another.
"""

import re
from dataclasses import dataclass

from f.core.offline_reranking import rarity
from f.core.offline_rewriting import rewrite
from f.core.prompts import ABSTENTION_MARKER, AnswerRequest, Passage, abstention_sentence, visible_request
from f.core.sentences import sentence_spans
from f.core.words import STOP_WORDS, fold, informative_stems, names, numbers, stem, words

_NOTES = {
    "english": "(Offline answer: sentences quoted from your documents, no language model.)",
    "greek": "(Απάντηση εκτός σύνδεσης: προτάσεις από τα έγγραφά σας, χωρίς γλωσσικό μοντέλο.)",
    "german": "(Offline-Antwort: Sätze aus Ihren Dokumenten, ohne Sprachmodell.)",
    "french": "(Réponse hors ligne : phrases tirées de vos documents, sans modèle de langage.)",
    "spanish": "(Respuesta sin conexión: frases de sus documentos, sin modelo de lenguaje.)",
    "italian": "(Risposta offline: frasi dai suoi documenti, senza modello linguistico.)",
    "portuguese": "(Resposta offline: frases dos seus documentos, sem modelo de linguagem.)",
    "dutch": "(Offline antwoord: zinnen uit uw documenten, zonder taalmodel.)",
}

# Measured on passages with and without the answer among five others that share the question's words.
_LEAST_CONFIDENCE = 0.34
_UNKNOWN_NAMES_COST = 0.2
_PASSAGE_SHARE = 0.3

_SAME_BEGINNING = 0.7
_BEGINNING_LETTERS = 5
_SENTENCE_BEFORE, _SENTENCE_AFTER, _TITLE_OR_HEADING, _REST_OF_PASSAGE, _QUESTION_BEFORE = 0.5, 0.35, 0.5, 0.25, 0.9
_AMOUNT_BONUS = 0.15
_ASKS_COST = 0.5
_RANK_COST = 0.03
_LENGTH_COST = 0.001
_EARLIER_QUESTION_SHARE = 0.6
_MOST_SENTENCES = 3
_NEARLY_AS_GOOD = 0.85
_LONGEST_SENTENCE = 600

_ASKS_FOR_AMOUNT = re.compile(
    r"\b(?:when|how (?:many|much|long|old|often|far|tall|big|large|late|early)|what (?:year|date|time|day|month|age"
    r"|number|amount|price|cost|percentage)|which (?:year|day|month)|until when|since when"
    r"|ποτε|ποσ\w+|τι ωρα|ποια (?:ωρα|μερα|ημερομηνια|χρονια)|ποιο (?:ετοσ|ποσο|ποσοστο)|ποιοσ αριθμοσ)\b"
)
_AMOUNT = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|dozen|hundred|thousand|million|billion|half"
    r"|δυο|τρεισ|τρια|τεσσερ\w+|πεντε|εξι|επτα|εφτα|οκτω|οχτω|εννεα|εννια|δεκα|εκατο|χιλια\w*|εκατομμυρι\w+)\b"
)
_BRACKETED_NUMBERS = re.compile(r"\s?[\[【][\d\s,;–-]{1,40}[\]】]")
_CLOSED = ".!?;…:»”\"')\u037e"
_LEADING_MARKS = re.compile(r"\A(?:[-*+•–▪◦>|]\s+|\d{1,3}[.)]\s+|#{1,6}\s+)+")


@dataclass(slots=True)
class _Sentence:
    """A sentence of a passage, and how it meets the question.

    Attributes:
        passage: The passage that it stands in.
        text: The sentence.
        found: Its folded words.
        meets: For each stem of the question, from 0 to 1, how well the sentence holds it.
        direct: Of what the question asks, the share that the sentence holds itself or by its title and heading.
        score: How well it answers, with what stands around it; more is better.
        confidence: Of what the question asks, the share that sentence and passage hold.
    """

    passage: Passage
    text: str
    found: list[str]
    meets: dict[str, float]
    direct: float = 0.0
    score: float = 0.0
    confidence: float = 0.0


def answer(request: AnswerRequest) -> str:
    """Answer from the best one to three sentences, each followed by its ``[n]``.

    Returns:
        The sentences and, in the question's language, a note that no language model wrote this; or ``[0]`` and a
        sentence when the passages do not cover the question.
    """
    request = visible_request(request)
    ranked = _ranked_sentences(request)
    if not ranked or ranked[0].confidence < _LEAST_CONFIDENCE:
        return f"{ABSTENTION_MARKER} {abstention_sentence(request.language)}"
    named = {stem(fold(word)) for word in (*names(request.question), *numbers(request.question))}
    lines: list[str] = []
    for sentence in ranked:
        line = _presentable(sentence.text)
        if lines and (_introduces(sentence) or not _adds(sentence, ranked[0], named)):
            continue
        if line and not any(line in known for known in lines):
            lines.append(f"{line} [{sentence.passage.n}]")
        if len(lines) == _MOST_SENTENCES:
            break
    return f"{' '.join(lines)}\n\n{_NOTES.get(request.language, _NOTES['english'])}"


def _adds(sentence: _Sentence, best: _Sentence, named: set[str]) -> bool:
    """Tell whether a sentence is nearly as good as the best one and speaks of the same names."""
    return (
        sentence.score >= best.score * _NEARLY_AS_GOOD
        and sentence.direct >= best.direct * _NEARLY_AS_GOOD
        and all(sentence.meets.get(word, 1.0) for word in named if best.meets.get(word))
    )


def _ranked_sentences(request: AnswerRequest) -> list[_Sentence]:
    """List the sentences of all passages, the best first."""
    question = rewrite(request.question, request.history)
    asked = words(question)
    wanted = {stem(word) for word in asked if word not in STOP_WORDS} or {stem(word) for word in asked}
    by_passage = [_sentences(passage, wanted) for passage in request.passages]
    everything = [sentence for sentences in by_passage for sentence in sentences]
    weights = rarity(wanted, [[stem(word) for word in sentence.found] for sentence in everything])
    for word in wanted.difference(informative_stems(request.question)):
        weights[word] *= _EARLIER_QUESTION_SHARE
    named = {stem(fold(word)) for word in (*names(question), *numbers(question))} & wanted
    for rank, sentences in enumerate(by_passage):
        _rate(sentences, weights, named, rank)
    if _ASKS_FOR_AMOUNT.search(" ".join(asked)):
        for sentence in everything:
            new = " ".join(word for word in sentence.found if word not in asked)
            sentence.score += _AMOUNT_BONUS if _AMOUNT.search(new) else 0.0
    return sorted(everything, key=lambda sentence: -sentence.score)


def _sentences(passage: Passage, wanted: set[str]) -> list[_Sentence]:
    """Cut a passage into sentences and see which of the wanted stems each holds."""
    texts = [passage.text[start:end] for start, end in sentence_spans(passage.text)]
    return [_Sentence(passage, text, found, _meets(found, wanted)) for text in texts if (found := words(text))]


def _meets(found: list[str], wanted: set[str]) -> dict[str, float]:
    """Say how well words hold each wanted stem: the same stem, or the same first letters."""
    stems = {stem(word) for word in found}
    beginnings = {known[:_BEGINNING_LETTERS] for known in stems if len(known) >= _BEGINNING_LETTERS}
    return {
        word: 1.0 if word in stems else _SAME_BEGINNING if word[:_BEGINNING_LETTERS] in beginnings else 0.0
        for word in wanted
    }


def _rate(sentences: list[_Sentence], weights: dict[str, float], named: set[str], rank: int) -> None:
    """Score the sentences of one passage, each with what stands around it."""
    if not sentences or not weights:
        return
    passage = sentences[0].passage
    title = _meets(words(f"{passage.title} {passage.heading or ''}"), set(weights))
    whole = {word: max(title[word], *(sentence.meets[word] for sentence in sentences)) for word in weights}
    total = sum(weights.values())
    unknown = sum(1 for word in named if not whole[word]) / max(len(named), 1)
    before: _Sentence | None = None
    for at, sentence in enumerate(sentences):
        after = sentences[at + 1] if at + 1 < len(sentences) else None
        held = direct = 0.0
        for word, weight in weights.items():
            here = max(sentence.meets[word], title[word] * _TITLE_OR_HEADING)
            share = _QUESTION_BEFORE if before and _introduces(before) else _SENTENCE_BEFORE
            earlier = before.meets[word] * share if before else 0.0
            around = max(earlier, after.meets[word] * _SENTENCE_AFTER if after else 0.0, whole[word] * _REST_OF_PASSAGE)
            direct += max(here, earlier if share == _QUESTION_BEFORE else 0.0) * weight
            held += max(here, around) * weight
        covered = sum(whole[word] * weight for word, weight in weights.items())
        sentence.direct = direct / total
        sentence.confidence = (1 - _PASSAGE_SHARE) * sentence.direct + _PASSAGE_SHARE * covered / total
        sentence.confidence -= _UNKNOWN_NAMES_COST * unknown
        sentence.score = held / total - _RANK_COST * rank - _LENGTH_COST * len(sentence.found)
        sentence.score -= _ASKS_COST if _introduces(sentence) else 0.0
        before = sentence


def _introduces(sentence: _Sentence) -> bool:
    """Tell whether a sentence is a question or a heading: what answers stands behind it."""
    if sentence.text.endswith(";"):  # a question mark in Greek, the end of a list's item elsewhere
        return any("α" <= word[0] <= "ω" for word in sentence.found)
    return sentence.text.endswith(("?", "\u037e")) or sentence.text.startswith("#")


def _presentable(sentence: str) -> str:
    """Take list marks, table bars and bracketed numbers, which would read as citations, out of a sentence."""
    text = _BRACKETED_NUMBERS.sub("", " ".join(sentence.split()))
    text = _LEADING_MARKS.sub("", text, count=1).strip(" |").replace(" | ", ", ")
    if len(text) > _LONGEST_SENTENCE:
        text = text[: text.rfind(" ", 0, _LONGEST_SENTENCE)] + " …"
    return text if not text or text[-1] in _CLOSED else text + "."
