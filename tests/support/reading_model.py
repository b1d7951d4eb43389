"""A chat model for the servers on loopback that reads: it answers from the passages of whatever prompt it is sent."""

import re
from typing import Any

from f.core.language import detect_language
from f.core.offline_answers import answer
from f.core.prompts import AnswerRequest, Passage

_PASSAGE = re.compile(r"<passage (\d+) (\w+)>\n(.*?)\n</passage \1 \2>", re.DOTALL)
_QUESTION = re.compile(r"<question (\w+)>\n(.*?)\n</question \1>", re.DOTALL)


def read_passages(messages: list[dict[str, Any]]) -> str:
    """Answer the last message's question with the sentences of its passages that fit best, each with its number."""
    text = str(messages[-1]["content"])
    passages = [_passage(int(number), block) for number, _, block in _PASSAGE.findall(text)]
    question = _QUESTION.findall(text)[-1][1]
    return answer(AnswerRequest(question, passages, [], detect_language(question)))


def _passage(number: int, block: str) -> Passage:
    """Read a block: lines about its place, an empty one, and the text."""
    about, _, text = block.partition("\n\n")
    return Passage(number, about.splitlines()[0].removeprefix("document: "), None, None, text)
