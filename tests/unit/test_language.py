# ruff: noqa: RUF001 - letters of many alphabets are meant here
"""Documents and questions get the text search configuration of their language."""

import pytest

from f.core.language import LANGUAGES, detect_language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("When does the contract end?", "english"),
        ("What is allowed", "english"),
        ("Πότε λήγει η σύμβαση;", "greek"),
        ("ποτε ληγει", "greek"),
        ("Τι είναι το Python dataclass decorator;", "greek"),
        ("Wann läuft der Mietvertrag aus?", "german"),
        ("Combien coûte la cantine ?", "french"),
        ("¿Cuánto cuesta el comedor?", "spanish"),
        ("Quanto costa la mensa?", "italian"),
        ("Quanto custa o almoço na escola?", "portuguese"),
        ("Hoeveel kost de huur van het huis?", "dutch"),
        ("När löper avtalet ut?", "swedish"),
        ("Hvornår udløber kontrakten?", "danish"),
        ("Milloin sopimus päättyy?", "finnish"),
        ("Mikor jár le a szerződés?", "hungarian"),
        ("Când expiră contractul?", "romanian"),
        ("Kira ne zaman bitiyor?", "turkish"),
        ("Когда заканчивается договор?", "russian"),
        ("Када истиче уговор који љубимо?", "serbian"),
        ("Коли закінчується договір?", "simple"),
        ("Кога изтича договорът и кой плаща?", "simple"),
        ("متى ينتهي العقد", "arabic"),
        ("قرارداد کی تمام می‌شود", "simple"),
        ("कब है", "hindi"),
        ("यो के हो", "nepali"),
        ("ווען איז דאָס", "yiddish"),
        ("מתי נגמר החוזה", "simple"),
        ("ஒப்பந்தம் எப்போது", "tamil"),
        ("Պայմանագիր", "armenian"),
        ("家賃はいくらですか", "simple"),
        ("Ile kosztuje obiad w szkole i gdzie jest?", "simple"),
        ("", "simple"),
        ("12.5 + 3 !?", "simple"),
    ],
)
def test_language_of_a_question(text: str, expected: str) -> None:
    assert detect_language(text) == expected


def test_short_latin_text_without_evidence_is_english_and_long_is_simple() -> None:
    assert detect_language("passport Maria") == "english"
    assert detect_language("Müller Straße") == "simple"
    assert detect_language("lorem ipsum dolor " * 20) == "simple"


def test_the_main_language_of_a_mixed_document_wins() -> None:
    greek, english = "Η σύμβαση λήγει στο τέλος του έτους. ", "The contract ends at the end of the year. "
    assert detect_language(greek * 5 + english) == "greek"
    assert detect_language(english * 5 + greek) == "english"


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    assert detect_language("The house is on the hill. " * 1000 + "Το σπίτι. " * 100_000) == "english"


def test_every_answer_is_a_known_configuration() -> None:
    assert len(LANGUAGES) == len(set(LANGUAGES)) == 29
    assert {detect_language(text) for text in ("Das ist es", "Ça va", "x", "文", "ё")} <= set(LANGUAGES)
