"""Real text to put into files: passages of XQuAD in English and Greek, and what a document keeps of them."""

import json
from functools import cache

import pytest

from f.core.clean_text import clean
from tests.support.evaluation_data import DATA


@cache
def passages(language: str) -> tuple[str, ...]:
    """Return all passages in a language, as a document keeps them, with single spaces."""
    path = DATA / "xquad" / f"{language}.passages.jsonl"
    if not path.exists():
        pytest.skip(f"the evaluation data is not there: {path}")
    lines = path.read_text(encoding="utf-8").splitlines()
    return tuple(" ".join(clean(json.loads(line)["text"]).split()) for line in lines)
