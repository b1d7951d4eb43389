"""An answer that is given again is what would be answered now, whatever happened since it was given, and to whom.

Random tenants, members, documents and changes, as in ``test_sight_property``. What a model would be shown stands for
its answer: passages, their places and scores, titles and texts. Changes come between questions, before the passages
are looked for, and while the model answers. The same stories are told at every run.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from f.core.ai_settings import AiSettings, ModelSettings
from f.core.answer_cache import PLACES, find_answer, keep_answer
from f.core.answering import Completion
from f.core.database import Transaction
from f.core.identity import Caller
from f.core.retrieval import Hit, Query, SearchFilter, load_passages, rank_passages
from tests.database.sight_model import Document, Tenant
from tests.database.sight_stage import MODEL, Given, Paper, Stage, Who, in_a_job, vector_of
from tests.database.sight_steps import GIVEN, ONE, SMALL, SOME_WORDS, STEP, Step, StepInTenant, StepOnDocument
from tests.database.test_enter_tenant import open_app
from tests.database.test_sight_property import told
from tests.database.worlds import APP, World

STORIES = 150
SETTINGS = AiSettings("offline", ModelSettings(MODEL), ModelSettings("m"), answer_cache_seconds=3600)
PLAIN = Paper((("harbour",),), "everyone", None, None, True)


@dataclass(frozen=True)
class Retitle(StepOnDocument):
    """A document gets another title."""

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """By the superuser, who writes nothing else."""
        stage.superuser.execute(
            "UPDATE documents SET title = title || '!' WHERE tenant_id = %s AND id = %s", (tenant.id, document.id)
        )


@dataclass(frozen=True)
class Misspell(StepOnDocument):
    """A passage of a document is written otherwise, and nothing but the passage."""

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """By the superuser; its words are those that it had."""
        stage.superuser.execute(
            "UPDATE document_chunks SET content = upper(content)"
            " WHERE tenant_id = %s AND document_id = %s AND ordinal = 0",
            (tenant.id, document.id),
        )


@dataclass(frozen=True)
class EmbedAgain(StepOnDocument):
    """A passage gets another vector, and nothing but that."""

    words: tuple[str, ...]

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """By the operators' work in the background, as it stores a batch."""
        with stage.database.transaction(Caller(tenant.id, None, "system")) as transaction:
            transaction.execute(
                "UPDATE document_chunks SET embedding = %s::halfvec, embedding_model = %s"
                " WHERE tenant_id = %s AND document_id = %s AND ordinal = 0",
                (str(vector_of(self.words)), MODEL, tenant.id, document.id),
            )


@dataclass(frozen=True)
class Loosen(StepOnDocument):
    """A passage is removed from its document."""

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """By the superuser."""
        stage.superuser.execute(
            "DELETE FROM document_chunks WHERE tenant_id = %s AND document_id = %s AND ordinal = 0",
            (tenant.id, document.id),
        )
        document.embedded = True  # what is left of it, so that nobody waits for a vector of what is gone


@dataclass(frozen=True)
class Nothing(StepInTenant):
    """Nothing happens."""

    def do(self, stage: Stage) -> None:
        """Nothing."""


EDIT = st.one_of(
    st.builds(Retitle, ONE, SMALL),
    st.builds(Misspell, ONE, SMALL),
    st.builds(EmbedAgain, ONE, SMALL, SOME_WORDS),
    st.builds(Loosen, ONE, SMALL),
)
HAPPENING = st.one_of(st.builds(Nothing, ONE), st.builds(Nothing, ONE), EDIT, STEP)


@dataclass(frozen=True)
class Asking:
    """A question, and what happens before its passages are looked for, while it is answered, and after it."""

    who: int
    words: tuple[str, ...]
    with_vector: bool
    before: Step
    meanwhile: Step
    after: Step


WHO = (Who(0, 0), Who(0, 1), Who(0, 2), Who(0, 1, "teen"), Who(0, None), Who(0, None, "admin"), Who(1, 1))
ASKING = st.builds(
    Asking, st.sampled_from([0, 0, 1, 1, 2, 3, 4, 5, 6]), st.sampled_from([("harbour",), ("harbour", "meadow")]),
    st.booleans(), HAPPENING, HAPPENING, HAPPENING,
)  # fmt: skip


