"""LangChain's PGVectorStore, as its documentation uses it.

https://docs.langchain.com/oss/python/integrations/vectorstores/pgvectorstore and the package's example
``pg_vectorstore_how_to.ipynb``: a ``PGEngine`` over asyncpg, the tenant in a metadata column of its own, because that
is what filters are documented for, and an ``HNSWIndex`` applied after loading. Words by its ``HybridSearchConfig`` with
a stored tsvector and the index that it documents.
"""

from collections.abc import Sequence

from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_postgres import Column, PGEngine, PGVectorStore
from langchain_postgres.v2.hybrid_search_config import HybridSearchConfig, reciprocal_rank_fusion
from langchain_postgres.v2.indexes import HNSWIndex

from tests.benchmarks.peers.job import DIMENSION, RESULTS, Chunk, Found, run

TABLE = "passages"


class GivenEmbeddings(Embeddings):  # type: ignore[misc] # the package has no types where mypy runs
    """Vectors that are there already."""

    def __init__(self) -> None:
        self.vector: list[float] = []

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        raise NotImplementedError("Vectors are given with the texts.")

    def embed_query(self, text: str) -> list[float]:
        return self.vector


class LangChain:
    """See the module."""

    def __init__(self, database: dict[str, str]) -> None:
        self.engine = PGEngine.from_connection_string(
            url="postgresql+asyncpg://{user}:{password}@{host}:{port}/{dbname}".format(**database)
        )
        self.embeddings = GivenEmbeddings()
        words = {"hybrid_search_config": _words()} if database.get("words") else {}
        self.words = words
        self._store: PGVectorStore | None = None

    @property
    def store(self) -> PGVectorStore:
        if self._store is None:
            self._store = PGVectorStore.create_sync(
                engine=self.engine,
                table_name=TABLE,
                embedding_service=self.embeddings,
                metadata_columns=["tenant"],
                **self.words,
            )
        return self._store

    def create(self) -> None:
        self.engine.init_vectorstore_table(
            table_name=TABLE, vector_size=DIMENSION, metadata_columns=[Column("tenant", "VARCHAR")], **self.words
        )

    def add(self, chunks: Sequence[Chunk]) -> None:
        self.store.add_embeddings(
            texts=[chunk.text for chunk in chunks],
            embeddings=[chunk.vector for chunk in chunks],
            metadatas=[{"tenant": chunk.tenant, "document": chunk.document} for chunk in chunks],
            ids=[chunk.id for chunk in chunks],
        )

    def finish(self) -> None:
        self.store.apply_vector_index(HNSWIndex(name="passages_hnsw"))
        if self.words:
            self.store.apply_hybrid_search_index()

    def by_vector(self, vector: list[float], tenant: str | None) -> list[Found]:
        chosen = {} if tenant is None else {"filter": {"tenant": {"$eq": tenant}}}
        return _found(self.store.similarity_search_by_vector(vector, k=RESULTS, **chosen))

    def by_both(self, question: str, vector: list[float], tenant: str | None) -> list[Found]:
        self.embeddings.vector = vector
        chosen = {} if tenant is None else {"filter": {"tenant": {"$eq": tenant}}}
        return _found(
            self.store.similarity_search(question, k=RESULTS, hybrid_search_config=_words(question), **chosen)
        )


def _words(question: str = "") -> HybridSearchConfig:
    return HybridSearchConfig(
        tsv_column="content_tsv",
        tsv_lang="pg_catalog.english",
        fts_query=question,
        fusion_function=reciprocal_rank_fusion,
        primary_top_k=RESULTS,
        secondary_top_k=RESULTS,
    )


def _found(documents: list[Document]) -> list[Found]:
    return [Found(str(document.id), document.metadata["tenant"]) for document in documents]


if __name__ == "__main__":
    run(LangChain)
