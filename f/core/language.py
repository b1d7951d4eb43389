# ruff: noqa: RUF001 - letters of many alphabets are meant here
"""Tells in which language a text is written, as PostgreSQL's text search names it.

Shared module, pure. By alphabet first, then by the small words that every sentence needs. It reads the first 20,000
characters.
"""

import re

from f.core.hidden_text import visible_text
from f.core.words import STOP_WORDS, WORD, fold

LANGUAGES = (
    "simple", "arabic", "armenian", "basque", "catalan", "danish", "dutch", "english", "finnish", "french", "german",
    "greek", "hindi", "hungarian", "indonesian", "irish", "italian", "lithuanian", "nepali", "norwegian", "portuguese",
    "romanian", "russian", "serbian", "spanish", "swedish", "tamil", "turkish", "yiddish",
)  # fmt: skip
"""The text search configurations that every PostgreSQL from 15 on has; ``simple`` only lowers the case."""

_SAMPLE_CHARACTERS = 20_000
_SHORT_WORDS = 12
_LEAST_SHARE = 0.06
"""Running text of a known language has a quarter of its words in the lists below; foreign text hits some by chance."""

_ALPHABETS = {
    "latin": re.compile(r"[A-Za-z\u00c0-\u024f\u1e00-\u1eff]+"),
    "greek": re.compile(r"[\u0370-\u03ff\u1f00-\u1fff]+"),
    "cyrillic": re.compile(r"[\u0400-\u052f]+"),
    "arabic": re.compile(r"[\u0600-\u06ff\u0750-\u077f]+"),
    "hebrew": re.compile(r"[\u0590-\u05ff]+"),
    "armenian": re.compile(r"[\u0530-\u058f]+"),
    "devanagari": re.compile(r"[\u0900-\u097f]+"),
    "tamil": re.compile(r"[\u0b80-\u0bff]+"),
    "other": re.compile(r"[\u0980-\u0b7f\u0c00-\u1cff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+"),
}

_SMALL_WORDS = {
    "english": """the of and to in is that it for was with as his on be at by this had not are but from or have an
        they which one you were her all she there would their we him been has when who will more no if
        out so what up its about than them can only other how where why does did do my your our should
        could much many tell""",
    "simple": """się nie że jest są czy jak dla przez który która jego co kiedy gdzie ile oraz lub jsem jsou není
        který která které když kde kolik ale také není sú ako kedy koľko dhe është për që nuk një janë
        kur sa je su li koji koja kada gdje što biti ja ei on see mis kus millal kui palju oma""",
    "german": """der die das und ist nicht ein eine einer einem einen zu den dem des mit von im auf für sich auch
        es an werden aus er hat dass sie nach wird bei wie war ich wir ihr mein meine unser was wer wo
        wann warum welche welcher welches kann oder aber noch nur über sind haben vom zum zur wieviel
        gibt""",
    "french": """le la les de des du et est un une en que qui dans pour pas sur au avec il elle nous vous ne ce
        cette sont par plus ou se sa son ses leur mais comme aux quel quelle quels quelles où quand
        combien pourquoi comment être avoir était ont je mon ma mes notre votre quoi""",
    "spanish": """el la los las de del y es un una en que por para con no se su sus al lo como más pero fue son
        está qué cuál cuáles cuándo dónde cuánto cuánta cuántos cómo quién hay tiene mi nuestro ha este
        esta entre sobre también ser muy porque cuando""",
    "italian": """il lo la i gli le di del della dei delle e è un una in che per con non si su al alla sono come
        più ma da dal dalla nel nella questo questa quale quali quando dove quanto quanti quanta perché
        chi cosa mio mia nostro ha hanno anche essere era ed o""",
    "portuguese": """o a os as de do da dos das e é um uma em no na nos nas que por para com não se ao à mais mas foi
        são está qual quais quando onde quanto quantos como quem porquê porque meu minha nosso tem há
        também ser pelo pela você isso muito""",
    "dutch": """de het een en van is in op dat niet te zijn met voor die er aan ook als maar om bij naar uit wat
        wie waar wanneer waarom hoe hoeveel welke kan heeft hebben wordt werd ik wij mijn onze je nog
        geen dit door over zich""",
    "catalan": """el la els les de del dels i és un una en que per amb no es al com més però són què quan on quant
        quina quin aquest aquesta també hi ha seva seu meva nostre perquè ser està""",
    "danish": """og i det at en den til er som på de med af for ikke der var et jeg han har om fra vi kan hvad
        hvor hvornår hvem hvilken hvilke hvordan hvorfor mange være blev skal vores min mit eller også
        når""",
    "norwegian": """og i det er på en som at til av for ikke med den har de et jeg var han om fra vi kan hva hvor
        når hvem hvilken hvilke hvordan hvorfor mange være ble skal vår min mitt eller også etter""",
    "swedish": """och i att det en som på är av för med den till inte har de ett om var jag han från vi kan vad
        när vem vilken vilket vilka hur varför många vara blev ska vår min mitt eller också efter""",
    "finnish": """ja on ei se että hän oli ovat joka mutta kun niin myös kuin tai mikä mitä missä milloin kuka
        kuinka paljon miksi miten minun meidän ole olla tämä sen jos vain voi""",
    "hungarian": """a az és hogy nem is egy ez van volt meg csak de ki mit mi mikor hol hogyan miért mennyi melyik
        hány vagy mint már még ha lehet minden azt el""",
    "romanian": """și în de la cu pe nu este un o care să din că mai sunt pentru ce când unde cât câți care cine
        cum de al ale lui a fost sau dar dacă am are ai noastră meu""",
    "turkish": """ve bir bu da de için ile ne çok mi mı değil olarak olan daha gibi var kadar nerede zaman nasıl
        neden kim kaç hangi benim bizim ya veya ama en sonra yok""",
    "indonesian": """yang dan di ini itu dengan untuk dari adalah tidak dalam pada ke ada akan apa kapan mana berapa
        siapa bagaimana mengapa saya kami kita juga atau oleh sudah bisa telah""",
    "irish": """agus an na ar is tá bhí ní go le do sé sí mé a cad cén conas cá cathain níl atá gur mar leis don
        den ag seo sin""",
    "basque": """eta da ez bat du dira hau zen ere egin izan dute zer non noiz nor nola zergatik zenbat baina edo
        dago den duen bere horrek""",
    "lithuanian": """ir yra kad su į ne tai kaip iš buvo bet jis ji mes kas kur kada kodėl kiek kuris ar už prie apie
        per bus mano mūsų dar tik""",
}  # simple: Polish, Czech, Slovak, Albanian, Croatian and Estonian, for which PostgreSQL has no configuration
_SERBIAN_LETTERS = re.compile(r"[ђјљњћџЂЈЉЊЋЏ]")
_NOT_RUSSIAN_LETTERS = re.compile(r"[їєґіўѓќЇЄҐІЎЃЌ]")
_NOT_ARABIC_LETTERS = re.compile(r"[پچژگکی]")
_OTHER_SMALL_WORDS = {
    "russian": "и в не на что как это с по для от он она был из то за где когда сколько кто почему мой наш или чем",
    "bulgarian": "и в не на че това са ще с по за от се съм който която които къде кога колко кой защо мой или към",
    "hindi": "है हैं में की और का के को से ने पर यह था क्या कब कहाँ कौन कितना मेरा नहीं",
    "nepali": "छ छन् र को मा हुन्छ भएको गर्न पनि यो के कहाँ कति कहिले मेरो थियो छैन लाई हो",
    "yiddish": "און איז די דער דאס אין צו פון נישט איך מיט אויף וואס ווען ווי זענען האט",
}


