"""Haystack's PgvectorDocumentStore, as its documentation uses it.

https://docs.haystack.deepset.ai/docs/pgvectordocumentstore: ``search_strategy="hnsw"``, ``write_documents`` with
``DuplicatePolicy.OVERWRITE``, the tenant in ``meta`` and in the retriever's ``filters``. Words by its
``PgvectorKeywordRetriever``, whose index the store always makes, joined by a ``DocumentJoiner``.
"""

import os
from collections.abc import Sequence

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"  # nothing is sent from here, and waiting for it would be unfair

from haystack import Document
from haystack.components.joiners import DocumentJoiner
from haystack.document_stores.types import DuplicatePolicy
from haystack.utils import Secret
from haystack_integrations.components.retrievers.pgvector import PgvectorEmbeddingRetriever, PgvectorKeywordRetriever
from haystack_integrations.document_stores.pgvector import PgvectorDocumentStore

from tests.benchmarks.peers.job import DIMENSION, RESULTS, Chunk, Found, run


class Haystack:
    """See the module."""

    def __init__(self, database: dict[str, str]) -> None:
        os.environ["PG_CONN_STR"] = "postgresql://{user}:{password}@{host}:{port}/{dbname}".format(**database)
        self.store = PgvectorDocumentStore(
            connection_string=Secret.from_env_var("PG_CONN_STR"),
            table_name="passages",
            embedding_dimension=DIMENSION,
            vector_function="cosine_similarity",
            search_strategy="hnsw" if database.get("index", True) else "exact_nearest_neighbor",
        )
        self.nearest = PgvectorEmbeddingRetriever(document_store=self.store, top_k=RESULTS)
        self.keyword = PgvectorKeywordRetriever(document_store=self.store, top_k=RESULTS)
        self.joiner = DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=RESULTS)

    def create(self) -> None:
        self.store.count_documents()

    def add(self, chunks: Sequence[Chunk]) -> None:
        self.store.write_documents(
            [
                Document(
                    id=chunk.id,
                    content=chunk.text,
                    meta={"tenant": chunk.tenant, "document": chunk.document},
                    embedding=chunk.vector,
                )
                for chunk in chunks
            ],
            policy=DuplicatePolicy.OVERWRITE,
        )

    def finish(self) -> None:
        pass

    def by_vector(self, vector: list[float], tenant: str | None) -> list[Found]:
        return _found(self.nearest.run(query_embedding=vector, filters=_only(tenant))["documents"])

    def by_both(self, question: str, vector: list[float], tenant: str | None) -> list[Found]:
        near = self.nearest.run(query_embedding=vector, filters=_only(tenant))["documents"]
        spoken = self.keyword.run(query=question, filters=_only(tenant))["documents"]
        return _found(self.joiner.run(documents=[near, spoken])["documents"])


def _only(tenant: str | None) -> dict[str, str] | None:
    return None if tenant is None else {"field": "meta.tenant", "operator": "==", "value": tenant}


def _found(documents: list[Document]) -> list[Found]:
    return [Found(document.id, document.meta["tenant"]) for document in documents]


if __name__ == "__main__":
    run(Haystack)
