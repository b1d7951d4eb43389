"""Two tenants in a database and in the model at once: for ``test_sight_property``."""

import json
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from f.core.database import Database
from f.core.identity import Caller, MemberType
from f.core.job import script
from tests.database.sight_model import Document, Member, Tenant

MODEL, TITLE = "m", "Paper"
VOCABULARY = ("harbour", "lantern", "meadow", "orchard", "pebble")

_SET_UP = """
INSERT INTO tenants (id, name, slug, admins_see_private)
SELECT id, 'T', 't' || id, admins_see_private
FROM jsonb_to_recordset(%(tenants)s) AS t (id uuid, admins_see_private boolean);
INSERT INTO family_members (tenant_id, id, name, member_type)
SELECT tenant_id, id, 'M', type FROM jsonb_to_recordset(%(members)s) AS m (tenant_id uuid, id integer, type text);
INSERT INTO session_tokens (tenant_id, id, member_id, expires_at)
SELECT tenant_id, token, id, now() + interval '1 day'
FROM jsonb_to_recordset(%(members)s) AS m (tenant_id uuid, id integer, token uuid);
INSERT INTO rate_states (tenant_id, subject, kind, spent_until)
SELECT id, 0, 'requests', now() FROM jsonb_to_recordset(%(tenants)s) AS t (id uuid);
INSERT INTO chat_slots (tenant_id, run_id, ends_at)
SELECT id, 'r', now() FROM jsonb_to_recordset(%(tenants)s) AS t (id uuid);
INSERT INTO query_embeddings (tenant_id, subject, place, key, embedding)
SELECT tenant_id, id, 0, sha256(''), array_fill(0, ARRAY[1024])::halfvec
FROM jsonb_to_recordset(%(members)s) AS m (tenant_id uuid, id integer)
UNION ALL SELECT id, 0, 0, sha256(''), array_fill(0, ARRAY[1024])::halfvec
FROM jsonb_to_recordset(%(tenants)s) AS t (id uuid);
INSERT INTO cached_answers (tenant_id, subject, place, key, seen, answer, chunks, sources, model, provider, expires_at)
SELECT tenant_id, subject, 0, key, key, 'A', ARRAY[1], ARRAY[1], 'm', 'offline', now() FROM query_embeddings
WHERE tenant_id IN (SELECT id FROM jsonb_to_recordset(%(tenants)s) AS t (id uuid));
INSERT INTO api_usage (tenant_id, event_id, member_id, operation, model, cost_microusd)
SELECT tenant_id, 'e' || id, id, 'chat', 'm', 1
FROM jsonb_to_recordset(%(members)s) AS m (tenant_id uuid, id integer)
UNION ALL SELECT id, 'e', NULL, 'chat', 'm', 1 FROM jsonb_to_recordset(%(tenants)s) AS t (id uuid);
INSERT INTO calendar_feeds (tenant_id, member_id, secret_hash)
SELECT tenant_id, id, sha256('') FROM jsonb_to_recordset(%(members)s) AS m (tenant_id uuid, id integer)
"""

_ADD_DOCUMENTS = """
INSERT INTO documents (tenant_id, id, version, title, content, content_hash, visibility, assigned_to, created_by,
                       language, idempotency_key, chunk_count, word_count)
SELECT tenant_id, id, 2, %(title)s, content, sha256(convert_to(replace(content, E'\\n', ' '), 'UTF8')), visibility,
       assigned_to, created_by, 'english', key, jsonb_array_length(texts),
       jsonb_array_length(texts) + cardinality(regexp_split_to_array(content, '\\s'))
FROM jsonb_to_recordset(%(documents)s)
     AS d (tenant_id uuid, id integer, content text, texts jsonb, visibility text, assigned_to integer,
           created_by integer, key text);
INSERT INTO document_chunks (tenant_id, document_id, ordinal, start_offset, end_offset, content, token_count, words,
                             word_count, embedding, embedding_model)
SELECT tenant_id, id, number - 1, 0, char_length(text), text, 1, words_of('english', %(title)s || ' ' || text),
       1 + cardinality(string_to_array(text, ' ')), (vectors ->> (number - 1)::integer)::halfvec,
       CASE WHEN vectors ->> (number - 1)::integer IS NOT NULL THEN %(model)s END
FROM jsonb_to_recordset(%(documents)s) AS d (tenant_id uuid, id integer, texts jsonb, vectors jsonb),
     jsonb_array_elements_text(texts) WITH ORDINALITY AS t (text, number);
INSERT INTO document_versions (tenant_id, document_id, version, title, content, content_hash, visibility, tags,
                               language, written_at)
SELECT tenant_id, id, 1, %(title)s, content, sha256(''), was, '{}', 'english', now()
FROM jsonb_to_recordset(%(documents)s) AS d (tenant_id uuid, id integer, content text, was text);
INSERT INTO document_bands (tenant_id, band, document_id)
SELECT tenant_id, -id, id FROM jsonb_to_recordset(%(documents)s) AS d (tenant_id uuid, id integer);
INSERT INTO files (tenant_id, name, size_bytes, sha256, document_id, status, step)
SELECT tenant_id, %(title)s, 1, sha256(''), id, 'completed', 'store'
FROM jsonb_to_recordset(%(documents)s) AS d (tenant_id uuid, id integer)
"""


