"""Searching and answering as members' scripts do it: the same ``Searcher`` and ``Asker``, in a running job each.

A job of a worker starts a process and connects; here one process and one connection are used for all of them. Nothing
else is different: identity, limits, sight, audit and the counting of usage are those of every search.
"""

from dataclasses import dataclass
from typing import Any, cast

from evaluation.stage import EVERYTHING
from f.core.ai_settings import AiSettings, ProviderKeys
from f.core.asking import Asked, Asker, ChatData
from f.core.database import Database
from f.core.documents import delete_document
from f.core.identity import Caller
from f.core.job import script
from f.core.searching import Searcher


class JobFailed(RuntimeError):
    """A search or an answer was refused; the message is the one that its caller would get."""


@dataclass(frozen=True, slots=True)
class Member:
    """A member who searches and asks.

    Attributes:
        database: The members' login.
        caller: Who it is.
        settings: The models.
        keys: Their keys.
    """

    database: Database
    caller: Caller
    settings: AiSettings
    keys: ProviderKeys

    def search(self, question: str, *, rerank: bool) -> list[int]:
        """Search, and return the documents that were found, best first."""

        @script()
        def main() -> dict[str, object]:
            """Run as a job does."""
            ranking = self._searcher().rank(question, EVERYTHING, rerank=rerank)
            return {"documents": list(dict.fromkeys(passage.document_id for passage in ranking.passages))}

        return cast("list[int]", _data(main())["documents"])

    def ask(self, question: str, session_id: str | None = None) -> ChatData:
        """Ask, in a conversation if one is named."""

        @script()
        def main() -> ChatData:
            """Run as a job does."""
            database = self.database.admit(self.caller)
            searcher = Searcher(database, self.caller, self.settings, self.keys)
            return Asker(searcher, None).ask(Asked(question, session_id, EVERYTHING, None))

        return cast("ChatData", _data(main()))

    def delete(self, document_id: int) -> None:
        """Delete a document, as the tenant's back end may."""
        with self.database.transaction(Caller(self.caller.tenant_id)) as transaction:
            delete_document(transaction, Caller(self.caller.tenant_id), document_id)

    def _searcher(self) -> Searcher:
        """Let the caller in, and make what searches."""
        return Searcher(self.database.admit(self.caller), self.caller, self.settings, self.keys)


def _data(answer: dict[str, Any]) -> dict[str, Any]:
    """Return the data of a script's answer."""
    if not answer.get("success"):
        raise JobFailed(str(answer.get("result", answer).get("error")))
    return cast("dict[str, Any]", answer["data"])
