"""What the usual search and chat have in common: the connection, and one statement that searches by both."""

from typing import Any

import psycopg2
import wmill
from pgvector import HalfVector
from pgvector.psycopg2 import register_vector
from psycopg2.extras import RealDictCursor

EMBED_MODEL, RERANK_MODEL, CHAT_MODEL = "embed-v4.0", "rerank-v3.5", "openai/gpt-oss-120b"

SEARCH = """
WITH by_vectors AS (
    SELECT id, row_number() OVER (ORDER BY embedding <=> %(vector)s) AS place
    FROM document_chunks WHERE tenant_id = %(tenant)s AND embedding IS NOT NULL
    ORDER BY embedding <=> %(vector)s LIMIT 50
), by_words AS (
    SELECT id, row_number() OVER (ORDER BY ts_rank(words, query) DESC) AS place
    FROM document_chunks, plainto_tsquery('english', %(question)s) AS query
    WHERE tenant_id = %(tenant)s AND words @@ query
    ORDER BY ts_rank(words, query) DESC LIMIT 50
), fused AS (
    SELECT id, coalesce(1.0 / (60 + by_vectors.place), 0) + coalesce(1.0 / (60 + by_words.place), 0) AS score
    FROM by_vectors FULL JOIN by_words USING (id)
)
SELECT c.id AS chunk_id, c.document_id, d.title, d.category, d.tags, d.visibility, c.heading, c.page,
       c.start_offset AS start, c.end_offset AS end, c.content, d.source, d.source_url, d.expires_at, d.created_at,
       ts_headline('english', c.content, plainto_tsquery('english', %(question)s), 'StartSel=**, StopSel=**') AS snippet
FROM fused
JOIN document_chunks AS c ON c.tenant_id = %(tenant)s AND c.id = fused.id
JOIN documents AS d ON d.tenant_id = %(tenant)s AND d.id = c.document_id AND d.deleted_at IS NULL
ORDER BY fused.score DESC LIMIT 50
"""

COUNT = """
INSERT INTO api_usage (tenant_id, event_id, operation, model, input_tokens, output_tokens, searches, cost_microusd)
VALUES (%s, %s, %s, %s, %s, %s, %s, 1)
"""


def connect() -> Any:
    """Connect with the settings of the resource."""
    settings = wmill.get_resource("f/usual/postgres_db")
    connection = psycopg2.connect(**settings, cursor_factory=RealDictCursor)
    register_vector(connection)
    return connection


def search(cursor: Any, cohere_client: Any, question: str, tenant_id: str) -> tuple[list[dict[str, Any]], int]:
    """Return the passages for a question, reranked, with their relevance, and the tokens that embedding took."""
    embedded = cohere_client.embed(
        texts=[question],
        model=EMBED_MODEL,
        input_type="search_query",
        output_dimension=1024,
        embedding_types=["float"],
    )
    vector = HalfVector(embedded.embeddings.float_[0])
    cursor.execute(SEARCH, {"vector": vector, "question": question, "tenant": tenant_id})
    found = [dict(row) for row in cursor.fetchall()]
    if found:
        texts = [f"{row['title']}\n{row['content']}" for row in found]
        answer = cohere_client.rerank(model=RERANK_MODEL, query=question, documents=texts, top_n=len(texts))
        found = [{**found[result.index], "relevance": result.relevance_score} for result in answer.results]
    return found, int(embedded.meta.billed_units.input_tokens)
