"""What happens to two tenants, each step in the database and in the model: for ``test_sight_property``.

Whatever members do is done by the modules that scripts use, as the members' login; what operators or time do is done by
the superuser. A step whose members or documents are not there does nothing.
"""

import uuid
from dataclasses import dataclass, replace
from itertools import combinations, product

import pytest
from hypothesis import strategies as st

from f.core.chunking import Chunk
from f.core.conversations import Exchange, history, keep_exchange
from f.core.deleted_documents import restore_document
from f.core.document_changes import change_document, hold_document
from f.core.documents import NewDocument, check_may_store, delete_document, find_same, reserve_id, store
from f.core.identity import MEMBER_TYPES, Caller, MemberType
from f.core.waiting_documents import save_vectors
from tests.database.sight_model import SIGHT, Document, Message, Session, Tenant
from tests.database.sight_stage import MODEL, TITLE, VOCABULARY, Given, Paper, Stage, Who, vector_of
from tests.database.worlds import VISIBILITIES


class Step:
    """Something that happens."""

    def do(self, stage: Stage) -> None:
        """Do it."""
        raise NotImplementedError


@dataclass(frozen=True)
class StepInTenant(Step):
    """Something that happens in one of the tenants."""

    tenant: int

    def where(self, stage: Stage) -> Tenant:
        """Give the tenant."""
        return stage.tenants[self.tenant % len(stage.tenants)]


@dataclass(frozen=True)
class StepOnDocument(StepInTenant):
    """Something that happens to a document."""

    document: int

    def do(self, stage: Stage) -> None:
        """Do it to the document, counted round."""
        tenant = self.where(stage)
        documents = list(tenant.documents.values())
        if documents:
            self.do_to(stage, tenant, documents[self.document % len(documents)])

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """Do it."""
        raise NotImplementedError


@dataclass(frozen=True)
class Store(Step):
    """Somebody stores a document: a new text, or one that is there already, in whichever tenant."""

    who: Who
    paper: Paper
    copy_of: int | None

    def do(self, stage: Stage) -> None:
        """As ``ingest`` does it."""
        tenant, caller = stage.caller(self.who)
        viewer = tenant.enter(caller)
        if isinstance(viewer, type):
            with pytest.raises(viewer), stage.database.transaction(caller):
                pass
            return
        wanted = stage.document(tenant, self.paper)
        known = [document for each in stage.tenants for document in each.documents.values()]
        if self.copy_of is not None and known:
            wanted.texts = known[self.copy_of % len(known)].texts
        new = NewDocument(
            TITLE, wanted.content, wanted.visibility, "english", assigned_to=wanted.assigned_to,
            created_by=caller.member_id, idempotency_key=wanted.key,
        )  # fmt: skip
        refusal = tenant.may_store(caller, viewer, wanted.visibility, wanted.assigned_to)
        with stage.database.transaction(caller) as transaction:
            if refusal is not None:
                stage.tally["storing refused"] += 1
                with pytest.raises(refusal):
                    check_may_store(transaction, caller, new)
                return
            check_may_store(transaction, caller, new)
            wanted.id = reserve_id(transaction, new)
            same = find_same(transaction, new)
            assert (same.id if same else None) == tenant.same_as(viewer, wanted.content, wanted.key)
            if same is None:
                store(transaction, wanted.id, new, chunks_of(wanted))
                wanted.created_by, wanted.embedded = caller.member_id, False
                tenant.documents[wanted.id] = wanted
                stage.tally["stored"] += 1


@dataclass(frozen=True)
class Delete(StepOnDocument):
    """Somebody deletes a document of a tenant, or tries to."""

    who: Who

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """As ``delete_document`` does it."""
        named, caller = stage.caller(self.who)
        viewer = named.enter(caller)
        if named is not tenant or isinstance(viewer, type):
            return
        refusal = tenant.may_delete(caller, viewer, document)
        with stage.database.transaction(caller) as transaction:
            if refusal is not None:
                stage.tally["changing refused"] += 1
                with pytest.raises(refusal):
                    delete_document(transaction, caller, document.id)
                return
            delete_document(transaction, caller, document.id)
        document.deleted = True
        stage.tally["deleted"] += 1


