"""Another tenant: each of its texts holds a mark by which it is recognised, and all its rows have a fingerprint."""

import base64
import json
import re
import secrets
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

from tests.attacks.every_script import FLOWS
from tests.attacks.hostile import jobs_of, leaks, logs
from tests.support.installation import Installation, Json, Tenant

NOBODYS = 2_000_000_000
"""A number that is no id; new_id() gives it to one in two thousand million rows."""

BESIDE_TENANTS: dict[str, str | None] = {
    "tenants": "id = %(tenant)s",
    "users": "id IN (SELECT user_id FROM tenant_memberships WHERE tenant_id = %(tenant)s)",
    "erasures": "tenant = %(tenant)s",
    "id_secrets": None,
    "provider_queues": None,
    "provider_turns": None,
    "schema_migrations": None,
}
"""Tables without a tenant_id, and which of their rows are a tenant's; None where no row is anybody's."""

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?([+-]\d\d:\d\d|Z)?")
_SIGNED = re.compile(r"[\w-]{40,}\.[\w-]{43}")
_ID = re.compile(r"\b\d{4,}\b")


class Asked(Protocol):
    """What the superuser can ask: an installation, or a database alone."""

    def query(self, statement: str, parameters: object = None) -> list[Json]:
        """Return a statement's rows."""
        ...


@dataclass(frozen=True)
class OtherTenant:
    """A tenant with something of every kind.

    Attributes:
        mark: Stands in each of its texts.
        values: What it has, by the placeholder under which a probe names it.
    """

    tenant: Tenant
    mark: str
    values: Json

    def nobodys(self) -> Json:
        """Give for each placeholder a value of the same form that nobody has."""
        unknown = new_mark()

        def strange(text: str) -> str:
            return _UUID.sub(lambda _: str(uuid.uuid4()), text.replace(self.mark, unknown))

        values = {
            name: NOBODYS if isinstance(value, int) else strange(str(value)) for name, value in self.values.items()
        }
        encoded = {
            name: base64.urlsafe_b64encode(strange(base64.urlsafe_b64decode(str(self.values[name])).decode()).encode())
            for name in ("<cursor>", "<file64>")
        }
        return {**values, **{name: value.decode() for name, value in encoded.items()}}

    def told_in(self, text: str) -> list[str]:
        """List what a text tells of this tenant: its mark, or one of its ids."""
        found = ["a text"] if self.mark in text.lower() else []
        ids = [str(value) for name, value in self.values.items() if name in IDS]
        return [*found, *(f"the id {value}" for value in ids if re.search(rf"\b{value}\b", text))]


GIVING_TOKENS = ("f/operations/issue_session_token",)
IDS = (
    *("<tenant>", "<member>", "<document>", "<file>", "<chunk>", "<session>", "<message>", "<entry>", "<issued>"),
    "<feed>",
)


def new_mark() -> str:
    """Draw a word that stands nowhere else; it fits into a slug, a tag and an address."""
    return f"zq{secrets.token_hex(5)}"


