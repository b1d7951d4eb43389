"""LlamaIndex's PGVectorStore, as its documentation uses it.

https://developers.llamaindex.ai/python/examples/vector_stores/postgres: ``from_params`` with ``hnsw_kwargs`` (the
values that the page shows) and ``hybrid_search=True``, the tenant in the metadata of each node and in
``MetadataFilters``. The store is asked directly, without an index and a retriever around it, which only costs time.
"""

from collections.abc import Sequence

from llama_index.core.schema import TextNode
from llama_index.core.vector_stores import MetadataFilter, MetadataFilters, VectorStoreQuery
from llama_index.core.vector_stores.types import VectorStoreQueryMode, VectorStoreQueryResult
from llama_index.vector_stores.postgres import PGVectorStore

from tests.benchmarks.peers.job import DIMENSION, RESULTS, Chunk, Found, run


class LlamaIndex:
    """See the module."""

    def __init__(self, database: dict[str, str]) -> None:
        self.store = PGVectorStore.from_params(
            database=database["dbname"],
            host=database["host"],
            password=database["password"],
            port=database["port"],
            user=database["user"],
            table_name="passages",
            embed_dim=DIMENSION,
            hybrid_search=bool(database.get("words")),
            text_search_config="english",
            hnsw_kwargs={
                "hnsw_m": 16,
                "hnsw_ef_construction": 64,
                "hnsw_ef_search": 40,
                "hnsw_dist_method": "vector_cosine_ops",
            }
            if database.get("index", True)
            else None,
        )

    def create(self) -> None:
        self.store.add([])

    def add(self, chunks: Sequence[Chunk]) -> None:
        self.store.add(
            [
                TextNode(
                    id_=chunk.id,
                    text=chunk.text,
                    metadata={"tenant": chunk.tenant, "document": chunk.document},
                    embedding=chunk.vector,
                )
                for chunk in chunks
            ]
        )

    def finish(self) -> None:
        pass

    def by_vector(self, vector: list[float], tenant: str | None) -> list[Found]:
        return self._query(VectorStoreQueryMode.DEFAULT, None, vector, tenant)

    def by_both(self, question: str, vector: list[float], tenant: str | None) -> list[Found]:
        return self._query(VectorStoreQueryMode.HYBRID, question, vector, tenant)

    def _query(
        self, mode: VectorStoreQueryMode, question: str | None, vector: list[float], tenant: str | None
    ) -> list[Found]:
        filters = None if tenant is None else MetadataFilters(filters=[MetadataFilter(key="tenant", value=tenant)])
        return _found(
            self.store.query(
                VectorStoreQuery(
                    query_embedding=vector,
                    query_str=question,
                    similarity_top_k=RESULTS,
                    sparse_top_k=RESULTS,
                    filters=filters,
                    mode=mode,
                )
            )
        )


def _found(result: VectorStoreQueryResult) -> list[Found]:
    return [Found(node.node_id, node.metadata["tenant"]) for node in result.nodes or []]


if __name__ == "__main__":
    run(LlamaIndex)
