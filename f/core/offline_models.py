"""Embedding, reranking, rewriting and answering without network, key or model file.

Shared module, pure: the face of the provider ``offline``. The same input always gives the same output.
"""

from f.core.offline_answers import answer
from f.core.offline_embedding import embed
from f.core.offline_reranking import rerank
from f.core.offline_rewriting import rewrite

__all__ = ["answer", "embed", "rerank", "rewrite"]