@pytest.fixture
def stage(world: World) -> Iterator[Stage]:
    database = open_app(world.dsn(APP))
    with world.connected("postgres") as superuser:
        yield Stage(superuser, database, frozenset())
    database.connection.close()


def test_an_answer_that_is_given_again_is_what_would_be_answered_now(stage: Stage) -> None:
    @told(STORIES)
    @given(st.tuples(GIVEN, GIVEN), st.lists(ASKING, min_size=2, max_size=6))
    def holds(begin: Sequence[Given], askings: list[Asking]) -> None:
        def story() -> None:
            stage.begin(begin)
            for asking in askings:
                ask(stage, asking)
                asking.after.do(stage)
            nothing = Nothing(0)
            for asking in askings * 2:  # whatever was kept is looked for once more, and then what is kept now
                ask(stage, Asking(asking.who, asking.words, asking.with_vector, nothing, nothing, nothing))

        in_a_job(story)

    holds()

    assert stage.tally["given again"] > STORIES
    assert stage.tally["not given again"] > STORIES
    assert stage.tally["changed while it was answered"] > STORIES / 10


def ask(stage: Stage, asking: Asking) -> None:
    """Ask as ``chat`` does: look for an answer, then for passages, and keep what was answered from these."""
    tenant, caller = stage.caller(WHO[asking.who])
    if isinstance(tenant.enter(caller), type):
        return
    question = f"{' '.join(asking.words)} {asking.with_vector}"
    with stage.database.transaction(caller) as transaction:
        place, known = find_answer(transaction, question, SearchFilter(), None, SETTINGS)
        if known:
            stage.tally["given again"] += 1
            assert (known.completion.text, texts(known.hits)) == shown(transaction, asking)
    if known:
        return
    stage.tally["not given again"] += 1
    asking.before.do(stage)
    if isinstance(tenant.enter(caller), type):
        return
    with stage.database.transaction(caller) as transaction:
        answer, _ = shown(transaction, asking)
        hits = passages(transaction, asking)
    asking.meanwhile.do(stage)
    if isinstance(tenant.enter(caller), type):
        return
    with stage.database.transaction(caller) as transaction:
        stage.tally["changed while it was answered"] += shown(transaction, asking)[0] != answer
        keep_answer(transaction, place, Completion(answer, "m", "offline", 0, 0), hits, SETTINGS)


def passages(transaction: Transaction, asking: Asking) -> list[Hit]:
    """Find the passages that a model would be given."""
    vector = vector_of(asking.words) if asking.with_vector else None
    return load_passages(
        transaction, rank_passages(transaction, Query(" ".join(asking.words), vector, MODEL), SearchFilter())
    )


def shown(transaction: Transaction, asking: Asking) -> tuple[str, list[str]]:
    """Tell what a model would be shown, with scores; and its passages alone."""
    hits = passages(transaction, asking)
    scores = [(hit.ranked.score, hit.ranked.covered, hit.ranked.similarity) for hit in hits]
    return json.dumps([scores, texts(hits)]), texts(hits)


def texts(hits: Sequence[Hit]) -> list[str]:
    """Write passages out, with all that is said of them."""
    return [f"{hit.chunk_id} {hit.title} {hit.visibility} {hit.start} {hit.end} {hit.content}" for hit in hits]


@pytest.fixture
def family(stage: Stage) -> Tenant:
    """A tenant with an admin, an adult and a teen, and one document that everybody sees."""
    stage.begin([Given(True, ("admin", "adult", "teen"), [PLAIN])])
    return stage.tenants[0]


def answer(stage: Stage, who: int, question: str = "harbour True", settings: AiSettings = SETTINGS) -> bool:
    """Ask; tell whether the answer was given before, and keep it."""
    asking = Asking(who, ("harbour",), True, Nothing(0), Nothing(0), Nothing(0))
    found = []

    def work() -> None:
        _, caller = stage.caller(WHO[who])
        with stage.database.transaction(caller) as transaction:
            place, known = find_answer(transaction, question, SearchFilter(), None, settings)
            found.append(known is not None)
            hits = passages(transaction, asking)
            keep_answer(transaction, place, Completion("A", "m", "offline", 0, 0), hits, settings)

    in_a_job(work)
    return found[0]