@dataclass(frozen=True)
class Who:
    """Somebody as a caller names them, by numbers that are taken round: the same story fits any tenants.

    Attributes:
        tenant: Which tenant they name.
        member: Which member, if any.
        claimed: The type that they claim.
        stranger: Whether the member is one of the other tenant.
        token: Which session token they show: their own, the next member's, or none.
    """

    tenant: int
    member: int | None
    claimed: MemberType | None = None
    stranger: bool = False
    token: int | None = None


@dataclass(frozen=True)
class Paper:
    """A document as a story tells of it: the words of each text, and who may see it; members are counted round."""

    texts: tuple[tuple[str, ...], ...]
    visibility: str
    assigned_to: int | None
    created_by: int | None
    embedded: bool


@dataclass(frozen=True)
class Given:
    """A tenant as a story begins."""

    admins_see_private: bool
    members: Sequence[str]
    papers: Sequence[Paper]


@dataclass
class Stage:
    """Two tenants, and the ways to them.

    Attributes:
        superuser: A cursor of who sees everything.
        database: The members' login.
        readable: Every table and view that this login may read.
        tally: How often what was compared, so that a test can show that it compared something.
        tenants: As the model knows them.
        papers: How many documents were written.
        ids: Some that nothing has yet.
    """

    superuser: Any
    database: Database
    readable: frozenset[str]
    tally: Counter[str] = field(default_factory=Counter)
    tenants: list[Tenant] = field(default_factory=list)
    papers: int = 0
    ids: list[int] = field(default_factory=list)

    def begin(self, given: Sequence[Given]) -> None:
        """Make new tenants, of which nobody has heard before."""
        self.papers = 0
        self.tenants = [Tenant(str(uuid.uuid4()), each.admins_see_private) for each in given]
        for tenant, each in zip(self.tenants, given, strict=True):
            made = [Member(self.new_id(), kind, str(uuid.uuid4())) for kind in each.members]
            tenant.members = {member.id: member for member in made}
        members = [{"tenant_id": t.id} | vars(member) for t in self.tenants for member in t.members.values()]
        tenants = [{"id": t.id, "admins_see_private": t.admins_see_private} for t in self.tenants]
        self.superuser.execute(_SET_UP, {"tenants": json.dumps(tenants), "members": json.dumps(members)})
        papers = [(tenant, paper) for tenant, each in zip(self.tenants, given, strict=True) for paper in each.papers]
        self.add(papers)

    def add(self, papers: Sequence[tuple[Tenant, Paper]]) -> None:
        """Put documents in, as somebody did some time ago."""
        rows = []
        for tenant, paper in papers:
            document = replace(self.document(tenant, paper), planted=True)
            vectors = [vector_text(text) if paper.embedded else None for text in document.texts]
            plain = {"tenant_id": tenant.id, "content": document.content, "was": document.was, "vectors": vectors}
            rows.append(plain | vars(document))
            tenant.documents[document.id] = document
        self.superuser.execute(_ADD_DOCUMENTS, {"documents": json.dumps(rows), "title": TITLE, "model": MODEL})

    def document(self, tenant: Tenant, paper: Paper) -> Document:
        """Write a document; each of its texts has a word that no other document has."""
        self.papers += 1
        texts = tuple(" ".join((*words, f"only{self.papers}")) for words in paper.texts)
        private = paper.visibility == "private" and paper.assigned_to is None
        return Document(
            self.new_id(), texts, paper.visibility, self.member(tenant, 0 if private else paper.assigned_to),
            self.member(tenant, paper.created_by), f"key{self.papers}", embedded=paper.embedded,
        )  # fmt: skip

    def new_id(self) -> int:
        """Give an id that nothing else has, nor gets from the database later."""
        if not self.ids:
            self.superuser.execute("SELECT new_id('documents_id_seq') AS id FROM generate_series(1, 1000)")
            self.ids = [row["id"] for row in self.superuser.fetchall()]
        return self.ids.pop()

    def member(self, tenant: Tenant, number: int | None) -> int | None:
        """Give a member's id by their number, counted round."""
        ids = list(tenant.members)
        return None if number is None else ids[number % len(ids)]

    def caller(self, who: Who) -> tuple[Tenant, Caller]:
        """Tell whom they name, and what they call with."""
        named = self.tenants[who.tenant % len(self.tenants)]
        home = self.tenants[(who.tenant + who.stranger) % len(self.tenants)]
        token = None
        if who.token is not None:
            holder = self.member(home, (who.member or 0) + who.token)
            assert holder is not None
            token = home.members[holder].token
        return named, Caller(named.id, self.member(home, who.member), who.claimed, token)


def in_a_job(work: Callable[[], None]) -> None:
    """Do something as a script's ``main``, which alone may write to the audit log; what is raised is raised."""
    raised: list[BaseException] = []

    @script()
    def main() -> dict[str, object]:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- it goes on below, past what tells callers of errors
            raised.append(error)
        return {}

    main()
    if raised:
        raise raised[0]


def vector_of(words: Sequence[str]) -> list[float]:
    """Give a text's vector: a dimension for each word that it holds, and one for all texts."""
    vector = [0.0] * 1024
    vector[0] = 1.0
    for word in words:
        vector[1 + VOCABULARY.index(word) if word in VOCABULARY else 1023] = 1.0
    return vector


def vector_text(text: str) -> str:
    """Write a text's vector as PostgreSQL reads it."""
    return str(vector_of(text.split()))
