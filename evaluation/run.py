"""What the parts of one evaluation share: the stage with the sets in it, the models, and where results go."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from evaluation.data import EvaluationSet, Question
from evaluation.jobs import Member
from evaluation.models import ChosenModels
from evaluation.stage import Stage, StoredSet, embed_stored
from f.core.database import Database
from f.core.retrieval import Query, Ranked


@dataclass(frozen=True)
class Run:
    """One evaluation.

    Attributes:
        stage: The database.
        database: Its connection as the members' login.
        sets: What is measured.
        whole: The same with all their questions, from which conversations are made.
        models: The embedding model, and those that rerank and answer.
        folder: Where plots and results go.
    """

    stage: Stage
    database: Database
    sets: list[EvaluationSet]
    whole: list[EvaluationSet]
    models: ChosenModels
    folder: Path
    _by_words: dict[str, list[list[Ranked]]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def stored(self) -> list[StoredSet]:
        """The sets in the database, without vectors until a part needs them."""
        return [self.stage.store(self.database, chosen) for chosen in self.sets]

    @cached_property
    def embedded(self) -> list[StoredSet]:
        """The same with vectors."""
        for stored in self.stored:
            embed_stored(stored, self.models.embed_documents, self.models.name)
        return self.stored

    def vectors(self, stored: StoredSet) -> list[list[float]]:
        """Embed a set's questions."""
        return self.models.embed_questions([question.text for question in stored.chosen.questions])

    def member(self, stored: StoredSet, question: Question) -> Member:
        """Return the adult who asks a question."""
        return Member(self.database, stored.tenants[question.tenant].caller, self.models.settings, self.models.keys)

    def legs(self, stored: StoredSet, vectors: list[list[float]]) -> tuple[list[list[Ranked]], list[list[Ranked]]]:
        """Search by words alone, and by vectors alone."""
        return self.by_words(stored), self.search(stored, [""] * len(vectors), vectors)

    def by_words(self, stored: StoredSet) -> list[list[Ranked]]:
        """Search by words alone; once, for all parts."""
        name = stored.chosen.name
        if name not in self._by_words:
            questions = stored.chosen.questions
            self._by_words[name] = stored.search([Query(question.text, None, "") for question in questions])
        return self._by_words[name]

    def search(self, stored: StoredSet, texts: Sequence[str], vectors: Sequence[list[float]]) -> list[list[Ranked]]:
        """Search by words and vectors, as the model's settings say and without reranking; "" leaves the words out."""
        settings = self.models.settings
        return stored.search(
            [
                Query(text, vector, self.models.name, settings.minimum_similarity, settings.vector_weight)
                for text, vector in zip(texts, vectors, strict=True)
            ]
        )
