"""A tenant with a document of each visibility for each member, and the rules of who sees which, written from the rules.

The rules here are those of README, in Python, and share nothing with the code that they judge.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from tests.attacks.other_tenant import new_mark
from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Json, Tenant

VISIBILITIES = ("everyone", "adults_only", "admins_only", "private")
KINDS = ("admin", "adult", "teen", "child")
SHARED = {"category": "papers", "source": "the office", "tags": ["paper"], "expires_at": "2100-01-01"}
SIGHT = {None: 0, "child": 1, "teen": 1, "adult": 2, "admin": 3}
"""How much each type sees: messages that were written by somebody who saw more are not read."""


@dataclass(frozen=True)
class Paper:
    """A document: ``word`` stands in its text, its title and a tag of its own, and nowhere else."""

    id: int
    chunk: int
    word: str
    text: str
    visibility: str
    assigned_to: int | None
    created_by: int | None = None


@dataclass(frozen=True)
class Viewer:
    """Who reads: a member, or a back end that names none."""

    kind: str | None
    member: int | None
    identity: Json = field(hash=False)


def may(viewer: Viewer, paper: Paper, *, admins_see_private: bool) -> bool:
    """Tell whether a viewer may see a document."""
    is_admin = viewer.kind == "admin"
    if paper.visibility == "private":
        own = viewer.member is not None and paper.assigned_to == viewer.member
        return own or (is_admin and admins_see_private)
    return {"everyone": True, "adults_only": is_admin or viewer.kind == "adult", "admins_only": is_admin}[
        paper.visibility
    ]


def may_delete(viewer: Viewer, paper: Paper) -> bool:
    """Tell whether a viewer who may see a document may delete it too."""
    if viewer.member is None or viewer.kind == "admin":
        return True
    return viewer.member == paper.created_by or (paper.visibility == "private" and viewer.member == paper.assigned_to)


@dataclass(frozen=True)
class Stage:
    """The tenant and its documents, as they are at the beginning."""

    installation: Installation
    tenant: Tenant
    admins_see_private: bool
    papers: tuple[Paper, ...]

    def viewers(self) -> list[Viewer]:
        """List a member of each type, and the back end."""
        who = {"tenant_id": self.tenant.id}
        members = [
            Viewer(kind, member, {**who, "user_member_id": member}) for kind, member in self.tenant.types.items()
        ]
        return [*members, Viewer(None, None, who)]

    def concerns(self, paper: Paper, viewer: Viewer) -> bool:
        """Tell whether a pair is one of those that are tried where each costs a job: one's own, and one other's."""
        members = [*self.tenant.types.values()]
        own = members[0] if viewer.member is None else viewer.member
        return paper.assigned_to in (own, members[(members.index(own) + 1) % len(members)], None)

    def visible(self, viewer: Viewer, papers: Sequence[Paper] | None = None) -> set[int]:
        """Give the ids of the documents that a viewer may see."""
        chosen = self.papers if papers is None else papers
        return {paper.id for paper in chosen if may(viewer, paper, admins_see_private=self.admins_see_private)}

    def told(self, viewer: Viewer, text: str, papers: Sequence[Paper] | None = None) -> list[str]:
        """List what a text tells of documents that a viewer may not see: their words and ids."""
        chosen = self.papers if papers is None else papers
        hidden = [paper for paper in chosen if paper.id not in self.visible(viewer, chosen)]
        plain = text.replace("*", "")
        numbers = set(re.findall(r"\d+", plain))
        return [paper.word for paper in hidden if paper.word in plain or {str(paper.id), str(paper.chunk)} & numbers]


def set_stage(installation: Installation, *, admins_see_private: bool) -> Stage:
    """Make the tenant. The documents are stored, and have no vectors yet."""
    tenant = installation.new_tenant(admins_see_private=admins_see_private)
    installation.query("UPDATE tenants SET requests_per_minute = 100000, member_requests_per_minute = 100000")
    stage = Stage(installation, tenant, admins_see_private, ())
    mark = new_mark()
    wanted = [(visibility, kind) for visibility in VISIBILITIES for kind in KINDS]
    papers = in_parallel(
        [
            partial(store, stage, f"{mark}{visibility.partition('_')[0]}{kind}", visibility, tenant.types[kind])
            for visibility, kind in wanted
        ]
    )
    return replace(stage, papers=tuple(papers))


def store(stage: Stage, word: str, visibility: str, assigned_to: int | None, created_by: int | None = None) -> Paper:
    """Store a document as a member, or as the back end.

    Half of its text is in all of them: were the drawn word most of it, that word's pieces could by chance turn a vector
    away from every question.
    """
    text = f"The harbour paper {word} of the lighthouse keeper and the sailors says that the mooring is {word}."
    given = {**SHARED, "tags": [*SHARED["tags"], word], "visibility": visibility, "assigned_to": assigned_to}
    document = stage.installation.run(
        "f/chatbot/ingest", title=f"Paper {word}", content=text, tenant_id=stage.tenant.id, user_member_id=created_by,
        **given,
    ).data["document_id"]  # fmt: skip
    [row] = stage.installation.query("SELECT id FROM document_chunks WHERE document_id = %s", (document,))
    return Paper(document, row["id"], word, text, visibility, assigned_to, created_by)


def converse(stage: Stage, viewer: Viewer, papers: Sequence[Paper] | None = None) -> str:
    """Give a viewer a conversation with a question and an answer about each document, as if all had been seen then."""
    session = stage.installation.query(
        "INSERT INTO conversation_sessions (tenant_id, member_id) VALUES (%s, %s) RETURNING id::text",
        (stage.tenant.id, viewer.member),
    )[0]["id"]
    for paper in stage.papers if papers is None else papers:
        citation = {"n": 1, "document_id": paper.id, "chunk_id": paper.chunk, "start": 0, "end": len(paper.text)}
        for role, content, citations, sources in (
            ("user", f"What about number {paper.id}?", [], []),
            ("assistant", f"It says {paper.word} [1].", [citation], [paper.id]),
        ):
            stage.installation.query(
                "INSERT INTO conversation_messages"
                " (tenant_id, session_id, event_id, role, content, sight, citations, sources)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    stage.tenant.id,
                    session,
                    f"{paper.id}",
                    role,
                    content,
                    SIGHT[viewer.kind],
                    json.dumps(citations),
                    sources,
                ),
            )
    return str(session)