@dataclass(frozen=True)
class Edit(StepOnDocument):
    """Somebody makes a document be for others, or tries to."""

    who: Who
    visibility: str
    assigned_to: int | None

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """As ``update_document`` does it."""
        named, caller = stage.caller(self.who)
        viewer = named.enter(caller)
        if named is not tenant or isinstance(viewer, type):
            return
        nobody = self.visibility == "private" and self.assigned_to is None
        assigned_to = stage.member(tenant, 0 if nobody else self.assigned_to)
        refusal = tenant.may_change(caller, viewer, document, self.visibility, assigned_to)
        with stage.database.transaction(caller) as transaction:

            def change() -> int:
                held = hold_document(transaction, caller, document.id, with_text=False)
                after = replace(held.fields, visibility=self.visibility, assigned_to=assigned_to)
                return change_document(transaction, caller, held, after, held.version)["version"]

            if refusal is not None:
                stage.tally["changing refused"] += 1
                with pytest.raises(refusal):
                    change()
                return
            version = change()
        if (document.visibility, document.assigned_to) != (self.visibility, assigned_to):
            document.earlier.append((document.visibility, document.assigned_to))
            document.visibility, document.assigned_to = self.visibility, assigned_to
            stage.tally["edited"] += 1
        assert version == 1 + document.planted + len(document.earlier)


@dataclass(frozen=True)
class TakeBack(StepOnDocument):
    """Somebody restores a document, or tries to."""

    who: Who

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """As ``restore_document`` does it."""
        named, caller = stage.caller(self.who)
        viewer = named.enter(caller)
        if named is not tenant or isinstance(viewer, type):
            return
        refusal = tenant.may_restore(caller, viewer, document)
        with stage.database.transaction(caller) as transaction:
            if refusal is not None:
                with pytest.raises(refusal):
                    restore_document(transaction, caller, document.id)
                return
            assert restore_document(transaction, caller, document.id)["restored"] is document.deleted
        if document.deleted:
            stage.tally["edited"] += 1
        document.deleted = False


@dataclass(frozen=True)
class Restore(StepOnDocument):
    """A document is restored."""

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """By the superuser."""
        stage.superuser.execute(
            "UPDATE documents SET deleted_at = NULL WHERE tenant_id = %s AND id = %s", (tenant.id, document.id)
        )
        document.deleted = False


@dataclass(frozen=True)
class Hide(StepOnDocument):
    """A document is deleted by the superuser."""

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """Softly."""
        stage.superuser.execute(
            "UPDATE documents SET deleted_at = now() WHERE tenant_id = %s AND id = %s", (tenant.id, document.id)
        )
        document.deleted = True


@dataclass(frozen=True)
class Purge(StepOnDocument):
    """A document is purged; nothing of it is left."""

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """By the superuser."""
        stage.superuser.execute("DELETE FROM documents WHERE tenant_id = %s AND id = %s", (tenant.id, document.id))
        stage.superuser.execute(
            "SELECT (SELECT count(*) FROM document_chunks WHERE tenant_id = %(tenant)s AND document_id = %(document)s)"
            " + (SELECT count(*) FROM chunk_words WHERE tenant_id = %(tenant)s AND document_id = %(document)s) AS left",
            {"tenant": tenant.id, "document": document.id},
        )
        assert stage.superuser.fetchone() == {"left": 0}
        del tenant.documents[document.id]


@dataclass(frozen=True)
class Change(StepOnDocument):
    """A document is for others from now on."""

    visibility: str
    assigned_to: int | None

    def do_to(self, stage: Stage, tenant: Tenant, document: Document) -> None:
        """By the superuser."""
        private = self.visibility == "private" and self.assigned_to is None
        document.visibility = self.visibility
        document.assigned_to = stage.member(tenant, 0 if private else self.assigned_to)
        stage.superuser.execute(
            "UPDATE documents SET visibility = %s, assigned_to = %s WHERE tenant_id = %s AND id = %s",
            (document.visibility, document.assigned_to, tenant.id, document.id),
        )


