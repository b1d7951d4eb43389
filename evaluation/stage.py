"""The stage of an evaluation: an embedded PostgreSQL with our schema, one tenant of ours for each tenant of a set.

Documents are stored as ``ingest`` stores them, and searched as ``search`` does: by the members' login, which no policy
lets past, in the name of an adult. Half of the documents are for adults, so that what a member may see is decided in
every search.
"""

import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

import psycopg2
from psycopg2.extras import RealDictCursor

from evaluation.data import EvaluationSet, Passage
from evaluation.scores import Ranking
from f.core.chunking import Chunk, split_document
from f.core.database import Database, Transaction
from f.core.documents import NewDocument, reserve_id, store
from f.core.identity import Caller
from f.core.language import told_language
from f.core.retrieval import Query, Ranked, SearchFilter, rank_passages
from f.core.tenants import insert_member, insert_tenant
from f.core.waiting_documents import claim, complete, pending_chunks, save_vectors
from local.database import Server, temporary_postgres
from sql.install import APP, OPERATOR, install

_HOLDER = "evaluation"
_LEASE_SECONDS = 3_600
_VECTORS_AT_ONCE = 100
_MOST_CHUNKS = 1_000_000
_TENANT_SETTINGS = {
    "kind": "company", "language": "english", "retention_days": 30, "admins_see_private": True,
    "date_order": "day_first", "time_zone": "UTC",
}  # fmt: skip
_NO_LIMITS = (
    "UPDATE tenants SET requests_per_minute = 1000000, member_requests_per_minute = 1000000,"
    " tokens_per_day = 2000000000, member_tokens_per_day = 2000000000, concurrent_chats = 1000 WHERE id = %s"
)
_VISIBILITIES = ("everyone", "adults_only")
_COUNT_CHUNKS = "SELECT coalesce(sum(chunk_count), 0) AS chunks FROM documents WHERE tenant_id = %s"
EVERYTHING = SearchFilter()


@dataclass(frozen=True, slots=True)
class StoredTenant:
    """A tenant of a set, as it is stored.

    Attributes:
        caller: An adult of the tenant, in whose name is searched.
        passages: The passage that each document holds, by the document's id.
        texts: The text of each document, by its id.
    """

    caller: Caller
    passages: dict[int, str] = field(default_factory=dict)
    texts: dict[int, str] = field(default_factory=dict)

    def document_of(self, passage: str) -> int:
        """Return the document that holds a passage."""
        return next(document for document, held in self.passages.items() if held == passage)


@dataclass(frozen=True, slots=True)
class StoredSet:
    """A set in the database, which searches it."""

    database: Database
    chosen: EvaluationSet
    tenants: dict[str, StoredTenant]

    @property
    def right(self) -> list[tuple[str, ...]]:
        """The passages that are right for each question."""
        return [question.passages for question in self.chosen.questions]

    def chunks(self) -> int:
        """Count the chunks that the set's documents were cut into."""
        count = 0
        for tenant in self.tenants.values():
            with self.database.transaction(tenant.caller) as transaction:
                row = transaction.row(_COUNT_CHUNKS, (tenant.caller.tenant_id,))
                count += int(row["chunks"]) if row else 0
        return count

    def search(self, queries: Sequence[Query]) -> list[list[Ranked]]:
        """Search for each question with its query; each tenant's searches are one transaction of its adult."""
        found: dict[int, list[Ranked]] = {}
        for name, tenant in self.tenants.items():
            places = [place for place, question in enumerate(self.chosen.questions) if question.tenant == name]
            with self.database.transaction(tenant.caller) as transaction:
                found.update((place, rank_passages(transaction, queries[place], EVERYTHING)) for place in places)
        return [found[place] for place in range(len(queries))]

    def rankings(self, found: Sequence[Sequence[Ranked]]) -> list[Ranking]:
        """Return the ids of the passages that were found for each question, each once; foreign rows are left out."""
        rankings: list[Ranking] = []
        for question, ranked in zip(self.chosen.questions, found, strict=True):
            held = self.tenants[question.tenant].passages
            documents = dict.fromkeys(passage.document_id for passage in ranked)
            rankings.append([held[document] for document in documents if document in held])
        return rankings

    def foreign(self, found: Sequence[Sequence[Ranked]]) -> int:
        """Count the rows of documents that the asking tenant does not have."""
        return sum(
            passage.document_id not in self.tenants[question.tenant].passages
            for question, ranked in zip(self.chosen.questions, found, strict=True)
            for passage in ranked
        )


