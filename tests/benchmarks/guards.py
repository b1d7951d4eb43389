"""What each guard costs: the same call with it and without it, in turn, as a ratio.

Without the policies a search runs as the superuser, who is under none, with the same statement and the same tenant in
its WHERE; the member's sight is put into a filter, so that both find the same. Other guards are left out by calling
what stands behind them. What a job pays once (the look at its arguments, a signature) is compared with the job.
"""

import json
import random
import time
import uuid
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from evaluation.stage import connected
from f.core.chunking import split_document
from f.core.database import Database, Transaction
from f.core.hidden_text import visible_text
from f.core.identity import Caller, sign_token, verify_token
from f.core.job import _names_reference
from f.core.retrieval import Query, SearchFilter, load_passages, rank_passages
from local.stack import local_stack
from tests.benchmarks.filling import (
    MODEL,
    PASSWORD,
    fill_tenant,
    filled_server,
    random_question,
    random_vector,
)
from tests.benchmarks.timing import Action, paired, print_ratios

ROUNDS = 40
SIZE = 2_000
_KEY = "a-key-for-benchmarks-of-some-length-0000"


def main() -> None:
    """Measure in the database, in a process, and over HTTP."""
    with filled_server() as (server, name):
        print(f"filling a tenant of {SIZE:,} chunks ...", flush=True)
        admin = server.admin_dsn(name)
        tenant, guarded = fill_tenant(admin, SIZE), fill_tenant(admin, SIZE, ("admins_only",))
        with connected(server.dsn("knowledge_app", PASSWORD, name)) as app, connected(admin) as superuser:
            times = paired(_in_database(app, superuser, tenant, guarded), ROUNDS)
    print_ratios("guard, in the database", times, ("with", "without"))
    print_ratios("guard, in the process", paired(_in_process(), ROUNDS), ("with", "without"))
    _in_a_job()


def _in_database(app: Database, superuser: Database, tenant: str, guarded: str) -> dict[str, tuple[Action, Action]]:
    """Give the pairs that are statements."""
    caller = Caller(tenant, None, "teen")
    member, token = _member_with_token(superuser, tenant)
    open_documents = [
        row["id"]
        for row in _rows(superuser, "SELECT id FROM documents WHERE tenant_id = %s AND visibility = 'everyone'", tenant)
    ]
    questions = [(random_question(), random_vector()) for _ in range(ROUNDS + 2)]

    def search(database: Database, who: Caller, chosen: SearchFilter, *, hybrid: bool, shown: bool = True) -> Action:
        number = iter(range(10**6))

        def run() -> None:
            question, vector = questions[next(number) % len(questions)]
            query = Query(question, vector if hybrid else None, MODEL)
            with database.transaction(who) as transaction:
                ranked = rank_passages(transaction, query, chosen)
                load_passages(transaction, ranked[:10], snippets_for=question, shown=shown)

        return run

    everything, listed = SearchFilter(), SearchFilter(document_ids=open_documents)
    admin = Caller(guarded, None, "admin")
    return {
        "policies and sight: search by words": (
            search(app, caller, everything, hybrid=False), search(superuser, caller, listed, hybrid=False),
        ),
        "policies and sight: search by words and vectors": (
            search(app, caller, everything, hybrid=True), search(superuser, caller, listed, hybrid=True),
        ),
        "audit of ten guarded documents that are read": (
            search(app, admin, everything, hybrid=True), search(app, admin, everything, hybrid=True, shown=False),
        ),
        "entering a tenant: an empty transaction": (
            lambda: _enter(app, Caller(tenant, member)), lambda: _rows(app, "BEGIN; SELECT 1 AS one; COMMIT"),
        ),
        "a token that is looked up: an empty transaction": (
            lambda: _enter(app, Caller(tenant, member, None, token)), lambda: _enter(app, Caller(tenant, member)),
        ),
        "limits of calls: letting somebody in": (
            lambda: app.admit(Caller(tenant, member)), lambda: _enter(app, Caller(tenant, member)),
        ),
        "a slot for a question": (
            lambda: _enter(app, Caller(tenant, member), _take_slot), lambda: _enter(app, Caller(tenant, member)),
        ),
        "withheld answers: reading a conversation": _conversation(app, superuser, tenant, member, open_documents),
        "scattered ids: a thousand": (
            lambda: _rows(superuser, "SELECT count(new_id('document_chunks_id_seq')) FROM generate_series(1, 1000)"),
            lambda: _rows(superuser, "SELECT count(nextval('document_chunks_id_seq')) FROM generate_series(1, 1000)"),
        ),
    }  # fmt: skip