def _by_word(lists: dict[str, str]) -> dict[str, list[str]]:
    """Turn word lists into the languages of each word."""
    table: dict[str, list[str]] = {}
    for language, listed in lists.items():
        for word in dict.fromkeys(listed.split()):
            table.setdefault(word, []).append(language)
    return table


_LATIN_TABLE = _by_word(_SMALL_WORDS)


def told_language(text: object) -> str | None:
    """Return the language that a text shows, or None when it shows none (or is no text)."""
    detected = detect_language(visible_text(text[:_SAMPLE_CHARACTERS])) if isinstance(text, str) else "simple"
    return None if detected == "simple" else detected


def detect_language(text: str) -> str:
    """Name the PostgreSQL text search configuration that fits a text best.

    A mixed text gets the language of its small words: a Greek question full of English names is Greek.

    Args:
        text: A document or a question; three words are enough where one of them is a small word.

    Returns:
        One of ``LANGUAGES``. Latin text without evidence is ``english`` where it is short (its stemmer does little
        harm, and names and keywords are mostly asked for in it) and ``simple`` where it is long; so is text without
        letters.
    """
    sample = text[:_SAMPLE_CHARACTERS]
    letters = {"latin": 1} if sample.isascii() else _letters(sample)
    alphabet = max(letters, key=lambda name: letters[name])
    if not letters[alphabet]:
        return "simple"
    found = [word.lower() for word in WORD.findall(sample)]
    if alphabet == "latin":
        language, hits = _latin(found)
        greek = sum(1 for word in found if "\u0370" <= word[0] <= "\u1fff" and fold(word) in STOP_WORDS)
        return "greek" if greek and greek >= hits else language
    if alphabet in {"greek", "armenian", "tamil"}:
        return alphabet
    return _by_letters_and_words(alphabet, sample, found)


def _letters(sample: str) -> dict[str, int]:
    """Count the letters of each alphabet."""
    return {name: sum(map(len, pattern.findall(sample))) for name, pattern in _ALPHABETS.items()}


def _latin(found: list[str]) -> tuple[str, int]:
    """Choose among the languages in Latin letters, and say how many small words speak for it.

    A word that several languages share counts for each of them in part.
    """
    weights: dict[str, float] = {}
    hits: dict[str, int] = {}
    for word in found:
        languages = _LATIN_TABLE.get(word, ())
        for language in languages:
            weights[language] = weights.get(language, 0.0) + 1 / len(languages)
            hits[language] = hits.get(language, 0) + 1
    alphabetic = sum(1 for word in found if word[0].isalpha())
    fallback = "english" if 0 < alphabetic < _SHORT_WORDS and all(map(str.isascii, found)) else "simple"
    if not weights:
        return fallback, 0
    best = max(weights, key=lambda language: (weights[language], language == "english"))
    if alphabetic >= _SHORT_WORDS and hits[best] < alphabetic * _LEAST_SHARE:
        return "simple", hits[best]
    return best, hits[best]


def _by_letters_and_words(alphabet: str, sample: str, found: list[str]) -> str:
    """Choose among the languages of an alphabet that is neither Latin nor one language's own."""
    hits = {name: sum(1 for word in found if word in listed.split()) for name, listed in _OTHER_SMALL_WORDS.items()}
    if alphabet == "cyrillic":
        if _SERBIAN_LETTERS.search(sample):
            return "serbian"
        foreign = _NOT_RUSSIAN_LETTERS.search(sample) or hits["bulgarian"] > hits["russian"]
        return "simple" if foreign else "russian"
    if alphabet == "devanagari":
        return "nepali" if hits["nepali"] > hits["hindi"] else "hindi"
    if alphabet == "arabic":
        return "simple" if _NOT_ARABIC_LETTERS.search(sample) else "arabic"
    return "yiddish" if alphabet == "hebrew" and hits["yiddish"] else "simple"
