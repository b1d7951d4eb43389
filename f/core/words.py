# ruff: noqa: RUF001 - Greek letters are meant here
"""Words as retrieval without a model sees them: found, folded, stemmed, and told apart from stop words.

Shared module, pure. It is light on purpose: the stems only have to make two forms of a word meet, in English and in
Greek, and cost nothing to load. PostgreSQL's own dictionaries do the same work inside the database.
"""

import re
from functools import lru_cache
from unicodedata import combining, normalize

import f.core.errors  # noqa: F401 -- refuses to run as a script

WORD = re.compile(r"\d+(?:[.,:/]\d+)+|\w[\w\u0300-\u036f\u0900-\u0dff]*")
"""A number with its separators, or a run of letters, digits and combining marks."""

STOP_WORDS = frozenset(
    """
    a about above after again against all also am an and any are as at be because been before being below between both
    but by can could did do does doing down during each few for from further had has have having he her here hers him
    his how i if in into is it its itself just let me more most my no nor not now of off on once only or other our ours
    out over own please same she should so some such tell than that the their theirs them then there these they this
    those through to too under until up us very was we were what when where which while who whom whose why will with
    would you your yours s t don didn doesn isn ll re ve many much
    αλλα αν αντι απο ας αυτα αυτεσ αυτη αυτην αυτησ αυτο αυτοι αυτον αυτοσ αυτου αυτουσ αυτων αφου για γιατι δε δεν δια
    ε εαν εγω εδω ειμαι ειμαστε ειναι εισαι ειστε εκει εκεινα εκεινη εκεινο εκεινοι εκεινοσ εκεινων ενα εναν ενασ ενοσ
    εμεισ εσεισ επι επισησ εστω εσυ ετσι ειχα ειχαν ειχε εχει εχεισ εχετε εχουμε εχουν εχω η ηδη ημουν ηταν θα ι ιδια
    ιδιο ιδιοσ καθε και κατα καποια καποιο καποιοσ κι λοιπον μα μαζι μασ με μεν μεσα μεσω μετα μεχρι μη μην μια μιασ
    μου μπορει μπορεισ μπορουμε μπορουν μπορω να ο οι ολα ολη ολο ολοι ολοσ ολων ομωσ οποια οποιο οποιοι οποιον οποιοσ
    οποιου οποιων οποτε οπου οπωσ οσα οσεσ οση οσο οσοι οσοσ οτι οταν ουτε οχι παρα περι πιο πια ποια ποιαν ποιασ ποιεσ
    ποιο ποιοι ποιον ποιοσ ποιου ποιουσ ποιων που ποσα ποσεσ ποση ποσησ ποσο ποσοι ποσον ποσοσ ποσουσ ποσων ποτε πρεπει
    πριν προσ πρωσ πωσ σαν σασ σε σου στα στη στην στησ στισ στο στον στου στουσ στων συ τα τε τετοια τετοιο τετοιοσ τη
    την τησ τι τινα τισ το τον τοσο τοτε του τουσ των υπο υπηρχαν υπηρχε υπαρχει υπαρχουν χωρισ ω ωσ ωστε
    """.split()  # noqa: SIM905 - a list of hundreds of quoted words could not be read
)
"""Folded words of English and Greek that say nothing about what a text deals with, question words among them."""

_GREEK_ENDINGS = tuple(
    sorted(
        """
        ησουν ομασταν οσασταν ονταν ουμε ουνε ατων ματα ματοσ ματων εισ ουν ουσ ων ησ οσ ασ εσ ου οι αι ει α η ο ι υ ω
        ον αν εν ιν ηκαν ηκε ηθηκε ηθηκαν ηθει ησε ησαν ησει ησουν εται ονται οταν ιεται ουνται ουσαν ουσε αμε ατε ετε
        ειτε αει ισ ιστηκε ιστει εωσ εων ιου ιων ια ιασ ιο ιον ιεσ ιοι ιουσ ιοσ εια ειασ ειεσ ειο ειου ειων
        ειοσ ικη ικο ικοσ ικησ ικου ικων ικα ικοι ικεσ
        """.split(),  # noqa: SIM905 - as above
        key=len,
        reverse=True,
    )
)

_ENGLISH_ENDINGS = (
    ("ational", "ate"), ("ization", "ize"), ("fulness", "ful"), ("ousness", "ous"), ("iveness", "ive"),
    ("ments", ""), ("ment", ""), ("ness", ""), ("ingly", ""), ("ings", ""), ("ing", ""), ("edly", ""), ("ied", "y"),
    ("ies", "y"), ("ers", ""), ("er", ""), ("ed", ""), ("ly", ""), ("sses", "ss"), ("es", ""), ("s", ""), ("e", ""),
)  # fmt: skip

_LEAST_STEM = 3
_SENTENCE_ENDS = re.compile(r"[.!?;:\n\u037e]")


@lru_cache(maxsize=1 << 16)
def fold(word: str) -> str:
    """Fold case, accents and compatibility forms (``Άδεια`` and ``ΑΔΕΙΑ`` become ``αδεια``)."""
    if word.isascii():
        return word.lower()
    return "".join(mark for mark in normalize("NFKD", word.casefold()) if not combining(mark)).casefold()


@lru_cache(maxsize=1 << 16)
def stem(folded: str) -> str:
    """Cut a folded word to what its forms have in common; numbers and short words stay as they are."""
    if len(folded) <= _LEAST_STEM or not folded[0].isalpha():
        return folded
    if "α" <= folded[0] <= "ω":
        for ending in _GREEK_ENDINGS:
            if folded.endswith(ending) and len(folded) - len(ending) >= _LEAST_STEM:
                return folded[: -len(ending)]
        return folded
    for ending, instead in _ENGLISH_ENDINGS:
        if folded.endswith(ending) and len(folded) - len(ending) + len(instead) >= _LEAST_STEM:
            if ending == "s" and folded.endswith(("ss", "us", "is")):
                return folded
            base = folded[: len(folded) - len(ending)] + instead
            doubled = len(base) > _LEAST_STEM and base[-1] == base[-2] and base[-1] not in "lsz"
            return base[:-1] if doubled and ending in {"ing", "ed", "er", "ers"} else base
    return folded


def words(text: str) -> list[str]:
    """List the folded words of a text in order, stop words included."""
    return [fold(word) for word in WORD.findall(text)]


def informative_stems(text: str) -> list[str]:
    """List the stems of the words that are not stop words, in order, with repetitions."""
    return [stem(word) for word in words(text) if word not in STOP_WORDS]


def count_tokens(text: str) -> int:
    """Estimate tokens as a quarter of the UTF-8 bytes, rounded up: fair for English and Greek without a tokenizer."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // 4)


def names(text: str) -> list[str]:
    """List what looks like a name: words with a capital that do not open a sentence and are no stop words."""
    found: list[str] = []
    before = 0
    for match in WORD.finditer(text):
        opens = before == 0 or _SENTENCE_ENDS.search(text, before, match.start()) is not None
        if match.group()[0].isupper() and not opens and fold(match.group()) not in STOP_WORDS:
            found.append(match.group())
        before = match.end()
    return found


def numbers(text: str) -> list[str]:
    """List the words that begin with a digit, as they stand."""
    return [word for word in WORD.findall(text) if word[0].isdigit()]