@dataclass(frozen=True)
class ChangeMember(StepInTenant):
    """A member is raised, lowered, removed or taken back, and their token revoked or not."""

    member: int
    member_type: str
    removed: bool
    revoked: bool

    def do(self, stage: Stage) -> None:
        """By the superuser."""
        tenant = self.where(stage)
        member = list(tenant.members.values())[self.member % len(tenant.members)]
        member.type, member.removed, member.revoked = self.member_type, self.removed, self.revoked
        stage.superuser.execute(
            "UPDATE family_members SET member_type = %(type)s, removed_at = CASE WHEN %(removed)s THEN now() END"
            " WHERE tenant_id = %(tenant)s AND id = %(id)s;"
            "UPDATE session_tokens SET revoked_at = CASE WHEN %(revoked)s THEN now() END"
            " WHERE tenant_id = %(tenant)s AND member_id = %(id)s",
            {"tenant": tenant.id} | vars(member),
        )


@dataclass(frozen=True)
class Flip(StepInTenant):
    """A tenant decides anew whether its admins see private documents."""

    def do(self, stage: Stage) -> None:
        """By the superuser."""
        tenant = self.where(stage)
        tenant.admins_see_private = not tenant.admins_see_private
        stage.superuser.execute(
            "UPDATE tenants SET admins_see_private = %s WHERE id = %s", (tenant.admins_see_private, tenant.id)
        )


@dataclass(frozen=True)
class Embed(StepInTenant):
    """What waits gets its vectors."""

    def do(self, stage: Stage) -> None:
        """As background work does it."""
        tenant = self.where(stage)
        waiting = [document for document in tenant.documents.values() if not document.embedded]
        with stage.database.transaction(Caller(tenant.id, None, "system")) as transaction:
            rows = transaction.rows(
                "SELECT id, content FROM document_chunks WHERE tenant_id = %s AND document_id = ANY (%s)",
                (tenant.id, [document.id for document in waiting]),
            )
            vectors = [vector_of(row["content"].split()) for row in rows]
            save_vectors(transaction, [row["id"] for row in rows], vectors, MODEL)
        assert len(rows) == sum(len(document.texts) for document in waiting)
        for document in waiting:
            document.embedded = True


@dataclass(frozen=True)
class Flood(StepInTenant):
    """A tenant gets many documents at once, with all words that there are."""

    visibility: str

    def do(self, stage: Stage) -> None:
        """By the superuser; what is private is the second member's."""
        tenant = self.where(stage)
        papers = [Paper((VOCABULARY * 3, VOCABULARY[n:]), self.visibility, 1, None, True) for n in range(4)]
        stage.add([(tenant, paper) for paper in papers])


@dataclass(frozen=True)
class Answer(Step):
    """Somebody was given an answer that rests on documents which they see, and on what was said before."""

    who: Who
    sources: tuple[int, ...]
    session: int | None

    def do(self, stage: Stage) -> None:
        """As ``chat`` keeps it."""
        tenant, caller = stage.caller(self.who)
        viewer = tenant.enter(caller)
        if isinstance(viewer, type):
            return
        own, seen = tenant.sessions_of(viewer), tenant.visible(viewer)
        session = Session(str(uuid.uuid4()), viewer.member_id)
        if self.session is not None and own:
            session = own[self.session % len(own)]
        cited = list(dict.fromkeys(seen[number % len(seen)].id for number in self.sources)) if seen else []
        cites = [(document, tenant.documents[document].version) for document in cited]
        answer = f"Answer {len(session.messages)}"
        with stage.database.transaction(caller) as transaction:
            told = history(transaction, session.id).sources
            exchange = Exchange(
                str(uuid.uuid4()), "What?", answer,
                [
                    {"n": n, "document_id": document, "version": version, "chunk_id": 1, "start": 0, "end": 4}
                    for n, (document, version) in enumerate(cites, 1)
                ],
                sorted({*told, *cited}), 1.0, None, None, 0, 0,
            )  # fmt: skip
            keep_exchange(transaction, session.id, exchange)
        remembered = {source for message in tenant.remembered(viewer, session) for source in message.sources}
        if not session.messages:
            tenant.sessions.append(session)
        sight = SIGHT[viewer.type]
        session.messages += [
            Message("user", "What?", sight),
            Message("assistant", answer, sight, frozenset({*remembered, *cited}), tuple(cites)),
        ]


