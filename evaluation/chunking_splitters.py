"""Splitters side by side: ours, and those that a team would pick, each as its documentation says.

All are sized in the same measure, UTF-8 bytes / 4 for a token, and give spans of the text. A library's own offsets are
taken as it gives them, never put right: a span that is not the chunk's text is counted as not exact.
"""

from collections.abc import Callable
from dataclasses import dataclass

from f.core.chunking import split_document

BYTES_PER_TOKEN = 4
OURS, OURS_TEXT_ALONE = "ours", "ours, text alone"
LLAMA_INDEX_OVERLAP_TOKENS = 200
"""LlamaIndex's default, whatever the size; a chunk of 200 tokens and less gets half its size instead."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A chunk as a splitter gives it.

    Attributes:
        start: Where it begins in the text, in code points; -1 where the splitter does not know.
        end: Where it ends, exclusive.
        text: What the splitter says that stands there.
        headings: What it says the chunk stands under, outermost first.
    """

    start: int
    end: int
    text: str
    headings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Splitter:
    """A splitter by name.

    Attributes:
        split: Takes a text and a size in tokens.
        searches_headings: Whether the headings that it names with a chunk are searched with the chunk's text.
    """

    name: str
    split: Callable[[str, int], list[Piece]]
    searches_headings: bool = False


def size_in_bytes(text: str) -> int:
    """Measure a text; four of these are a token."""
    return len(text.encode("utf-8", "surrogatepass"))


def splitters() -> list[Splitter]:
    """List all splitters, ours first: as it is used, and by its chunks' text alone, as the others are.

    LangChain's recursive splitter and LlamaIndex's sentence splitter are named with their overlap, in percent and in
    tokens; "semantic" is semantic-text-splitter.
    """
    return [
        Splitter(OURS, ours, searches_headings=True),
        Splitter(OURS_TEXT_ALONE, ours),
        Splitter("LangChain, 20 %", lambda text, tokens: _langchain(text, tokens, tokens // 5)),
        Splitter("LangChain, 0", lambda text, tokens: _langchain(text, tokens, 0)),
        Splitter("LlamaIndex, 200", _llama_index_default),
        Splitter("LlamaIndex, 0", lambda text, tokens: _llama_index(text, tokens, 0)),
        Splitter("semantic, text", _semantic_text),
        Splitter("semantic, Markdown", _semantic_markdown),
    ]


def ours(text: str, tokens: int) -> list[Piece]:
    """Split with this project's chunker."""
    return [
        Piece(chunk.start, chunk.end, text[chunk.start : chunk.end], chunk.heading_path)
        for chunk in split_document(text, tokens)
    ]


def _langchain(text: str, tokens: int, overlap_tokens: int) -> list[Piece]:
    """RecursiveCharacterTextSplitter with its own separators; it looks up where each chunk starts."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter  # noqa: PLC0415  # only who compares has it

    splitter = RecursiveCharacterTextSplitter(
        chunk_size=tokens * BYTES_PER_TOKEN,
        chunk_overlap=overlap_tokens * BYTES_PER_TOKEN,
        length_function=size_in_bytes,
        add_start_index=True,
    )
    found = [(part.metadata["start_index"], part.page_content) for part in splitter.create_documents([text])]
    return [Piece(start, start + len(content), content) for start, content in found]


def _llama_index_default(text: str, tokens: int) -> list[Piece]:
    """SentenceSplitter with the overlap that it has by default."""
    return _llama_index(text, tokens, min(LLAMA_INDEX_OVERLAP_TOKENS, tokens // 2))


def _llama_index(text: str, tokens: int, overlap_tokens: int) -> list[Piece]:
    """SentenceSplitter, whose tokenizer here gives bytes: the sizes are in bytes too."""
    from llama_index.core import Document  # noqa: PLC0415  # only who compares has it
    from llama_index.core.node_parser import SentenceSplitter  # noqa: PLC0415
    from llama_index.core.schema import TextNode  # noqa: PLC0415

    splitter = SentenceSplitter(
        chunk_size=tokens * BYTES_PER_TOKEN,
        chunk_overlap=overlap_tokens * BYTES_PER_TOKEN,
        tokenizer=lambda part: part.encode("utf-8", "surrogatepass"),
    )
    nodes = [node for node in splitter.get_nodes_from_documents([Document(text=text)]) if isinstance(node, TextNode)]
    return [
        Piece(-1 if node.start_char_idx is None else node.start_char_idx, node.end_char_idx or 0, node.text)
        for node in nodes
    ]


def _semantic_text(text: str, tokens: int) -> list[Piece]:
    """semantic-text-splitter's TextSplitter, which has no overlap by default."""
    from semantic_text_splitter import TextSplitter  # noqa: PLC0415  # only who compares has it

    splitter = TextSplitter.from_callback(size_in_bytes, tokens * BYTES_PER_TOKEN)
    return [Piece(start, start + len(part), part) for start, part in splitter.chunk_indices(text)]


def _semantic_markdown(text: str, tokens: int) -> list[Piece]:
    """The same package's MarkdownSplitter."""
    from semantic_text_splitter import MarkdownSplitter  # noqa: PLC0415  # only who compares has it

    splitter = MarkdownSplitter.from_callback(size_in_bytes, tokens * BYTES_PER_TOKEN)
    return [Piece(start, start + len(part), part) for start, part in splitter.chunk_indices(text)]
