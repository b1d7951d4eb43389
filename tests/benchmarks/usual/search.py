"""Search as it is usually written."""

import os

import cohere
import wmill

from tests.benchmarks.usual.hybrid import COUNT, EMBED_MODEL, RERANK_MODEL, connect, search


def main(query: str, tenant_id: str, limit: int = 10) -> dict[str, object]:
    """Search."""
    connection = connect()
    client = cohere.ClientV2(api_key=wmill.get_resource("f/chatbot/cohere_api_key"))
    with connection, connection.cursor() as cursor:
        found, tokens = search(cursor, client, query, tenant_id)
        job = os.environ["WM_JOB_ID"]
        cursor.execute(COUNT, (tenant_id, f"{job}:embed", "embed", EMBED_MODEL, tokens, 0, 0))
        cursor.execute(COUNT, (tenant_id, f"{job}:rerank", "rerank", RERANK_MODEL, 0, 0, 1))
    connection.close()
    documents: dict[int, dict[str, object]] = {}
    for row in found:
        shown = {**row, "created_at": row["created_at"].isoformat(), "content": None}
        documents.setdefault(row["document_id"], shown)
    return {
        "documents": list(documents.values())[:limit],
        "total": len(documents),
        "has_more": len(documents) > limit,
        "chunk_ids": [row["chunk_id"] for row in found[:8]],
    }