def _in_process() -> dict[str, tuple[Action, Action]]:
    """Give the pairs that are Python."""
    clean = " ".join(f"word{random.randrange(10_000)}" for _ in range(15_000))
    greek = clean.replace("word", "λέξη")
    hidden = clean.replace("word1", "wo\u200brd1")
    token = sign_token(str(uuid.uuid4()), str(uuid.uuid4()), 7, int(time.time()) + 3600, [_KEY])
    body = {"tenant_id": str(uuid.uuid4()), "title": "A title", "content": clean}
    return {
        f"hidden text: cutting {len(clean) // 1000} kB of English": (
            lambda: split_document(visible_text(clean)), lambda: split_document(clean),
        ),
        f"hidden text: cutting {len(greek) // 1000} kB of Greek": (
            lambda: split_document(visible_text(greek)), lambda: split_document(greek),
        ),
        "hidden text: the same with something hidden": (
            lambda: split_document(visible_text(hidden)), lambda: split_document(hidden),
        ),
        "references: looking through the arguments of an ingest": (
            lambda: (json.dumps(body), _names_reference(body)), lambda: json.dumps(body),
        ),
        "a signature: 100 tokens": (
            lambda: [verify_token(token, [_KEY, _KEY[::-1]], 0) for _ in range(100)],
            lambda: [json.dumps({"tenant": token}) for _ in range(100)],
        ),
    }  # fmt: skip


def _in_a_job() -> None:
    """Compare what a job pays for the look at its arguments with the whole of a search."""
    with TemporaryDirectory() as home, local_stack(Path(home), environment={}, durable=False) as stack:
        client = httpx.Client(headers=stack.headers, timeout=60)
        run = stack.url("jobs/run_wait_result/p/")
        tenant = client.post(run + "f/operations/create_tenant", json={"name": "B", "slug": "b"}).json()["data"]
        arguments = {"query": "garden", **tenant}
        job = client.post(stack.url("jobs/run/p/f/chatbot/search"), json=arguments).text
        pairs: dict[str, tuple[Action, Action]] = {
            "a search, beside the request that reads its arguments": (
                lambda: client.post(run + "f/chatbot/search", json=arguments).raise_for_status(),
                lambda: client.get(stack.url(f"jobs_u/get/{job}")).raise_for_status(),
            )
        }
        print_ratios("guard, in a job", paired(pairs, ROUNDS), ("job", "guard"))


def _enter(database: Database, caller: Caller, action: object = None) -> None:
    """Run a transaction in somebody's name with nothing, or one thing, in it."""
    with database.transaction(caller) as transaction:
        if callable(action):
            action(transaction)


def _take_slot(transaction: Transaction) -> None:
    """Take a slot for a question and give it back."""
    transaction.execute(
        "SELECT take_chat_slot(%s, %s, 'benchmark', 10); DELETE FROM chat_slots WHERE tenant_id = %s",
        (transaction.tenant_id, transaction.member_id, transaction.tenant_id),
    )


def _conversation(
    app: Database, superuser: Database, tenant: str, member: int, documents: list[int]
) -> tuple[Action, Action]:
    """Give the reading of twenty messages, through the view and from the table."""
    opened = "INSERT INTO conversation_sessions (tenant_id, member_id) VALUES (%s, %s) RETURNING id"
    session = _rows(superuser, opened, tenant, member)[0]["id"]
    for number in range(10):
        _rows(
            superuser,
            "INSERT INTO conversation_messages (tenant_id, session_id, event_id, role, content, sight, sources)"
            " VALUES (%s, %s, %s, 'user', 'What?', 1, '{}'), (%s, %s, %s, 'assistant', 'That.', 1, %s)",
            *(tenant, session, str(number), tenant, session, str(number), documents[:5]),
        )

    def read(relation: str) -> Action:
        statement = f"SELECT content FROM {relation} WHERE tenant_id = %s AND session_id = %s"
        return lambda: _enter(app, Caller(tenant, member), lambda t: t.rows(statement, (tenant, session)))

    return read("readable_messages"), read("conversation_messages")


def _member_with_token(superuser: Database, tenant: str) -> tuple[int, str]:
    """Make a member who has a session token, and return both ids."""
    added = "INSERT INTO family_members (tenant_id, name, member_type) VALUES (%s, 'B', 'teen') RETURNING id"
    member = _rows(superuser, added, tenant)[0]["id"]
    issued = (
        "INSERT INTO session_tokens (tenant_id, member_id, expires_at) VALUES (%s, %s, now() + '1 day') RETURNING id"
    )
    token = _rows(superuser, issued, tenant, member)[0]["id"]
    _rows(superuser, "UPDATE tenants SET member_requests_per_minute = 1000000")
    return int(member), str(token)


def _rows(database: Database, statement: str, *parameters: object) -> list[dict[str, Any]]:
    """Run a statement outside of any tenant's transaction."""
    with database.connection.cursor() as cursor:
        cursor.execute(statement, parameters or None)
        return [dict(row) for row in cursor.fetchall()] if cursor.description else []
