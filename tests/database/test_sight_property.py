"""Whatever happened, everybody is shown exactly what a model of a few lines says, and nothing hidden has any effect.

Random tenants, members, documents and changes (``sight_steps``), and then questions of anybody, answered by the modules
that scripts use, as the members' login. The same stories are told at every run.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from f.core.conversations import history, read_messages, session_exists
from f.core.database import Transaction
from f.core.documents import NewDocument, find_same
from f.core.errors import CallerMistake
from f.core.retrieval import Query, Ranked, SearchFilter, load_passages, rank_passages
from tests.database.sight_model import GUARDED, Refusal, Session, Tenant, Viewer, guarded
from tests.database.sight_stage import MODEL, TITLE, Given, Stage, Who, in_a_job, vector_of
from tests.database.sight_steps import (
    ANSWER,
    FLOOD,
    GIVEN,
    HIDING_STEPS,
    PAPER,
    SMALL,
    SOME_WORDS,
    STEP,
    WHO,
    Step,
    Store,
)
from tests.database.test_enter_tenant import open_app
from tests.database.worlds import APP, World

CASES = 2_000
HIDING_CASES = 300
BESIDE_TENANTS = {"schema_migrations"}


@dataclass(frozen=True)
class Question:
    """A question: by its words, one of which may be of a certain document alone, and by their vector or not."""

    who: Who
    words: tuple[str, ...]
    only_of: int | None
    with_vector: bool

    def asked(self) -> tuple[str, ...]:
        """Give all of its words."""
        return self.words if self.only_of is None else (*self.words, f"only{self.only_of}")

    def query(self) -> Query:
        """Give what is searched for."""
        words = self.asked()
        return Query(" ".join(words) or "nothing", vector_of(words) if self.with_vector else None, MODEL)


QUESTION = st.builds(Question, WHO, SOME_WORDS, st.sampled_from([None, *range(1, 7)]), st.booleans())


@pytest.fixture
def stage(world: World) -> Iterator[Stage]:
    database = open_app(world.dsn(APP))
    readable = world.query(
        "SELECT relname AS name FROM pg_class WHERE relnamespace = 'public'::regnamespace"
        " AND relkind IN ('r', 'v', 'm') AND has_table_privilege(%s, oid, 'SELECT')",
        (APP,),
    )
    with world.connected("postgres") as superuser:
        yield Stage(superuser, database, frozenset(row["name"] for row in readable) - BESIDE_TENANTS)
    database.connection.close()


def told(cases: int) -> settings:
    return settings(max_examples=cases, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])


@pytest.mark.usefixtures("unmeasured")
def test_everybody_is_shown_what_the_model_says_and_nothing_else(stage: Stage) -> None:
    @told(CASES)
    @given(st.tuples(GIVEN, GIVEN), st.lists(ANSWER, max_size=2), st.lists(STEP, min_size=1, max_size=5), QUESTION)
    def holds(begin: Sequence[Given], answers: list[Step], steps: list[Step], question: Question) -> None:
        def story() -> None:
            stage.begin(begin)
            for step in (*answers, *steps):
                step.do(stage)
            compare(stage, question)
            for reader in readers(stage):
                compare(stage, replace(question, who=reader))
            stage.tally["stories"] += 1

        in_a_job(story)

    holds()

    assert stage.tally["stories"] >= CASES
    assert stage.tally["questions"] > CASES
    assert min(stage.tally.values()) > CASES / 40, f"some of it was hardly ever compared: {stage.tally}"


@pytest.mark.usefixtures("unmeasured")
def test_what_somebody_may_not_see_changes_nothing_of_what_they_find(stage: Stage) -> None:
    @told(HIDING_CASES)
    @given(
        st.tuples(GIVEN, GIVEN),
        st.lists(st.one_of(*HIDING_STEPS, FLOOD, st.builds(Store, WHO, PAPER, SMALL)), min_size=1, max_size=5),
        QUESTION,
    )
    def holds(begin: Sequence[Given], steps: list[Step], question: Question) -> None:
        stage.begin(begin)
        before, found = sight_of(stage, question), ranked(stage, question)
        for step in steps:
            step.do(stage)
            after, found_after = sight_of(stage, question), ranked(stage, question)
            if after == before:
                # The order, and each score to the last bit.
                assert found_after == found
                stage.tally["unchanged"] += bool(found)
            else:
                stage.tally["changed"] += 1
            before, found = after, found_after

    holds()

    assert stage.tally["unchanged"] > HIDING_CASES


def sight_of(stage: Stage, question: Question) -> object:
    """Describe all that somebody sees, as the model says."""
    tenant, caller = stage.caller(question.who)
    viewer = tenant.enter(caller)
    if isinstance(viewer, type):
        return viewer
    return [(document.id, document.texts, document.embedded) for document in tenant.visible(viewer)]


def ranked(stage: Stage, question: Question) -> list[Ranked] | Refusal:
    """Search; or tell how somebody is refused."""
    _, caller = stage.caller(question.who)
    try:
        with stage.database.transaction(caller) as transaction:
            return rank_passages(transaction, question.query(), SearchFilter())
    except CallerMistake as refusal:
        return type(refusal)


def readers(stage: Stage) -> list[Who]:
    """Name whose conversation there is, if there is any."""
    return [
        Who(number, None if session.member_id is None else list(tenant.members).index(session.member_id))
        for number, tenant in enumerate(stage.tenants)
        for session in tenant.sessions
    ][:1]


def compare(stage: Stage, question: Question) -> None:
    """Let somebody ask, and look at everything that they could look at."""
    stage.tally["questions"] += 1
    tenant, caller = stage.caller(question.who)
    viewer = tenant.enter(caller)
    if isinstance(viewer, type):
        stage.tally["not let in"] += 1
        with pytest.raises(viewer), stage.database.transaction(caller):
            pass
        return
    with stage.database.transaction(caller) as transaction:
        assert (transaction.member_id, transaction.member_type) == (viewer.member_id, viewer.type)
        compare_tables(stage, transaction, tenant, viewer)
        compare_hits(stage, transaction, tenant, viewer, question)
        compare_duplicates(stage, transaction, tenant, viewer, question.only_of or 0)
        for session in stage.tenants[0].sessions + stage.tenants[1].sessions:
            compare_conversation(stage, transaction, tenant, viewer, session)


def compare_tables(stage: Stage, transaction: Transaction, tenant: Tenant, viewer: Viewer) -> None:
    """Count the rows of every table, without any condition: only policies stand before them."""
    seen, own = tenant.visible(viewer), tenant.sessions_of(viewer)
    messages = sum(len(session.messages) for session in own)
    texts = [text for document in seen for text in document.texts]
    expected = {
        "tenants": 1,
        "family_members": len(tenant.members),
        "session_tokens": len(tenant.members),
        "rate_states": 1,
        "chat_slots": 1,
        "query_embeddings": 1,
        "cached_answers": 1,
        "documents": len(seen),
        "document_chunks": len(texts),
        "document_versions": tenant.earlier(viewer),
        "document_bands": sum(document.planted for document in seen),
        "files": sum(document.planted for document in seen),
        "calendar_feeds": len(tenant.members),
        "chunk_words": sum(1 + len(set(text.split())) for text in texts),
        "conversation_sessions": len(own),
        "conversation_messages": messages,
        "readable_messages": messages,
        "api_usage": len(tenant.members) + 1 if viewer.type == "admin" else 1,
        "audit_log": tenant.noted if viewer.type == "admin" else 0,
    }
    assert expected.keys() == stage.readable, "the members' login reads a table that the model does not know"
    only = {"document_bands": " WHERE band = -document_id"}  # those that are planted
    counts = ", ".join(f"(SELECT count(*) FROM {table}{only.get(table, '')}) AS {table}" for table in expected)
    found = transaction.rows(f"SELECT {counts}, ARRAY(SELECT id FROM documents) AS ids, (SELECT id::text FROM tenants)")
    assert found == [expected | {"ids": found[0]["ids"], "id": tenant.id}]
    assert sorted(found[0]["ids"]) == sorted(document.id for document in seen)


def compare_hits(stage: Stage, transaction: Transaction, tenant: Tenant, viewer: Viewer, question: Question) -> None:
    """Search, and load every passage that there is anywhere."""
    seen, asked = tenant.visible(viewer), set(question.asked())
    expected = {
        document.id: sum(
            not asked.isdisjoint(text.split()) or (question.with_vector and document.embedded)
            for text in document.texts
        )
        for document in seen
    }
    ranked = rank_passages(transaction, question.query(), SearchFilter())
    assert Counter(hit.document_id for hit in ranked) == +Counter(expected)

    stage.superuser.execute(
        "SELECT id FROM document_chunks WHERE tenant_id = ANY (%s::uuid[])", ([each.id for each in stage.tenants],)
    )
    everything = [Ranked(row["id"]) for row in stage.superuser.fetchall()]
    loaded = load_passages(transaction, everything, snippets_for="harbour")
    texts = Counter((document.id, text) for document in seen for text in document.texts)
    assert Counter((hit.document_id, hit.content) for hit in loaded) == texts
    tenant.noted += guarded(seen)
    stage.tally["passages found"] += len(ranked)
    stage.tally["passages seen"] += len(loaded)
    stage.tally["passages hidden"] += len(everything) - len(loaded)


def compare_duplicates(stage: Stage, transaction: Transaction, tenant: Tenant, viewer: Viewer, first: int) -> None:
    """Ask of some documents of both tenants whether they are there already."""
    documents = [document for each in stage.tenants for document in each.documents.values()]
    for document in (documents[first:] + documents[:first])[:2]:
        new = NewDocument(
            TITLE, document.content, "everyone", created_by=viewer.member_id, idempotency_key=document.key
        )
        same = find_same(transaction, new)
        assert (same.id if same else None) == tenant.same_as(viewer, document.content, document.key)
        stage.tally["duplicates told" if same else "duplicates not told"] += 1


def compare_conversation(
    stage: Stage, transaction: Transaction, tenant: Tenant, viewer: Viewer, session: Session
) -> None:
    """Read a conversation, as a person and as a model is told it."""
    own = session in tenant.sessions_of(viewer)
    seen = {document.id: document for document in tenant.visible(viewer)}
    messages = session.messages if own else []
    remembered = tenant.remembered(viewer, session) if own else []

    assert session_exists(transaction, session.id) is own
    past = history(transaction, session.id)
    assert [(turn.role, turn.text) for turn in past.turns] == [(message.role, message.text) for message in remembered]
    assert set(past.sources) == {source for message in remembered for source in message.sources}
    found = read_messages(transaction, session.id, 100, None)[::-1]
    assert [(message["role"], message["content"], message["removed"]) for message in found] == [
        (message.role, None if removed else message.text, removed)
        for message in messages
        for removed in [tenant.withholds(viewer, message)]
    ]
    citations = [
        [
            (citation["removed"], citation["document_id"], citation["title"], citation["quote"], citation["start"])
            for citation in message["citations"]
        ]
        for message in found
    ]
    read = {
        cited
        for message in messages
        for cited in message.cites
        if cited[0] in seen and tenant.may(viewer, *seen[cited[0]].state(cited[1]))
    }
    assert citations == [
        [
            (False, cited[0], TITLE, seen[cited[0]].content[:4], 0) if cited in read else (True, None, None, None, None)
            for cited in message.cites
        ]
        for message in messages
    ]
    then = {number for number, version in read if seen[number].state(version)[0] in GUARDED}
    tenant.noted += len(then | {number for number, _ in read if seen[number].visibility in GUARDED})
    stage.tally["messages read"] += sum(not message["removed"] for message in found)
    stage.tally["messages withheld"] += sum(message["removed"] for message in found)
    stage.tally["citations removed"] += sum(
        citation["removed"] for message in found for citation in message["citations"]
    )
    stage.tally["conversations of others"] += not own
