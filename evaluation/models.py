"""The embedding models that can be evaluated: those of the project's own providers, and a local sentence-transformers.

What our providers embed goes through ``f.core.embedding``, as in production. Vectors can be kept in a file, so that a
second evaluation pays for nothing twice.
"""

import hashlib
import os
import sqlite3
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from f.core.ai_settings import AiSettings, ModelSettings, ProviderKeys, parse_ai_settings
from f.core.ai_settings import Provider as OwnProvider
from f.core.embedding import EMBEDDING_DIMENSION, Purpose, Vectors, embed_texts
from f.core.hidden_text import visible_text
from local.settings import OFFLINE_SETTINGS

PROVIDERS = ("offline", "cohere", "openai_compatible", "sentence_transformers")
DEFAULT_MODELS = {"offline": OFFLINE_SETTINGS["embed"]["model"], "cohere": "embed-v4.0"}
_RERANKERS = {"cohere": "rerank-v3.5"}
_CHAT = {"cohere": "openai/gpt-oss-120b"}
_OWN: dict[str, OwnProvider] = {"offline": "offline", "cohere": "cloud", "openai_compatible": "openai_compatible"}
_SECONDS = 120.0
_TEXTS_AT_ONCE = 960


class ModelError(ValueError):
    """A model cannot be used as it was asked for."""


@dataclass(frozen=True, slots=True)
class ChosenModels:
    """What is evaluated.

    Attributes:
        provider: One of ``PROVIDERS``.
        settings: The same as the project's scripts know it; of ``sentence_transformers`` only the model's name counts.
        keys: From the environment: ``COHERE_API_KEY`` and, to answer, ``GROQ_API_KEY``; ``OPENAI_API_KEY`` for a server
            that wants one.
        cache: A folder for vectors, or None.
    """

    provider: str
    settings: AiSettings
    keys: ProviderKeys = field(repr=False)
    cache: Path | None = None

    @property
    def name(self) -> str:
        """The id of the embedding model."""
        return self.settings.embed.model

    @property
    def own(self) -> bool:
        """Whether the project's own providers reach the model, so that members' scripts can be run with it."""
        return self.provider in _OWN

    def embed(self, texts: Sequence[str], purpose: Purpose) -> Vectors:
        """Return a vector of 1024 numbers for each text, from the file where it is kept."""
        if self.cache is None:
            return self._made(list(texts), purpose)
        with _KeptVectors(self.cache, f"{self.provider}\n{self.name}\n{purpose}") as kept:
            missing = [text for text in dict.fromkeys(texts) if kept.find(text) is None]
            for start in range(0, len(missing), _TEXTS_AT_ONCE):
                some = missing[start : start + _TEXTS_AT_ONCE]
                kept.keep(some, self._made(some, purpose))
            return [kept.get(text) for text in texts]

    def embed_documents(self, texts: list[str]) -> Vectors:
        """Embed what is to be found."""
        return self.embed(texts, "document")

    def embed_questions(self, questions: Sequence[str]) -> Vectors:
        """Embed what is asked, as ``search`` does."""
        return self.embed([visible_text(question) for question in questions], "query")

    def _made(self, texts: list[str], purpose: Purpose) -> Vectors:
        """Ask the model."""
        if self.provider == "sentence_transformers":
            return _sentence_transformer(self.name)(texts)
        return embed_texts(texts, purpose, self.settings, self.keys).vectors


