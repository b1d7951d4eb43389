"""Brings the sample tenants, members and documents in, and remembers their ids.

Module of the demonstration.
"""

import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from local.demo import page
from local.demo.client import Client, DemoFailed
from local.samples import SampleDocument, SampleMember, Samples, SampleTenant

_IN_FLIGHT = 4
"""Documents on their way at a time: enough to keep two cores busy while jobs wait for the database."""


@dataclass(frozen=True, slots=True)
class Person:
    """A member who acts.

    Attributes:
        identity: The arguments that tell a script who calls.
    """

    name: str
    member_type: str
    tenant: SampleTenant
    tenant_id: str
    member_id: int

    @property
    def identity(self) -> dict[str, object]:
        """The arguments by which a trusted back end tells a script who calls."""
        return {"tenant_id": self.tenant_id, "user_member_id": self.member_id}

    def __str__(self) -> str:
        return f"{self.name}, {self.member_type} ({self.tenant.name})"


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """A document that was brought in.

    Attributes:
        file: The name of its file.
        content: Its text: as it was given, or as it was read out of the file.
        assigned_to: The name of a member, or None.
    """

    file: str
    title: str
    content: str
    visibility: str
    assigned_to: str | None


@dataclass(frozen=True, slots=True)
class World:
    """What the demonstration has made.

    Attributes:
        people: Every member, by the slug of the tenant and the name.
        documents: Every document, by the slug of its tenant and its id.
    """

    people: dict[tuple[str, str], Person]
    documents: dict[tuple[str, int], KnownDocument]

    def person(self, slug: str, name: str) -> Person:
        """Return a member."""
        return self.people[slug, name]

    def ids(self, slug: str, file: str | None = None) -> list[int]:
        """Return the ids of a tenant's documents, or of the one with this file name."""
        return sorted(
            number
            for (owner, number), document in self.documents.items()
            if owner == slug and file in (None, document.file)
        )


def populate(client: Client, samples: Samples) -> World:
    """Make the tenants with their members, and bring in all documents; progress is printed.

    Raises:
        DemoFailed: When something is refused, or a document is not completed.
    """
    with ThreadPoolExecutor(_IN_FLIGHT) as pool:
        tenant_ids = list(pool.map(lambda tenant: _create(client, tenant), samples.tenants))
        wanted = [
            (tenant, tenant_id, member)
            for tenant, tenant_id in zip(samples.tenants, tenant_ids, strict=True)
            for member in tenant.members
        ]
        joined = list(pool.map(lambda one: _join(client, *one), wanted))
    people = {(person.tenant.slug, person.name): person for person in joined}
    for tenant in samples.tenants:
        names = [f"{member.name} ({member.member_type})" for member in tenant.members]
        page.paragraph(f"{tenant.name}: {', '.join(names)}", "  ")
    return World(people, _bring_in(client, samples, people))


def admin_of(people: dict[tuple[str, str], Person], slug: str) -> Person:
    """Return a tenant's first admin."""
    return next(person for (owner, _), person in people.items() if owner == slug)


def _create(client: Client, tenant: SampleTenant) -> str:
    """Make a tenant."""
    made = client.script(
        "f/operations/create_tenant",
        name=tenant.name,
        slug=tenant.slug,
        kind=tenant.kind,
        language=tenant.language,
        admins_see_private=tenant.admins_see_private,
    )
    return str(made["tenant_id"])


def _join(client: Client, tenant: SampleTenant, tenant_id: str, member: SampleMember) -> Person:
    """Make a member."""
    made = client.script(
        "f/operations/add_member",
        tenant_id=tenant_id, name=member.name, member_type=member.member_type, email=member.email,
    )  # fmt: skip
    return Person(member.name, member.member_type, tenant, tenant_id, int(made["user_member_id"]))


def _bring_in(
    client: Client, samples: Samples, people: dict[tuple[str, str], Person]
) -> dict[tuple[str, int], KnownDocument]:
    """Bring in all documents, several at a time, the longest first."""
    started = time.monotonic()
    found: dict[tuple[str, int], KnownDocument] = {}
    waiting = sorted(samples.documents, key=lambda document: -len(document.content))
    print(f"\n  {len(waiting)} documents through the flow f/chatbot/ingest_document, {_IN_FLIGHT} at a time:")
    pool = ThreadPoolExecutor(_IN_FLIGHT)
    try:
        running = {pool.submit(_ingest, client, document, people): document for document in waiting}
        chunks = 0
        for done, future in enumerate(as_completed(running), start=1):
            document = running[future]
            number, count = future.result()
            chunks += count
            known = (document.path.name, document.title, document.content, document.visibility, document.assigned_to)
            found[document.tenant, number] = KnownDocument(*known)
            show_progress(f"  [{done:>2}/{len(waiting)}] {document.tenant}: {document.title}, {count} chunks")
        print(f"  all completed: {chunks} chunks in {time.monotonic() - started:.1f} s")
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    return found


def _ingest(client: Client, document: SampleDocument, people: dict[tuple[str, str], Person]) -> tuple[int, int]:
    """Bring in one document: a private one by its owner, any other by the tenant's admin; return id and chunks."""
    assigned = people[document.tenant, document.assigned_to] if document.assigned_to else None
    actor = assigned if assigned and document.visibility == "private" else admin_of(people, document.tenant)
    stored = client.flow(
        "f/chatbot/ingest_document",
        **actor.identity,
        title=document.title,
        content=document.content,
        category=document.category,
        visibility=document.visibility,
        assigned_to=assigned.member_id if assigned else None,
        tags=list(document.tags),
        expires_at=document.expires_at(),
        language=document.language,
        source=document.source,
        source_url=document.source_url,
        idempotency_key=f"sample:{document.path.name}",
    )
    if stored["status"] != "completed" or not stored["chunks"]:
        raise DemoFailed(f"{document.title} was not embedded: its status is {stored['status']}.")
    return int(stored["document_id"]), int(stored["chunks"])


def show_progress(text: str) -> None:
    """Print a line of progress."""
    print(text)
    sys.stdout.flush()
