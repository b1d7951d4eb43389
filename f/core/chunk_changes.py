"""The chunks of a document whose text, title or language has changed: what stays, what goes, what is new.

Shared module. A chunk's words and vector never change: a chunk of the same passage, under the same headings and title
and in the same language, keeps its row with its id and vector, and only moves to its new place; any other is a new row.
A language shapes words and no vector, so that a vector is taken over where the language alone has changed. All of it
happens in the transaction that changes the document, whose row it has locked.
"""

import hashlib
from collections import defaultdict, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from f.core.chunking import Chunk
from f.core.database import Row, Transaction
from f.core.documents import CHUNKS, STORED_AT_ONCE, chunk_columns, heading_of

Item = TypeVar("Item")

_ORDER_LATER = "SET CONSTRAINTS document_chunks_in_order DEFERRED"

_THERE = """
SELECT id, ordinal, start_offset, end_offset, page, heading,
       encode(sha256(convert_to(content, 'UTF8')), 'hex') AS passage
FROM document_chunks WHERE tenant_id = %(tenant)s AND document_id = %(document)s ORDER BY ordinal
"""

_MOVE = """
-- The ids are named twice so that each chunk is looked up by its key.
UPDATE document_chunks AS c
SET ordinal = given.ordinal, start_offset = given.start_offset, end_offset = given.end_offset, page = given.page
FROM unnest(%(chunks)s::integer[], %(ordinals)s::integer[], %(starts)s::integer[], %(ends)s::integer[],
            %(pages)s::integer[]) AS given (id, ordinal, start_offset, end_offset, page)
WHERE c.tenant_id = %(tenant)s AND c.id = given.id AND c.id = ANY (%(chunks)s)
"""

_ADD = f"""
-- Chunks at their places; what is embedded of some of them is what was embedded of another, whose vector they take.
{CHUNKS})
INSERT INTO document_chunks (tenant_id, document_id, ordinal, start_offset, end_offset, page, heading, content,
                             token_count, words, word_count, embedding, embedding_model)
SELECT %(tenant)s, %(document)s, (%(ordinals)s::integer[])[number], chunk.start_offset, chunk.end_offset, chunk.page,
       chunk.heading, chunk.content, chunk.token_count, chunk.words, chunk.word_count, same.embedding,
       same.embedding_model
FROM chunk
LEFT JOIN document_chunks AS same ON same.tenant_id = %(tenant)s AND same.id = (%(same)s::integer[])[number]
"""  # noqa: S608 -- constants

_REMOVE = "DELETE FROM document_chunks WHERE tenant_id = %(tenant)s AND id = ANY (%(chunks)s)"


@dataclass(frozen=True, slots=True)
class ChangedText:
    """A document's text as it is from now on.

    Attributes:
        document_id: The document.
        title: Its title.
        content: Its text.
        language: Its language.
        chunks: The text, cut.
        embeds_as_before: Whether the title is what it was, so that the same passage has the same vector.
        stems_as_before: Whether the language is what it was, so that the same passage has the same words.
    """

    document_id: int
    title: str
    content: str
    language: str
    chunks: Sequence[Chunk]
    embeds_as_before: bool
    stems_as_before: bool


@dataclass(slots=True)
class _Plan:
    """What becomes of a document's chunks: rows that move, places that get a new row, and rows that go."""

    moved: list[tuple[Row, int, Chunk]]
    added: list[tuple[int, Chunk, int | None]]
    gone: list[int]


def replace_chunks(transaction: Transaction, text: ChangedText) -> None:
    """Make a document's chunks those of its text; see the module.

    Args:
        transaction: One that sees all of the tenant at the moment, and has locked the document.
        text: What the document is from now on.
    """
    document = {"tenant": transaction.tenant_id, "document": text.document_id}
    plan = _plan(transaction.rows(_THERE, document), text)
    transaction.execute(_ORDER_LATER)
    for moved in _some(plan.moved):
        transaction.execute(_MOVE, document | _places(moved))
    for added in _some(plan.added):
        columns = chunk_columns(text.title, text.content, [chunk for _, chunk, _ in added])
        more = {
            "title": text.title,
            "language": text.language,
            "ordinals": [ordinal for ordinal, _, _ in added],
            "same": [same for _, _, same in added],
        }
        transaction.execute(_ADD, document | columns | more)
    for gone in _some(plan.gone):
        transaction.execute(_REMOVE, document | {"chunks": gone})


def _plan(there: Sequence[Row], text: ChangedText) -> _Plan:
    """Find for each chunk of the text a row of the same passage under the same headings, each row once, in order."""
    plan = _Plan([], [], [])
    rows: dict[tuple[str | None, str], deque[Row]] = defaultdict(deque)
    for known in there:
        rows[known["heading"], known["passage"]].append(known)
    kept = set[int]()
    for ordinal, chunk in enumerate(text.chunks):
        passage = hashlib.sha256(text.content[chunk.start : chunk.end].encode()).hexdigest()
        same = rows.get((heading_of(chunk), passage)) if text.embeds_as_before else None
        row: Row | None = same.popleft() if same else None
        if row is None or not text.stems_as_before:
            plan.added.append((ordinal, chunk, row["id"] if row else None))
            continue
        kept.add(row["id"])
        place = (ordinal, chunk.start, chunk.end, chunk.page)
        if place != (row["ordinal"], row["start_offset"], row["end_offset"], row["page"]):
            plan.moved.append((row, ordinal, chunk))
    plan.gone = [known["id"] for known in there if known["id"] not in kept]
    return plan


def _places(moved: Sequence[tuple[Row, int, Chunk]]) -> dict[str, object]:
    """Return where some rows go, as columns."""
    return {
        "chunks": [row["id"] for row, _, _ in moved],
        "ordinals": [ordinal for _, ordinal, _ in moved],
        "starts": [chunk.start for _, _, chunk in moved],
        "ends": [chunk.end for _, _, chunk in moved],
        "pages": [chunk.page for _, _, chunk in moved],
    }


def _some(items: Sequence[Item]) -> Iterator[Sequence[Item]]:
    """Give items some at a time, so that no statement takes too long."""
    for before in range(0, len(items), STORED_AT_ONCE):
        yield items[before : before + STORED_AT_ONCE]
