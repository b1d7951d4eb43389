"""Who may see what, in a few lines of Python that know nothing of how it is done: for ``test_sight_property``."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from f.core.errors import CallerMistake, Forbidden, NotFound, Unauthorized
from f.core.identity import Caller

SIGHT: dict[str | None, int] = {None: 0, "child": 1, "teen": 1, "adult": 2, "admin": 3}
SIGHT_NEEDED = {"everyone": 0, "adults_only": 2, "admins_only": 3, "private": 0}
GUARDED = {"admins_only", "private"}
HISTORY = 8
"""The most earlier messages that a model is told."""

Refusal = type[CallerMistake]


@dataclass
class Member:
    """A member, with a session token."""

    id: int
    type: str
    token: str
    removed: bool = False
    revoked: bool = False


@dataclass
class Document:
    """A document; each of its texts is a chunk."""

    id: int
    texts: tuple[str, ...]
    visibility: str
    assigned_to: int | None
    created_by: int | None
    key: str
    deleted: bool = False
    embedded: bool = False
    planted: bool = False
    earlier: list[tuple[str, int | None]] = field(default_factory=list)

    @property
    def was(self) -> str:
        """Who might see it in its earlier version, which what is planted has; and its file says everyone."""
        return "adults_only" if self.id % 2 else "everyone"

    @property
    def version(self) -> int:
        """At which version it is; what is planted has been changed once."""
        return 1 + self.planted + len(self.earlier)

    def state(self, version: int) -> tuple[str, int | None]:
        """Tell for whom it is, or was."""
        if version == self.version:
            return self.visibility, self.assigned_to
        return (self.was, None) if version == self.planted else self.earlier[version - 1 - self.planted]

    @property
    def content(self) -> str:
        """All of its text."""
        return "\n".join(self.texts)


@dataclass(frozen=True)
class Message:
    """A question or an answer: what it rests on, and the documents that it cites, each in its version of that time."""

    role: str
    text: str
    sight: int
    sources: frozenset[int] = frozenset()
    cites: tuple[tuple[int, int], ...] = ()


@dataclass
class Session:
    """A conversation, oldest message first."""

    id: str
    member_id: int | None
    messages: list[Message] = field(default_factory=list)


@dataclass(frozen=True)
class Viewer:
    """Somebody who was let in."""

    member_id: int | None
    type: str | None


@dataclass
class Tenant:
    """A tenant and all that it has, documents in the order in which they came.

    Attributes:
        noted: How many entries its audit log has.
    """

    id: str
    admins_see_private: bool
    members: dict[int, Member] = field(default_factory=dict)
    documents: dict[int, Document] = field(default_factory=dict)
    sessions: list[Session] = field(default_factory=list)
    noted: int = 0

    def enter(self, caller: Caller) -> Viewer | Refusal:
        """Tell as whom a caller is let in, or how they are refused."""
        if caller.member_id is None:
            return Viewer(None, caller.claimed_type) if caller.token_id is None else Unauthorized
        member = self.members.get(caller.member_id)
        if member is None or member.removed:
            return NotFound
        if caller.token_id is not None and (caller.token_id != member.token or member.revoked):
            return Unauthorized
        narrower = caller.claimed_type is not None and SIGHT[caller.claimed_type] < SIGHT[member.type]
        return Viewer(member.id, caller.claimed_type if narrower else member.type)

    def may(self, viewer: Viewer, visibility: str, assigned_to: int | None) -> bool:
        """Tell whether somebody may see what is for these: the whole rule."""
        sight = SIGHT[viewer.type]
        if visibility == "private":
            own = viewer.member_id is not None and assigned_to == viewer.member_id
            return own or (sight == 3 and self.admins_see_private)
        return sight >= SIGHT_NEEDED[visibility]

    def sees(self, viewer: Viewer, document: Document) -> bool:
        """Tell whether somebody sees a document."""
        return not document.deleted and self.may(viewer, document.visibility, document.assigned_to)

    def visible(self, viewer: Viewer) -> list[Document]:
        """List what somebody sees."""
        return [document for document in self.documents.values() if self.sees(viewer, document)]

    def earlier(self, viewer: Viewer) -> int:
        """Count the earlier versions that somebody sees: now and then must both be for them."""
        states = (one.state(version) for one in self.visible(viewer) for version in range(1, one.version))
        return sum(self.may(viewer, *state) for state in states)

    def sessions_of(self, viewer: Viewer) -> list[Session]:
        """List somebody's conversations; all who are nobody share theirs."""
        return [session for session in self.sessions if session.member_id == viewer.member_id]

    def withholds(self, viewer: Viewer, message: Message) -> bool:
        """Tell whether a message's text is kept from somebody."""
        seen = {document.id for document in self.visible(viewer)}
        return message.sight > SIGHT[viewer.type] or not message.sources <= seen

    def remembered(self, viewer: Viewer, session: Session) -> list[Message]:
        """List what a model is told of a conversation, oldest first."""
        return [message for message in session.messages if not self.withholds(viewer, message)][-HISTORY:]

    def same_as(self, viewer: Viewer, content: str, key: str) -> int | None:
        """Tell which document somebody is told of who stores a text under a key."""
        living = [document for document in self.documents.values() if not document.deleted]
        by_key = (d.id for d in living if d.key == key and d.created_by == viewer.member_id)
        by_text = (d.id for d in self.visible(viewer) if d.content == content)
        return next(by_key, next(by_text, None))

    def may_store(self, caller: Caller, viewer: Viewer, visibility: str, assigned_to: int | None) -> Refusal | None:
        """Tell how somebody is refused who stores a document, if they are."""
        if assigned_to is not None and (assigned_to not in self.members or self.members[assigned_to].removed):
            return NotFound
        if not caller.is_named:
            return None
        for_another = visibility == "private" and assigned_to != viewer.member_id
        beyond = SIGHT[viewer.type] < SIGHT_NEEDED[visibility]
        return Forbidden if beyond or (for_another and viewer.type != "admin") else None

    def may_delete(self, caller: Caller, viewer: Viewer, document: Document) -> Refusal | None:
        """Tell how somebody is refused who deletes a document, if they are."""
        if document.deleted or (caller.is_named and not self.sees(viewer, document)):
            return NotFound
        mine = {document.created_by, document.assigned_to if document.visibility == "private" else None} - {None}
        allowed = not caller.is_named or viewer.type == "admin" or viewer.member_id in mine
        return None if allowed else Forbidden

    def may_change(
        self, caller: Caller, viewer: Viewer, document: Document, visibility: str, assigned_to: int | None
    ) -> Refusal | None:
        """Tell how somebody is refused who makes a document be for others, if they are."""
        refusal = self.may_delete(caller, viewer, document)
        if refusal is not None or (visibility, assigned_to) == (document.visibility, document.assigned_to):
            return refusal
        stays = visibility != "private" and assigned_to == document.assigned_to
        return self.may_store(caller, viewer, visibility, None if stays else assigned_to)

    def may_restore(self, caller: Caller, viewer: Viewer, document: Document) -> Refusal | None:
        """Tell how somebody is refused who takes a document back, if they are; to others it is not there."""
        if not document.deleted:
            return self.may_delete(caller, viewer, document)
        living = replace(document, deleted=False)
        return NotFound if self.may_delete(caller, viewer, living) else None


def guarded(documents: Iterable[Document]) -> int:
    """Count the documents whose reading is noted."""
    return len({document.id for document in documents if document.visibility in GUARDED})
