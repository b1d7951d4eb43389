"""An installation that asks Cohere and Groq, both on loopback; and calls that ``Installation`` has no method for."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from local.stack import REPOSITORY
from tests.support.installation import Installation, Json, Reply, Tenant, cloud_settings
from tests.support.provider_servers import CohereServer, OpenAiServer, cohere_server, groq_server

COHERE_KEY, GROQ_KEY = "co-SECRET-cohere-key", "gsk-SECRET-groq-key"
TENANT_TABLES = (
    "files", "documents", "document_chunks", "chunk_words", "expiry_notices", "conversation_sessions",
    "conversation_messages", "api_usage", "family_members", "tenant_memberships",
)  # fmt: skip

Result = TypeVar("Result")


@dataclass
class Cloud:
    """An installation and its two providers."""

    installation: Installation
    cohere: CohereServer
    groq: OpenAiServer

    def settings(self, **more: object) -> Json:
        """Return the settings that lead to the two providers."""
        return cloud_settings(self.cohere.base_url, self.groq.base_url, **more)

    def use(self, **more: object) -> None:
        """Choose the two providers, with some settings changed."""
        self.installation.set_ai_settings(self.settings(**more))

    def reset(self) -> None:
        """Make everything as it was at the beginning; recorded requests are forgotten."""
        for server, key in ((self.cohere, COHERE_KEY), (self.groq, GROQ_KEY)):
            fresh = CohereServer() if server is self.cohere else OpenAiServer(groq=True)
            server.recover()
            server.requests.clear()
            server.answer, server.embed, server.rerank = fresh.answer, fresh.embed, fresh.rerank
            server.key, server.pace_seconds, server.models = key, 0.0, None
            server.counts_tokens = True
        self.installation.set_variable("f/chatbot/cohere_key", COHERE_KEY)
        self.installation.set_variable("f/chatbot/groq_key", GROQ_KEY)
        self.use()


@contextmanager
def cloud_of(installation: Installation) -> Iterator[Cloud]:
    """Give an installation the two providers."""
    with cohere_server() as cohere, groq_server() as groq:
        yield Cloud(installation, cohere, groq)


def send(installation: Installation, path: str, arguments: Json | str, kind: str = "p") -> Reply:
    """Run a script or flow with arguments that an HTTP client would not send: lone surrogates, NaN, broken JSON."""
    body = arguments if isinstance(arguments, str) else json.dumps(arguments)
    answer = installation.client.post(
        installation.stack.url(f"jobs/run_wait_result/{kind}/{path}"),
        content=body.encode("ascii"),
        headers={"Content-Type": "application/json"},
    )
    try:
        parsed = answer.json()
    except ValueError:
        parsed = None
    return Reply(answer.status_code, parsed, answer.text)


def in_parallel(calls: Sequence[Callable[[], Result]], at_once: int = 4) -> list[Result]:
    """Make calls at the same time and return what they give, in their order."""
    with ThreadPoolExecutor(at_once) as pool:
        return list(pool.map(lambda call: call(), calls))


def row_counts(installation: Installation, tenant_id: str | None = None) -> dict[str, int]:
    """Count the rows of a tenant, or of everybody, in each table."""
    where = "" if tenant_id is None else " WHERE tenant_id = %(tenant)s"
    counts = ", ".join(f"(SELECT count(*) FROM {table}{where}) AS {table}" for table in TENANT_TABLES)
    return dict(installation.query(f"SELECT {counts}", {"tenant": tenant_id})[0])


def insert_documents(installation: Installation, tenant: Tenant, texts: Sequence[str]) -> list[int]:
    """Put short documents in that wait to be embedded, one chunk each, straight in the database, which is quicker."""
    rows = installation.query(
        """
        WITH given AS (
            SELECT text, number, words_of('english', text) AS words
            FROM unnest(%(texts)s::text[]) WITH ORDINALITY AS given (text, number)
        ), document AS (
            INSERT INTO documents (tenant_id, title, content, content_hash, language, chunk_count, word_count)
            SELECT %(tenant)s, 'Document ' || number, text, sha256(convert_to(text, 'UTF8')), 'english', 1,
                   length(words)
            FROM given
            ORDER BY number
            RETURNING id, content
        ), chunk AS (
            INSERT INTO document_chunks (tenant_id, document_id, ordinal, start_offset, end_offset, content,
                                         token_count, words, word_count)
            SELECT %(tenant)s, document.id, 0, 0, char_length(content), content, 50, words, length(words)
            FROM document JOIN given ON given.text = document.content
        )
        SELECT document.id FROM document JOIN given ON given.text = document.content ORDER BY given.number
        """,
        {"tenant": tenant.id, "texts": list(texts)},
    )
    return [row["id"] for row in rows]


def usage(installation: Installation, tenant: Tenant, operation: str | None = None) -> list[Json]:
    """Return what has been counted for a tenant, oldest first."""
    return installation.query(
        "SELECT * FROM api_usage WHERE tenant_id = %s AND (%s::text IS NULL OR operation = %s) ORDER BY created_at",
        (tenant.id, operation, operation),
    )


def messages(installation: Installation, tenant: Tenant) -> list[Json]:
    """Return the messages of a tenant's conversations, oldest first."""
    return installation.query(
        "SELECT * FROM conversation_messages WHERE tenant_id = %s ORDER BY created_at, role DESC", (tenant.id,)
    )


def document(installation: Installation, document_id: int) -> Json:
    """Return a document's row."""
    return installation.query("SELECT * FROM documents WHERE id = %s", (document_id,))[0]


def chunks(installation: Installation, document_id: int) -> list[Json]:
    """Return a document's chunks, in the order of the text."""
    return installation.query(
        "SELECT *, vector_dims(embedding) AS dimension FROM document_chunks WHERE document_id = %s ORDER BY ordinal",
        (document_id,),
    )


def repeat_job(installation: Installation, job: str, arguments: Json) -> Any:
    """Run a script's job once more under the same id, as Windmill does when a worker has died, and return its result.

    The server that tests use does not do this by itself, so the script's ``main`` is called as a worker calls it.
    """
    stack = installation.stack
    module = str(installation.job(job)["script_path"]).replace("/", ".")
    program = f"import json, sys; from {module} import main; print(json.dumps(main(**json.load(sys.stdin))))"
    address = {"BASE_INTERNAL_URL": stack.base_url, "WM_BASE_URL": stack.base_url, "WM_WORKSPACE": stack.workspace}
    environment = {**os.environ, **address, "WM_TOKEN": stack.token, "WM_JOB_ID": job, "WM_FLOW_JOB_ID": ""}
    done = subprocess.run(
        [sys.executable, "-c", program], input=json.dumps(arguments), env=environment, cwd=REPOSITORY,
        stdout=subprocess.PIPE, text=True, check=True, timeout=60,
    )  # fmt: skip
    return json.loads(done.stdout)
