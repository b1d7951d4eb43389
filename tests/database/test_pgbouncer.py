"""PgBouncer in transaction mode: many clients of many tenants share few connections, and mix nothing."""

import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import psycopg2
import pytest

from evaluation.stage import connected
from f.core.chunking import split_document
from f.core.conversations import Exchange, keep_exchange, read_messages, session_exists
from f.core.database import Database
from f.core.documents import NewDocument, delete_document, find_same, reserve_id, store
from f.core.errors import NotFound
from f.core.identity import Caller
from f.core.retrieval import Query, SearchFilter, load_passages, rank_passages
from tests.attacks.reading_stage import Paper, Viewer, may
from tests.conftest import InstallationMaker
from tests.database.worlds import (
    APP,
    MEMBER_TYPES,
    VISIBILITIES,
    Filled,
    World,
    add_document,
    new_tenant,
    random_vector,
)
from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Tenant
from tests.support.pgbouncer import pgbouncer

CLIENTS, CONNECTIONS, ROUNDS = 50, 5, 5
SETTINGS = ("app.tenant_id", "app.member_id", "app.member_type", "app.admins_see_private")
QUERY = Query("What is the excess in euros?", random_vector(random.Random(1)), "m")


@dataclass(frozen=True)
class House:
    """A tenant with a document of each visibility for each member."""

    tenant: Filled
    admins_see_private: bool
    papers: tuple[Paper, ...]

    def viewer(self, number: int) -> Viewer:
        """Give one of the five kinds of viewers."""
        kind = [*MEMBER_TYPES, None][number % 5]
        return Viewer(kind, None if kind is None else self.tenant.members[kind], {})

    def visible(self, viewer: Viewer) -> set[int]:
        """Give the documents that a viewer may see."""
        return {paper.id for paper in self.papers if may(viewer, paper, admins_see_private=self.admins_see_private)}


@pytest.fixture(scope="module")
def houses(world: World) -> list[House]:
    """Two tenants with the same words, one of which hides private documents from its admins."""
    source, made = random.Random(2), []
    for admins_see_private in (True, False):
        tenant = new_tenant(world, admins_see_private=admins_see_private)
        papers = []
        with world.connected("postgres") as cursor:
            for visibility in VISIBILITIES:
                for member in tenant.members.values():
                    text = f"The excess of {tenant.id} is 75 euros."
                    document = add_document(
                        cursor, tenant.id, texts=[text], vectors=[random_vector(source)], visibility=visibility,
                        assigned_to=member, category="policies",
                    )  # fmt: skip
                    papers.append(Paper(document, 0, "", text, visibility, member))
        made.append(House(tenant, admins_see_private, tuple(papers)))
    return made


def left_over(database: Database) -> dict[str, Any]:
    """Return what a statement finds that names nobody: the settings, the server's process, and how many documents."""
    names = ", ".join(f"current_setting('{name}', true) AS \"{name}\"" for name in SETTINGS)
    with database.connection.cursor() as cursor:
        cursor.execute(f"SELECT {names}, pg_backend_pid() AS pid, (SELECT count(*) FROM documents) AS documents")
        return dict(cursor.fetchone() or {})


def check_nothing_left(database: Database) -> int:
    """Check that whoever comes next finds nothing of who was there; return the server's process."""
    left = left_over(database)
    assert left["documents"] == 0, left
    assert not any(left[name] for name in SETTINGS), left
    return int(left["pid"])


@dataclass
class Client:
    """One of many: a member here and then a member there, on one connection to PgBouncer."""

    number: int
    houses: list[House]
    database: Database
    processes: set[int] = field(default_factory=set)

    def work(self) -> None:
        """Do in each round what a member does, as another member of another tenant each time."""
        for turn in range(ROUNDS):
            house = self.houses[(self.number + turn) % len(self.houses)]
            self.be(house, house.viewer(self.number + 3 * turn))

    def be(self, house: House, viewer: Viewer) -> None:
        """Search, store, find, ask, read and delete as one viewer."""
        caller = Caller(house.tenant.id, viewer.member)
        assert self.database.admit(caller).budget_after_seconds == 0
        assert self.found(caller, "policies") == house.visible(viewer)
        category = f"of client {self.number}"
        document = self.stored(caller, category)
        assert self.found(caller, category) == {document}
        self.asked(caller, document)
        stranger = Caller(next(other.tenant.id for other in self.houses if other is not house))
        assert self.found(stranger, category) == set()
        with pytest.raises(NotFound), self.database.transaction(stranger) as transaction:
            delete_document(transaction, stranger, document)
        with self.database.transaction(caller) as transaction:
            delete_document(transaction, caller, document)
        assert self.found(caller, category) == set()
        self.processes.add(check_nothing_left(self.database))

    def found(self, caller: Caller, category: str) -> set[int]:
        """Search, and check that all of a passage is the tenant's own."""
        with self.database.transaction(caller) as transaction:
            ranked = rank_passages(transaction, QUERY, SearchFilter(category=category))
            hits = load_passages(transaction, ranked, snippets_for=QUERY.question, shown=False)
        assert all(caller.tenant_id in hit.content for hit in hits)
        assert len(hits) == len(ranked)
        return {hit.document_id for hit in hits}

    def stored(self, caller: Caller, category: str) -> int:
        """Store a document for everybody in the tenant."""
        text = f"The excess of {caller.tenant_id} for {category} is 80 euros."
        key, member = str(uuid.uuid4()), caller.member_id
        new = NewDocument("Policy", text, "everyone", "english", category, created_by=member, idempotency_key=key)
        with self.database.transaction(caller) as transaction:
            document = reserve_id(transaction, new)
            assert find_same(transaction, new) is None
            store(transaction, document, new, split_document(text))
        return document

    def asked(self, caller: Caller, document: int) -> None:
        """Keep a question and its answer, and read them; nobody else can."""
        session, event = str(uuid.uuid4()), str(uuid.uuid4())
        exchange = Exchange(
            event, "How much?", f"80 euros in {caller.tenant_id}.", [], [document], 1.0, None, None, 0, 0
        )
        with self.database.transaction(caller) as transaction:
            keep_exchange(transaction, session, exchange)
        with self.database.transaction(caller) as transaction:
            assert [message["content"] for message in read_messages(transaction, session, 9, None)] == [
                exchange.answer, exchange.question,
            ]  # fmt: skip
        for house in self.houses:
            stranger = Caller(house.tenant.id, house.viewer(self.number + 1).member)
            if stranger != caller:
                with self.database.transaction(stranger) as transaction:
                    assert not session_exists(transaction, session)
                    assert read_messages(transaction, session, 9, None) == []