def test_nobody_is_given_the_answer_of_another_or_of_another_question_or_setting(stage: Stage, family: Tenant) -> None:
    for who in range(6):
        assert not answer(stage, who), WHO[who]
        assert answer(stage, who), WHO[who]
    assert not answer(stage, 1, "Harbour True")
    assert not answer(
        stage, 1, settings=AiSettings("offline", ModelSettings(MODEL), ModelSettings("m"), answer_cache_seconds=60)
    )
    assert not answer(
        stage, 1, settings=AiSettings("offline", ModelSettings("other"), ModelSettings("m"), answer_cache_seconds=3600)
    )


def test_what_is_hidden_from_a_member_does_not_show_in_whether_an_answer_is_given_again(
    stage: Stage, family: Tenant
) -> None:
    answer(stage, 2)
    stage.add(
        [(family, Paper((("harbour",),), sight, 1, None, True)) for sight in ("adults_only", "admins_only", "private")]
    )
    for document in list(family.documents.values())[1:]:
        stage.superuser.execute("UPDATE documents SET title = 'Other' WHERE id = %s", (document.id,))

    assert answer(stage, 2)
    stage.add([(family, PLAIN)])
    assert not answer(stage, 2)


@pytest.mark.parametrize("step", [EmbedAgain(0, 0, ("meadow",)), Misspell(0, 0), Loosen(0, 0), Retitle(0, 0)], ids=str)
def test_any_change_to_a_passage_alone_is_a_change(stage: Stage, family: Tenant, step: Step) -> None:
    answer(stage, 1)
    assert answer(stage, 1)
    step.do(stage)
    assert not answer(stage, 1)


def test_an_answer_ends_by_itself_and_takes_the_place_of_another(stage: Stage, family: Tenant) -> None:
    answer(stage, 1)
    stage.superuser.execute("UPDATE cached_answers SET expires_at = now() WHERE tenant_id = %s", (family.id,))
    assert not answer(stage, 1)
    assert answer(stage, 1)

    places = {place_of(stage, "harbour True"): "harbour True"}
    for number in range(PLACES):
        question = f"harbour {number}"
        taken = place_of(stage, question)
        answer(stage, 1, question)
        if taken in places:
            break
        places[taken] = question
    assert not answer(stage, 1, places[taken])
    stage.superuser.execute(
        "SELECT count(*) AS rows, max(place) AS last FROM cached_answers WHERE tenant_id = %s AND expires_at > now()",
        (family.id,),
    )
    kept = stage.superuser.fetchone()
    assert (kept["rows"], kept["last"] < PLACES) == (len(places), True)


def place_of(stage: Stage, question: str) -> int:
    """Tell which place the answer to a question takes."""
    _, caller = stage.caller(WHO[1])
    with stage.database.transaction(caller) as transaction:
        place, _ = find_answer(transaction, question, SearchFilter(), None, SETTINGS)
    return int(str(place.parameters["place"]))


def test_a_row_that_says_too_much_shows_nothing_that_is_hidden_now(stage: Stage, family: Tenant) -> None:
    """Were the fingerprint wrong, what the answer rests on would still have to be there, and seen."""
    answer(stage, 2)
    [document] = family.documents
    stage.superuser.execute("UPDATE documents SET visibility = 'adults_only' WHERE id = %s", (document,))
    _, caller = stage.caller(WHO[2])
    with stage.database.transaction(caller) as transaction:
        transaction.execute("UPDATE cached_answers SET seen = seen_by_member() WHERE tenant_id = %s", (family.id,))

    assert not answer(stage, 2)


def test_an_answer_of_the_model_that_stands_in_is_not_kept(stage: Stage, family: Tenant) -> None:
    other = AiSettings("offline", ModelSettings(MODEL), ModelSettings("first"), answer_cache_seconds=3600)
    assert not answer(stage, 1, settings=other)
    assert not answer(stage, 1, settings=other)