def chosen_models(
    provider: str,
    model: str | None = None,
    base_url: str | None = None,
    cache: Path | None = None,
    chat: ModelSettings | None = None,
) -> ChosenModels:
    """Check what was asked for, before anything is measured.

    Args:
        provider: One of ``PROVIDERS``.
        model: The embedding model; some providers have a default.
        base_url: Where it is served.
        cache: A folder for vectors.
        chat: The model that answers; by default the provider's, served where the embedding model is.

    Raises:
        ModelError: When the provider is unknown, or a model, an address, a key or a package is missing.
    """
    if provider not in PROVIDERS:
        raise ModelError(f"The provider must be one of {', '.join(PROVIDERS)}.")
    name = model or DEFAULT_MODELS.get(provider)
    if name is None:
        raise ModelError(f"The provider {provider} needs --model.")
    if provider == "openai_compatible" and not base_url:
        raise ModelError("The provider openai_compatible needs --base-url, such as http://localhost:11434/v1.")
    keys = ProviderKeys(
        cohere=os.environ.get("COHERE_API_KEY", ""),
        groq=os.environ.get("GROQ_API_KEY" if provider == "cohere" else "OPENAI_API_KEY", ""),
    )
    if provider == "cohere" and not keys.cohere:
        raise ModelError("The provider cohere needs the environment variable COHERE_API_KEY.")
    if provider == "sentence_transformers":
        _sentence_transformer(name)
    reranker = _RERANKERS.get(provider)
    if provider == "offline":
        return ChosenModels(provider, parse_ai_settings(dict(OFFLINE_SETTINGS)), keys, cache)
    settings = AiSettings(
        provider=_OWN.get(provider, "offline"),
        embed=ModelSettings(name, base_url),
        chat=chat or ModelSettings(_CHAT.get(provider, name), base_url if provider == "openai_compatible" else None),
        rerank=ModelSettings(reranker, base_url) if reranker else None,
        deadline_seconds=_SECONDS,
        search_deadline_seconds=_SECONDS,
    )
    return ChosenModels(provider, settings, keys, cache)


_loaded: dict[str, Callable[[list[str]], Vectors]] = {}


def _sentence_transformer(name: str) -> Callable[[list[str]], Vectors]:
    """Load a local model once.

    Its vectors are made as long as the database's columns by zeros, which change no cosine; longer ones are refused.
    """
    if name in _loaded:
        return _loaded[name]
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - it takes seconds, and is not installed
    except ImportError:
        raise ModelError(
            "The provider sentence_transformers needs a package that is large and therefore installed separately:"
            " .venv/bin/uv pip install --python .venv-measure/bin/python sentence-transformers"
        ) from None
    model = SentenceTransformer(name)
    dimension = int(model.get_sentence_embedding_dimension() or 0)
    if dimension > EMBEDDING_DIMENSION:
        raise ModelError(f"The model {name} makes vectors of {dimension} numbers; at most {EMBEDDING_DIMENSION} fit.")

    def embed(texts: list[str]) -> Vectors:
        """Embed and fill up."""
        vectors = model.encode(texts, normalize_embeddings=True, show_progress_bar=False)
        return [[*map(float, vector), *[0.0] * (EMBEDDING_DIMENSION - dimension)] for vector in vectors]

    _loaded[name] = embed
    return embed


class _KeptVectors:
    """Vectors in a file of SQLite, by model, purpose and text."""

    def __init__(self, folder: Path, model: str) -> None:
        """Open the file, or make it."""
        folder.mkdir(parents=True, exist_ok=True)
        self._connection = sqlite3.connect(folder / "vectors.sqlite")
        self._connection.execute("CREATE TABLE IF NOT EXISTS vectors (key TEXT PRIMARY KEY, vector BLOB NOT NULL)")
        self._model = model

    def __enter__(self) -> "_KeptVectors":
        """Nothing more to open."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file; what was kept is kept even if what came after has failed."""
        self._connection.close()

    def find(self, text: str) -> list[float] | None:
        """Return the vector of a text, or None."""
        row = self._connection.execute("SELECT vector FROM vectors WHERE key = ?", (self._key(text),)).fetchone()
        return None if row is None else list(array("f", row[0]))

    def get(self, text: str) -> list[float]:
        """Return the vector of a text that is there."""
        vector = self.find(text)
        assert vector is not None
        return vector

    def keep(self, texts: Sequence[str], vectors: Vectors) -> None:
        """Keep vectors."""
        rows = [(self._key(text), array("f", vector).tobytes()) for text, vector in zip(texts, vectors, strict=True)]
        with self._connection:
            self._connection.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?)", rows)

    def _key(self, text: str) -> str:
        """Name a text."""
        return hashlib.sha256(f"{self._model}\n{text}".encode()).hexdigest()