def test_fifty_clients_of_two_tenants_over_five_connections_see_their_own_alone(
    world: World, houses: list[House]
) -> None:
    with pgbouncer(world.postgres, world.credentials, world.name, pool_size=CONNECTIONS) as server:
        dsn = server.dsn(APP, world.credentials.app_password, world.name)

        def work(number: int) -> set[int]:
            with connected(dsn) as database:
                client = Client(number, houses, database)
                client.work()
            return client.processes

        with ThreadPoolExecutor(CLIENTS) as threads:
            processes = set().union(*threads.map(work, range(CLIENTS)))

    assert 1 <= len(processes) <= CONNECTIONS, "each client had a connection of its own, so it proves nothing"


def test_a_client_that_vanishes_in_the_middle_leaves_nothing_to_the_next(world: World, houses: list[House]) -> None:
    with pgbouncer(world.postgres, world.credentials, world.name, pool_size=1) as server:
        dsn = server.dsn(APP, world.credentials.app_password, world.name)
        for house in houses:
            gone = psycopg2.connect(dsn)
            with gone.cursor() as cursor:
                cursor.execute("SELECT * FROM enter_tenant(%s, NULL, 'system')", (house.tenant.id,))
            gone.close()
            with connected(dsn) as database:
                check_nothing_left(database)


@pytest.fixture
def bounced(make_installation: InstallationMaker) -> Iterator[Installation]:
    """An installation whose scripts reach the database through PgBouncer."""
    installation = make_installation(measured=False)
    stack = installation.stack
    with pgbouncer(stack.postgres, stack.credentials, stack.dbname, pool_size=CONNECTIONS) as server:
        for folder in ("chatbot", "operations"):
            path = f"f/{folder}/postgres_db"
            value = stack.server.workspace.resources[path]["value"]
            stack.server.workspace.set_resource(path, {**value, "port": server.port}, "postgresql")
        yield installation


def live(installation: Installation, tenant: Tenant, kind: str, turn: int) -> None:
    """Do over HTTP what a member does, and look at what comes back."""
    run, word = installation.run, f"of {tenant.id}"
    who = {"tenant_id": tenant.id, "user_member_id": tenant.types[kind]}
    text = f"The excess for {kind} {turn} {word} is 80 euros."
    document = installation.flow(
        "f/chatbot/ingest_document", title="Policy", content=text, visibility="private", **who
    ).data
    assert document["status"] == "completed"
    found = run("f/chatbot/search", query="the excess in euros", document_ids=[document["document_id"]], **who).data
    assert [hit["document_id"] for hit in found["documents"]] == [document["document_id"]]
    asked = run("f/chatbot/chat", question=f"What is the excess for {kind} {turn}?", **who).data
    assert asked["citations"]
    assert all(word in citation["quote"] for citation in asked["citations"])
    read = run("f/chatbot/read_session", session_id=asked["session_id"], **who).data
    assert [message["role"] for message in read["messages"]] == ["assistant", "user"]
    run("f/chatbot/delete_document", document_id=document["document_id"], **who).done()
    assert run("f/chatbot/search", query="the excess", document_ids=[document["document_id"]], **who).data["total"] == 0


def test_scripts_and_flows_do_their_work_through_it(bounced: Installation) -> None:
    tenants = [bounced.new_tenant(retention_days=0) for _ in range(2)]
    in_parallel(
        [
            partial(live, bounced, tenants[turn % 2], kind, turn)
            for turn in range(4)
            for kind in ("admin", "adult", "teen", "child")
        ],
        8,
    )
    issued = bounced.run(
        "f/operations/issue_session_token", tenant_id=tenants[0].id, user_member_id=tenants[0].teen
    ).data
    assert bounced.run("f/chatbot/search", query="excess", session_token=issued["session_token"]).data["total"] == 0
    bounced.run("f/chatbot/search", query="excess", tenant_id=tenants[0].id, user_member_id=tenants[1].teen).refused(
        404
    )
    assert bounced.run("f/operations/purge_documents").data["documents"] == 16
    for path in ("f/operations/clean_up", "f/operations/expire_documents", "f/operations/embed_backlog"):
        bounced.flow(path).done()
    assert bounced.run("f/operations/check_health").data["database"]["ok"] is True
