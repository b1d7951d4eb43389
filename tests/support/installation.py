"""An installation for tests: a database cloned from a template, the local server, and an HTTP client for its scripts.

Every test makes tenants of its own (``new_tenant``), so that one installation serves many tests. What runs for all
tenants (schedules, the backlog of everybody) gets an installation to itself.
"""

import json
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg2
from psycopg2.extras import RealDictCursor

from local.stack import Stack

Json = dict[str, Any]
_KEPT_IDLE_SECONDS = 2.0


@dataclass(frozen=True)
class Reply:
    """What run_wait_result answered."""

    status: int
    body: Any
    text: str

    @property
    def data(self) -> Any:
        """The data of a success; anything else fails the test with the whole answer."""
        assert self.status == 200, f"{self.status}: {self.text}"
        assert self.body["success"] is True, self.text
        assert self.body["error"] is None, self.text
        return self.body["data"]

    def done(self) -> None:
        """Check that the call was a success."""
        assert self.data is not None

    def refused(self, status: int, code: str | None = None) -> str:
        """Check that the call was refused, with a sentence, and return that sentence."""
        assert self.status == status, f"{self.status}: {self.text}"
        assert self.body["success"] is False, self.text
        assert self.body["data"] is None, self.text
        assert self.body["error"], self.text
        if code is not None:
            assert self.body["error_code"] == code, self.text
        return str(self.body["error"])

    def crashed(self) -> str:
        """Check that the job failed, and return its error's message."""
        assert self.status == 422, f"{self.status}: {self.text}"
        return str(self.body["error"]["message"])


@dataclass(frozen=True)
class Tenant:
    """A tenant of a test, with one member of each type."""

    id: str
    admin: int
    adult: int
    teen: int
    child: int

    @property
    def types(self) -> dict[str, int]:
        """The members by their type."""
        return {"admin": self.admin, "adult": self.adult, "teen": self.teen, "child": self.child}


