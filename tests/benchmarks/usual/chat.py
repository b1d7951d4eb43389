"""Chat as it is usually written: it searches, streams an answer with numbered passages, and keeps the conversation."""

import json
import os
import re
import uuid

import cohere
import groq
import wmill

from tests.benchmarks.usual.hybrid import CHAT_MODEL, COUNT, EMBED_MODEL, RERANK_MODEL, connect, search

OPEN_SESSION = "INSERT INTO conversation_sessions (tenant_id, id) VALUES (%s, %s)"
KEEP = """
INSERT INTO conversation_messages (tenant_id, session_id, event_id, role, content, sight, citations, sources)
VALUES (%s, %s, %s, 'user', %s, 0, '[]', '{}'), (%s, %s, %s, 'assistant', %s, 0, %s, %s)
"""
PROMPT = "Answer from the passages and cite them as [n]. If they do not hold the answer, say so."


def main(question: str, tenant_id: str) -> dict[str, object]:
    """Answer a question."""
    connection = connect()
    cohere_client = cohere.ClientV2(api_key=wmill.get_resource("f/chatbot/cohere_api_key"))
    groq_client = groq.Groq(api_key=wmill.get_resource("f/chatbot/groq_api_key"))
    with connection, connection.cursor() as cursor:
        found, embedded = search(cursor, cohere_client, question, tenant_id)
        passages = found[:8]
        text, usage = answer(groq_client, question, passages)
        numbers = sorted({int(number) for number in re.findall(r"\[(\d+)\]", text)})
        citations = [
            {"n": number, "document_id": row["document_id"], "chunk_id": row["chunk_id"], "quote": row["content"]}
            for number in numbers
            if 0 < number <= len(passages)
            for row in [passages[number - 1]]
        ]
        job, session = os.environ["WM_JOB_ID"], str(uuid.uuid4())
        cursor.execute(COUNT, (tenant_id, f"{job}:embed", "embed", EMBED_MODEL, embedded, 0, 0))
        cursor.execute(COUNT, (tenant_id, f"{job}:rerank", "rerank", RERANK_MODEL, 0, 0, 1))
        cursor.execute(COUNT, (tenant_id, f"{job}:chat", "chat", CHAT_MODEL, *usage, 0))
        cursor.execute(OPEN_SESSION, (tenant_id, session))
        kept = json.dumps([{**citation, "quote": None} for citation in citations])
        sources = [row["document_id"] for row in passages]
        cursor.execute(KEEP, (tenant_id, session, job, question, tenant_id, session, job, text, kept, sources))
    connection.close()
    return {"answer": text, "citations": citations, "session_id": session}


def answer(client: groq.Groq, question: str, passages: list[dict[str, object]]) -> tuple[str, tuple[int, int]]:
    """Stream the answer, and return it with its tokens."""
    numbered = "\n\n".join(f"[{n}] {row['title']}\n{row['content']}" for n, row in enumerate(passages, 1))
    stream = client.chat.completions.create(
        model=CHAT_MODEL,
        messages=[
            {"role": "system", "content": PROMPT},
            {"role": "user", "content": f"{numbered}\n\nQuestion: {question}"},
        ],
        max_completion_tokens=2048,
        temperature=0.0,
        stream=True,
    )
    text, usage = "", (0, 0)
    for chunk in stream:
        if chunk.choices and (piece := chunk.choices[0].delta.content):
            text += piece
            wmill.append_to_result_stream(json.dumps({"type": "answer", "text": piece}) + "\n")
        if chunk.x_groq and chunk.x_groq.usage:
            usage = (chunk.x_groq.usage.prompt_tokens, chunk.x_groq.usage.completion_tokens)
    return text, usage
