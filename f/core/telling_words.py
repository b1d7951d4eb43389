"""The words that tell what a text is about: what is looked for when a document itself is the question.

Shared module, pure.
"""

from collections import Counter

from f.core.hidden_text import visible_text
from f.core.words import STOP_WORDS, WORD, fold, stem

MOST_WORDS = 20
"""What ranking costs grows with the words that are looked for."""
READ_CHARACTERS = 50_000
"""Of a longer text its beginning tells what it is about."""
_TITLE_COUNTS = 3
_LEAST_LETTERS = 3


def telling_words(title: str, content: str) -> str:
    """Return the words that occur most often, those of the title counting more, joined by spaces.

    Forms of a word count as one, of which the first stands for all; stop words, short words and numbers do not count.
    Words that occur as often as each other are in the order of the text. A text without words gives an empty one.
    """
    counts: Counter[str] = Counter()
    forms: dict[str, str] = {}
    for text, weight in ((title, _TITLE_COUNTS), (content[:READ_CHARACTERS], 1)):
        for word in WORD.findall(visible_text(text)):
            folded = fold(word)
            if len(folded) >= _LEAST_LETTERS and not folded[0].isdigit() and folded not in STOP_WORDS:
                base = stem(folded)
                counts[base] += weight
                forms.setdefault(base, word)
    return " ".join(forms[base] for base, _ in counts.most_common(MOST_WORDS))
