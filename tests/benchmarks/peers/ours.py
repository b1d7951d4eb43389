"""This project, doing the same work as its peers: through f.core, as the restricted login, under the policies.

Loading is what ``ingest`` and ``embed`` do in the database, all of it: duplicates looked for, the text and its exact
spans, words, the audit log, leases, vectors in batches of 96 with their usage, completion. Searching enters a
transaction in the name of a member who may see what is for everyone.
"""

from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter

import psycopg2
from psycopg2.extras import RealDictCursor

from f.core.database import Database
from f.core.identity import Caller
from f.core.retrieval import Query, SearchFilter, load_passages, rank_passages
from tests.benchmarks.peers.job import RESULTS, Chunk, Found, run

MODEL = "given"
SETTINGS = {"provider": "offline", "embed": {"model": MODEL}, "chat": {"model": "none"}}


class Ours:
    """See the module."""

    def __init__(self, database: dict[str, str]) -> None:
        self.settings = database
        self._database: Database | None = None

    @property
    def database(self) -> Database:
        if self._database is None:
            connection = psycopg2.connect(
                "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**self.settings),
                cursor_factory=RealDictCursor,
            )
            connection.autocommit = True
            self._database = Database(connection)
        return self._database

    def create(self) -> None:
        """The schema is installed, and the tenants are there: making them is an operator's work."""
        assert self.database

    def add(self, chunks: Sequence[Chunk]) -> None:
        for tenant, theirs in groupby(chunks, attrgetter("tenant")):
            given = list(theirs)
            for _, document in groupby(given, attrgetter("document")):
                _ingest(self.database, tenant, list(document))
            _embed(self.database, tenant, given)

    def finish(self) -> None:
        """Nothing: it is searchable."""

    def by_vector(self, vector: list[float], tenant: str | None) -> list[Found]:
        return self._search("", vector, tenant)

    def by_both(self, question: str, vector: list[float], tenant: str | None) -> list[Found]:
        return self._search(question, vector, tenant)

    def _search(self, question: str, vector: list[float], tenant: str | None) -> list[Found]:
        if tenant is None:
            return self._without_tenant(vector)
        with self.database.transaction(Caller(tenant, None, "adult")) as transaction:
            ranked = rank_passages(transaction, Query(question, vector, MODEL), SearchFilter())[:RESULTS]
            hits = load_passages(transaction, ranked)
        return [Found(hit.content, tenant) for hit in hits]

    def _without_tenant(self, vector: list[float]) -> list[Found]:
        """Forget the tenant wherever a statement of ours could: no WHERE, and nobody entered."""
        with self.database.administration() as outside:
            rows = outside.rows(
                "SELECT content, tenant_id::text FROM document_chunks ORDER BY embedding <=> %s::halfvec LIMIT %s",
                (str(vector), RESULTS),
            )
        return [Found(row["content"], row["tenant_id"]) for row in rows]


def _ingest(database: Database, tenant: str, chunks: list[Chunk]) -> None:
    """Store a document as ``f/chatbot/ingest`` does, cut already."""
    from f.core.audit import record
    from f.core.chunking import Chunk as Span
    from f.core.documents import NewDocument, check_may_store, find_same, reserve_id, store

    spans, at = [], 0
    for chunk in chunks:
        spans.append(Span(at, at + len(chunk.text), None, (), -(-len(chunk.text.encode()) // 4)))
        at += len(chunk.text) + 2
    new = NewDocument(
        title=f"Document {chunks[0].document}",
        content="\n\n".join(chunk.text for chunk in chunks),
        visibility="everyone",
        language="english",
        idempotency_key=f"run:{chunks[0].id}",
    )
    caller = Caller(tenant)
    with database.transaction(caller) as transaction:
        check_may_store(transaction, caller, new)
        document_id = reserve_id(transaction, new)
        assert find_same(transaction, new) is None
        store(transaction, document_id, new, spans)
        record(transaction, "ingest", [("document", document_id)])


def _embed(database: Database, tenant: str, chunks: list[Chunk]) -> None:
    """Embed the tenant's backlog as ``f/chatbot/embed`` does, with vectors that are there already."""
    from f.core import backlog, embedding_batches, job
    from f.core.ai_settings import ProviderKeys, parse_ai_settings
    from f.core.embedding import Embeddings

    given = {chunk.text: chunk.vector for chunk in chunks}

    def embed_given(texts: list[str], *_: object) -> Embeddings:
        return Embeddings([given[text.partition("\n\n")[2]] for text in texts], 96 * 300, MODEL)

    embedding_batches.__dict__["embed_texts"] = embed_given  # the provider's time is not measured
    job._running[:] = ["benchmark"]
    embedder = backlog.Embedder(database, parse_ai_settings(SETTINGS), ProviderKeys())
    progress = embedder.run(Caller(tenant, None, "system"), limit=100_000)
    assert progress.chunks == len(chunks), (progress.chunks, len(chunks))


if __name__ == "__main__":
    run(Ours)