@dataclass
class Installation:
    """A running installation, called over HTTP."""

    stack: Stack
    client: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        """Open the client."""
        # The server closes what was idle for 5 seconds; a request must not meet that moment.
        self.client = httpx.Client(
            headers=self.stack.headers, timeout=120, limits=httpx.Limits(keepalive_expiry=_KEPT_IDLE_SECONDS)
        )

    def run(self, path: str, **arguments: object) -> Reply:
        """Run a script and wait: ``run("f/chatbot/search", query=...)``."""
        return self._post(f"jobs/run_wait_result/p/{path}", arguments)

    def flow(self, path: str, **arguments: object) -> Reply:
        """Run a flow and wait."""
        return self._post(f"jobs/run_wait_result/f/{path}", arguments)

    def _post(self, path: str, arguments: Json) -> Reply:
        """Send arguments and take the answer, whatever it is."""
        answer = self.client.post(self.stack.url(path), json=arguments)
        try:
            body = answer.json()
        except ValueError:
            body = None
        return Reply(answer.status_code, body, answer.text)

    def start(self, path: str, kind: str = "p", **arguments: object) -> str:
        """Start a script (``p``) or flow (``f``) and return the job's id."""
        answer = self.client.post(self.stack.url(f"jobs/run/{kind}/{path}"), json=arguments)
        assert answer.status_code == 201, answer.text
        return answer.text

    def job(self, job: str) -> Json:
        """Return a job's record."""
        answer = self.client.get(self.stack.url(f"jobs_u/get/{job}"))
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def wait(self, job: str, seconds: float = 60) -> Json:
        """Wait for a job, and return ``{"success": ..., "result": ...}``."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            state = self.client.get(self.stack.url(f"jobs_u/completed/get_result_maybe/{job}")).json()
            if state["completed"]:
                return dict(state)
            time.sleep(0.05)
        raise AssertionError(f"the job {job} did not end within {seconds} s")

    def cancel(self, job: str) -> None:
        """Cancel a job; its process is killed."""
        self.client.post(self.stack.url(f"jobs_u/queue/cancel/{job}"), json={"reason": "a test"})

    def events(self, job: str) -> list[Json]:
        """Follow a job's stream to its end, also where it closes between, and return its JSON objects, a line each."""
        text, completed = "", False
        while not completed:
            address = self.stack.url(f"jobs_u/getupdate_sse/{job}?fast=true&stream_offset={len(text)}")
            with self.client.stream("GET", address) as answer:
                for line in answer.iter_lines():
                    update = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                    text += update.get("new_result_stream") or ""
                    if completed := update.get("completed", False):
                        break
        return [json.loads(line) for line in text.splitlines() if line]

    def new_tenant(self, *, admins_see_private: bool = True, retention_days: int = 30) -> Tenant:
        """Create a tenant with one member of each type, straight in the database, which is much quicker.

        Its limits of calls are so high that no test meets them by being quick.
        """
        with self.as_admin() as cursor:
            cursor.execute(
                "INSERT INTO tenants (name, slug, admins_see_private, retention_days, requests_per_minute,"
                " member_requests_per_minute) VALUES ('Family', %s, %s, %s, 100000, 100000) RETURNING id",
                (f"t{secrets.token_hex(8)}", admins_see_private, retention_days),
            )
            tenant = str(cursor.fetchone()["id"])
            members = {}
            for kind in ("admin", "adult", "teen", "child"):
                cursor.execute(
                    "INSERT INTO family_members (tenant_id, name, member_type) VALUES (%s, %s, %s) RETURNING id",
                    (tenant, kind.title(), kind),
                )
                members[kind] = cursor.fetchone()["id"]
        return Tenant(tenant, **members)

    def add_document(self, tenant: Tenant, content: str, title: str = "Document", **more: object) -> int:
        """Put a document in through the flow, embedded."""
        data = self.flow("f/chatbot/ingest_document", tenant_id=tenant.id, title=title, content=content, **more).data
        assert data["status"] == "completed", data
        return int(data["document_id"])

    def set_ai_settings(self, value: Json) -> None:
        """Choose the providers from now on."""
        self.stack.server.workspace.set_resource("f/chatbot/ai_settings", value)

    def set_variable(self, path: str, value: str) -> None:
        """Set a variable."""
        self.stack.server.workspace.set_variable(path, value)

    @contextmanager
    def as_admin(self) -> Iterator[Any]:
        """Open a cursor as the superuser, who sees everything: for looking at what is there."""
        with autocommit_cursor(self.stack.admin_dsn) as cursor:
            yield cursor

    def query(self, statement: str, parameters: object = None) -> list[Json]:
        """Ask the database as the superuser."""
        with self.as_admin() as cursor:
            cursor.execute(statement, parameters)
            return [dict(row) for row in cursor.fetchall()] if cursor.description else []

    @property
    def app_dsn(self) -> str:
        """The members' login."""
        return self.stack.postgres.dsn("knowledge_app", self.stack.credentials.app_password, self.stack.dbname)

    @property
    def operator_dsn(self) -> str:
        """The operators' login."""
        return self.stack.postgres.dsn(
            "knowledge_operator", self.stack.credentials.operator_password, self.stack.dbname
        )


@contextmanager
def autocommit_cursor(dsn: str) -> Iterator[Any]:
    """Open a connection whose statements are committed one by one, unless they say BEGIN; gives its cursor."""
    connection = psycopg2.connect(dsn, cursor_factory=RealDictCursor)
    try:
        connection.autocommit = True
        with connection.cursor() as cursor:
            yield cursor
    finally:
        connection.close()


def cloud_settings(cohere_url: str, groq_url: str, **more: object) -> Json:
    """Return settings for Cohere and Groq at the given addresses, with prices."""
    return {
        "provider": "cloud",
        "deadline_seconds": 10,
        "embed": {"model": "embed-v4.0", "base_url": cohere_url, "usd_per_million_input_tokens": 0.12},
        "rerank": {"model": "rerank-v3.5", "base_url": cohere_url, "usd_per_thousand_searches": 2, "by_default": True},
        "chat": {
            "model": "openai/gpt-oss-120b",
            "base_url": groq_url,
            "usd_per_million_input_tokens": 0.15,
            "usd_per_million_output_tokens": 0.75,
        },
        "fallback_chat": {
            "model": "command-a-03-2025",
            "base_url": cohere_url,
            "usd_per_million_input_tokens": 2.5,
            "usd_per_million_output_tokens": 10,
        },
        **more,
    }