def plant(installation: Installation, mark: str) -> OtherTenant:
    """Make a tenant through the scripts, and what no script writes by hand, with a mark in every text."""
    run = installation.run
    slug, address = f"{mark}slug", f"{mark}adult@example.org"
    tenant_id = run("f/operations/create_tenant", name=f"{mark}tenant", slug=slug).data["tenant_id"]
    members = {
        kind: run(
            "f/operations/add_member", tenant_id=tenant_id, name=f"{mark}{kind}", member_type=kind,
            email=address if kind == "adult" else None,
        ).data["user_member_id"]
        for kind in ("admin", "adult", "teen", "child")
    }  # fmt: skip
    tenant = Tenant(tenant_id, **members)
    who = {"tenant_id": tenant_id, "user_member_id": tenant.adult}
    texts = {
        "<title>": f"The {mark}title", "<content>": f"The {mark}harbour dues are {mark}dues drachmas a year.",
        "<category>": f"{mark}category", "<source>": f"{mark}source", "<key>": f"{mark}key", "<tag>": f"{mark}tag",
        "<source_url>": f"https://example.org/{mark}url", "<metadata>": f"{mark}metadata",
    }  # fmt: skip
    document = installation.add_document(
        tenant, texts["<content>"], texts["<title>"], category=texts["<category>"], source=texts["<source>"],
        idempotency_key=texts["<key>"], tags=[texts["<tag>"]], source_url=texts["<source_url>"],
        metadata={texts["<metadata>"]: texts["<metadata>"]}, assigned_to=tenant.adult, user_member_id=tenant.adult,
        expires_at=(datetime.now(UTC) + timedelta(days=3)).isoformat(),
    )  # fmt: skip
    asked = run("f/chatbot/chat", question=f"How much are the {mark}harbour dues?", **who).data
    assert asked["citations"], asked
    run("f/chatbot/log_usage", event_id=f"{mark}event", operation="chat", model="offline-sentences", **who).done()
    paper = base64.b64encode(f"The {mark}paper says {mark}nothing.".encode()).decode()
    handed_in = {"content_base64": paper, "file_name": f"{mark}paper.txt", "batch": f"{mark}batch"}
    run("f/chatbot/parse_file", **handed_in, **who).done()
    installation.query("UPDATE files SET next_attempt_at = now() + '1 day' WHERE tenant_id = %s", (tenant_id,))
    token = run("f/operations/issue_session_token", **who).data["session_token"]
    run("f/operations/notify_expiring").done()
    feed = run("f/chatbot/create_calendar_feed", tenant_id=tenant_id, user_member_id=tenant.adult).data["feed_id"]
    cursor = run("f/operations/export_tenant", tenant_id=tenant_id, maximum_bytes=1).data["next_cursor"]
    guest = run("f/operations/add_member", tenant_id=tenant_id, name=f"{mark}guest", member_type="child").data
    receipt = run("f/operations/erase_member", tenant_id=tenant_id, **guest).data["receipt"]
    ids = {"tenant": tenant_id, "document": document, "adult": tenant.adult, "mark": mark}
    [row] = installation.query(_COMPLETE, ids)
    values = {
        "<tenant>": tenant_id, "<member>": tenant.adult, "<document>": document, "<session>": asked["session_id"],
        "<chunk>": row["chunk"], "<message>": row["message"], "<entry>": str(row["entry"]), "<event>": f"{mark}event",
        "<issued>": str(row["issued"]), "<token>": token, "<name>": f"{mark}adult", "<email>": address, "<slug>": slug,
        "<cursor>": cursor, "<receipt>": receipt, "<file>": row["file"], "<file64>": paper, "<batch>": f"{mark}batch",
        "<feed>": feed,
        **texts,
    }  # fmt: skip
    return OtherTenant(tenant, mark, values)


_COMPLETE = """
WITH slot AS (INSERT INTO chat_slots (tenant_id, run_id, ends_at) VALUES (%(tenant)s, %(mark)s, now() + '1 hour')),
     question AS (INSERT INTO query_embeddings (tenant_id, subject, place, key, embedding)
                  VALUES (%(tenant)s, %(adult)s, 1, sha256(%(mark)s::bytea), array_fill(1, ARRAY[1024])::halfvec)),
     answer AS (INSERT INTO cached_answers (tenant_id, subject, place, key, seen, answer, chunks, sources, model,
                                            provider, expires_at)
                VALUES (%(tenant)s, %(adult)s, 1, sha256(%(mark)s::bytea), sha256(''), %(mark)s, ARRAY[1],
                        ARRAY[%(document)s], 'm', 'offline', now() + '1 hour')),
     version AS (INSERT INTO document_versions (tenant_id, document_id, version, title, content, content_hash,
                                                visibility, tags, language, written_at)
                 SELECT tenant_id, id, 1, title, content, content_hash, visibility, tags, language, created_at
                 FROM documents WHERE tenant_id = %(tenant)s AND id = %(document)s),
     second AS (UPDATE documents SET version = 2 WHERE tenant_id = %(tenant)s AND id = %(document)s),
     delivery AS (INSERT INTO notice_deliveries (tenant_id, document_id, member_id, threshold, expires_at, channel,
                                                 status)
                  SELECT tenant_id, document_id, member_id, threshold, expires_at, 'email', 'sent'
                  FROM expiry_notices WHERE tenant_id = %(tenant)s),
     next AS (INSERT INTO next_embeddings (tenant_id, chunk_id, document_id, embedding, embedding_model)
              SELECT tenant_id, id, document_id, array_fill(1, ARRAY[1024])::halfvec, 'next' FROM document_chunks
              WHERE tenant_id = %(tenant)s AND document_id = %(document)s),
     moved AS (INSERT INTO imported_ids (tenant_id, kind, old_id, new_id) VALUES (%(tenant)s, 'document', 1, 1))
SELECT (SELECT id FROM document_chunks WHERE document_id = %(document)s) AS chunk,
       (SELECT id FROM conversation_messages WHERE tenant_id = %(tenant)s AND role = 'assistant') AS message,
       (SELECT id FROM audit_log WHERE tenant_id = %(tenant)s ORDER BY occurred_at DESC LIMIT 1) AS entry,
       (SELECT id FROM session_tokens WHERE tenant_id = %(tenant)s) AS issued,
       (SELECT id FROM files WHERE tenant_id = %(tenant)s) AS file
"""