def chunks_of(document: Document) -> list[Chunk]:
    """Cut a document at its lines."""
    chunks, start = [], 0
    for text in document.texts:
        chunks.append(Chunk(start, start + len(text), None, (), 1))
        start += len(text) + 1
    return chunks


# Few draws make many stories: what belongs together is drawn at once.
SMALL = st.integers(0, 5)
ONE = st.integers(0, 1)
MAYBE: st.SearchStrategy[int | None] = st.sampled_from([None, *range(6)])
SOME_WORDS = st.sampled_from([words for n in range(4) for words in combinations(VOCABULARY, n)])
"""Words of a text or a question."""
FAMILIES = st.sampled_from(
    [
        ("admin", "adult", "teen"), ("adult", "admin", "child"), ("teen", "adult", "admin", "adult"),
        ("adult", "admin", "child", "admin"), ("child", "admin"), ("adult", "teen", "child"), ("admin",),
    ]
)  # fmt: skip
_WAYS: list[tuple[MemberType | None, bool, int | None]] = [
    *[(None, False, None)] * 8,
    *((kind, False, None) for kind in MEMBER_TYPES for _ in range(2)),
    *[(None, False, 0)] * 2,
    ("teen", False, 0),
    (None, False, 1),
    (None, True, None),
    (None, True, 0),
]
WHO = st.builds(lambda tenant, member, way: Who(tenant, member, *way), ONE, MAYBE, st.sampled_from(_WAYS))
PAPER = st.builds(
    lambda texts, sight, created_by: Paper(texts, sight[0], sight[1], created_by, sight[2]),
    st.lists(SOME_WORDS, min_size=1, max_size=2).map(tuple),
    st.sampled_from(list(product(("everyone", *VISIBILITIES), (None, 0, 1, 2, 3), (False, True)))),
    MAYBE,
)
GIVEN = st.builds(Given, st.booleans(), FAMILIES, st.lists(PAPER, min_size=1, max_size=4))
HIDING_STEPS = (
    st.builds(Restore, ONE, SMALL),
    st.builds(Hide, ONE, SMALL),
    st.builds(Purge, ONE, SMALL),
    st.builds(Change, ONE, SMALL, st.sampled_from(VISIBILITIES), MAYBE),
    st.builds(
        lambda tenant, member, kind, gone: ChangeMember(tenant, member, kind, *gone), ONE, SMALL,
        st.sampled_from(MEMBER_TYPES), st.sampled_from([*[(False, False)] * 6, (True, False), (False, True)]),
    ),
    st.builds(Flip, ONE),
)  # fmt: skip
ANSWER = st.builds(Answer, WHO, st.lists(SMALL, min_size=1, max_size=3).map(tuple), st.sampled_from([None, 0, 1]))
EDIT = st.builds(
    lambda document, who, sight, assigned_to: Edit(who.tenant, document, who, sight, assigned_to),
    SMALL, WHO, st.sampled_from(("everyone", *VISIBILITIES)), MAYBE,
)  # fmt: skip
STEP = st.one_of(
    *HIDING_STEPS,
    st.builds(Store, WHO, PAPER, MAYBE),
    st.builds(lambda document, who: Delete(who.tenant, document, who), SMALL, WHO),
    EDIT,
    st.builds(lambda document, who: TakeBack(who.tenant, document, who), SMALL, WHO),
    st.builds(Embed, ONE),
    ANSWER,
)
FLOOD = st.builds(Flood, ONE, st.sampled_from(VISIBILITIES))