class Stage:
    """A database, and what is put into it."""

    def __init__(self, server: Server, database: str, app_password: str, operator_password: str) -> None:
        """Take a database that has the schema, and the passwords of its two logins."""
        self._members = server.dsn(APP, app_password, database)
        self._operators = server.dsn(OPERATOR, operator_password, database)
        self._owner = server.admin_dsn(database)
        self._tenants = 0

    @contextmanager
    def members(self) -> Iterator[Database]:
        """Connect as the members' login."""
        with connected(self._members) as database:
            yield database

    def versions(self) -> dict[str, str]:
        """Return the versions of PostgreSQL and of pgvector."""
        with connected(self._owner) as database, database.administration() as transaction:
            row = transaction.row(
                "SELECT current_setting('server_version') AS postgres, extversion AS pgvector"
                " FROM pg_extension WHERE extname = 'vector'"
            )
            assert row is not None
            return {"postgres": str(row["postgres"]).split()[0], "pgvector": row["pgvector"]}

    def store(self, database: Database, chosen: EvaluationSet, *, whole: bool = False) -> StoredSet:
        """Store a set: its tenants, an adult in each, and every passage as a document.

        Args:
            database: The members' login.
            chosen: What to store.
            whole: Whether a document is one chunk, however long it is; for comparison.
        """
        tenants = {name: self._new_tenant(name) for name in chosen.tenants}
        for name, tenant in tenants.items():
            passages = [passage for passage in chosen.passages if passage.tenant == name]
            with database.transaction(tenant.caller) as transaction:
                for number, passage in enumerate(passages):
                    document = _store(transaction, passage, _VISIBILITIES[number % len(_VISIBILITIES)], whole)
                    tenant.passages[document] = passage.id
                    tenant.texts[document] = passage.text
        self._analyze()
        return StoredSet(database, chosen, tenants)

    def bring_back(self, documents: Sequence[int]) -> None:
        """Undo the deletion of documents."""
        with connected(self._owner) as database, database.administration() as admin:
            admin.execute("UPDATE documents SET deleted_at = NULL WHERE id = ANY (%s)", (list(documents),))

    def categorise(self, categories: Mapping[int, str]) -> None:
        """Give documents their categories."""
        with connected(self._owner) as database, database.administration() as admin:
            admin.execute(
                "UPDATE documents AS d SET category = given.category"
                " FROM unnest(%s::integer[], %s::text[]) AS given (id, category) WHERE d.id = given.id",
                (list(categories), list(categories.values())),
            )

    def _new_tenant(self, name: str) -> StoredTenant:
        """Make a tenant without limits, and an adult in it."""
        self._tenants += 1
        with connected(self._operators) as database:
            with database.administration() as outside:
                tenant = insert_tenant(outside, name, f"tenant-{self._tenants}", _TENANT_SETTINGS)
                assert tenant is not None
            with database.transaction(Caller(tenant, None, "system")) as transaction:
                member = insert_member(transaction, "An adult", "adult", None)
        with connected(self._owner) as database, database.administration() as admin:
            admin.execute(_NO_LIMITS, (tenant,))
        return StoredTenant(Caller(tenant, member))

    def _analyze(self) -> None:
        """Let the planner know what is stored, as it does by itself after a minute."""
        with connected(self._owner) as database, database.connection.cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")


@contextmanager
def open_stage() -> Iterator[Stage]:
    """Start a server of its own, and remove it with everything in it at the end."""
    password = secrets.token_urlsafe()
    with temporary_postgres() as server:
        database = server.create_database("evaluation")
        install(server.admin_dsn(database), app_password=password, operator_password=password)
        yield Stage(server, database, password, password)


def embed_stored(stored: StoredSet, embed: Callable[[list[str]], list[list[float]]], model: str) -> int:
    """Give every chunk its vector, of the text that ``embed`` (the script) would send, and return how many."""
    chunks = 0
    for tenant in stored.tenants.values():
        documents = list(tenant.passages)
        worker = Caller(tenant.caller.tenant_id, None, "system")
        with stored.database.transaction(worker) as transaction:
            claim(transaction, _HOLDER, _LEASE_SECONDS, limit=len(documents))
            pending = pending_chunks(transaction, documents, model, _MOST_CHUNKS)
        vectors = embed([chunk.text for chunk in pending])
        with stored.database.transaction(worker) as transaction:
            for start in range(0, len(pending), _VECTORS_AT_ONCE):
                some = [chunk.id for chunk in pending[start : start + _VECTORS_AT_ONCE]]
                save_vectors(transaction, some, vectors[start : start + _VECTORS_AT_ONCE], model)
            complete(transaction, documents, model)
        chunks += len(pending)
    return chunks


def _store(transaction: Transaction, passage: Passage, visibility: str, whole: bool) -> int:
    """Store a passage as a document, as ``ingest`` does, and return its id."""
    new = NewDocument(
        title=passage.title[:500],
        content=passage.text,
        visibility=visibility,
        language=told_language(passage.text),
        idempotency_key=passage.id,
    )
    chunks = [Chunk(0, len(passage.text), None, (), -(-len(passage.text.encode()) // 4))]
    document = reserve_id(transaction, new)
    store(transaction, document, new, chunks if whole else split_document(passage.text))
    return document


@contextmanager
def connected(dsn: str) -> Iterator[Database]:
    """Open a connection as scripts do."""
    connection = psycopg2.connect(dsn, cursor_factory=RealDictCursor)
    connection.autocommit = True
    try:
        yield Database(connection)
    finally:
        connection.close()