def rows_of(database: Asked, tenant_id: str, but: Iterable[str] = ()) -> dict[str, Json]:
    """Count a tenant's rows in every table of the catalogue, with a fingerprint that a mere rewriting changes too."""
    tables = database.query(
        "SELECT relname AS name,"
        " EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'tenant_id') AS own"
        " FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    conditions = {
        table["name"]: "tenant_id = %(tenant)s" if table["own"] else BESIDE_TENANTS[table["name"]] for table in tables
    }
    statement = " UNION ALL ".join(
        f"SELECT '{table}' AS name, count(*) AS rows, md5(string_agg(xmin || t::text, '' ORDER BY t::text)) AS text"
        f" FROM {table} AS t WHERE {condition}"
        for table, condition in conditions.items()
        if condition is not None and table not in but
    )
    return {row["name"]: row for row in database.query(statement, {"tenant": tenant_id})}


@contextmanager
def unchanged(installation: Installation, other: OtherTenant, but: Iterable[str] = ()) -> Iterator[None]:
    """Check that no row of the other tenant is changed; of some tables it may be."""
    before = rows_of(installation, other.tenant.id, but)
    yield
    assert rows_of(installation, other.tenant.id, but) == before


@dataclass(frozen=True)
class Told:
    """What a call told: its answer and its logs, without ids, moments and what the caller said themselves.

    Attributes:
        whole: The answer with all of that, which is not compared.
    """

    status: int
    answer: str
    log: str
    whole: str = field(compare=False)


def call(installation: Installation, other: OtherTenant, path: str, arguments: Json) -> Told:
    """Run a script or flow, and check that nothing of the other tenant and no secret is in its answer and its logs."""
    kind, job = "f" if path in FLOWS else "p", str(uuid.uuid4())
    address = installation.stack.url(f"jobs/run_wait_result/{kind}/{path}")
    answer = installation.client.post(address, params={"job_id": job}, json=arguments)
    log = "".join(logs(installation, one) for one in (jobs_of(installation, job) if path in FLOWS else [job]))
    told = [without(text, arguments) for text in (answer.text, log)]
    found = [thing for text in told for thing in other.told_in(text)]
    found += leaks(installation, log if path in GIVING_TOKENS else log + answer.text)
    assert found == [], f"{path} {arguments} tells {found}: {answer.text}\n{log}"
    return Told(answer.status_code, masked(told[0]), masked(told[1]), answer.text)


def without(text: str, arguments: Json) -> str:
    """Take out of a text what its caller had said, numbers where they stand whole; parameters' names are no secret."""
    for value in sorted(set(_leaves([*arguments.values()])), key=len, reverse=True):
        if value.isascii() and value.isdecimal():
            text = re.sub(rf"(?<!\d){value}(?!\d)", "#", text)
        else:
            text = text.replace(json.dumps(value)[1:-1], "#").replace(value, "#")
    return text


def without_uuids(text: str) -> str:
    """Take out of a text the ids that are new for each call."""
    return _UUID.sub("#", text)


def masked(text: str) -> str:
    """Take out of a text what differs in any two calls: ids, moments, tokens."""
    for pattern in (_SIGNED, _UUID, _MOMENT, _ID):
        text = pattern.sub("#", text)
    return text


def filled(value: Any, values: Json) -> Any:
    """Put values into the places of their placeholders."""
    if isinstance(value, dict):
        return {str(filled(name, values)): filled(item, values) for name, item in value.items()}
    if isinstance(value, list):
        return [filled(item, values) for item in value]
    return values.get(value, value) if isinstance(value, str) else value


def _leaves(value: Any) -> Iterator[str]:
    """Give the texts and large numbers in arguments; of short ones an answer may hold its own."""
    if isinstance(value, dict):
        value = [*value.keys(), *value.values()]
    if isinstance(value, list):
        for item in value:
            yield from _leaves(item)
    elif isinstance(value, str | int) and not isinstance(value, bool) and len(str(value)) > 5:
        yield str(value)
