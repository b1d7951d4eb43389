"""The sample tenants, members, documents and files, read from ``manifest.yaml``.

Everything in them is invented. The texts are plain files beside the manifest, in UTF-8 and normal form C; a form feed
parts two pages. Dates of expiry are relative, so that the samples do not age. The files are of other types, and what
they say is known when they have been read.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml

FOLDER = Path(__file__).resolve().parent
VISIBILITIES = ("everyone", "adults_only", "admins_only", "private")
MEMBER_TYPES = ("admin", "adult", "teen", "child")
KINDS = ("family", "school", "company")


@dataclass(frozen=True, slots=True)
class SampleMember:
    """A member of a sample tenant.

    Attributes:
        name: Unique within the tenant.
        member_type: One of ``MEMBER_TYPES``.
        email: An address in the reserved domain ``.example``, or None.
    """

    name: str
    member_type: str
    email: str | None


@dataclass(frozen=True, slots=True)
class SampleTenant:
    """A family or a school; the first member is an admin.

    Attributes:
        admins_see_private: Whether its admins see the private documents of others.
    """

    slug: str
    name: str
    kind: str
    language: str
    admins_see_private: bool
    members: tuple[SampleMember, ...]


@dataclass(frozen=True, slots=True)
class SampleDocument:
    """A document with what ``f/chatbot/ingest`` is told about it.

    Attributes:
        tenant: The slug of its tenant.
        assigned_to: The name of a member of that tenant, or None.
        expires_in_days: Days from now until it expires, or None.
        path: Where its text is.
    """

    tenant: str
    title: str
    category: str
    visibility: str
    assigned_to: str | None
    tags: tuple[str, ...]
    language: str
    source: str
    source_url: str | None
    expires_in_days: int | None
    path: Path

    @property
    def content(self) -> str:
        """The text, without any change, not even of line ends."""
        return self.path.read_bytes().decode("utf-8")

    def expires_at(self, now: datetime | None = None) -> str | None:
        """Return when it expires, in ISO 8601 with offset, or None; ``now`` is the present moment by default."""
        if self.expires_in_days is None:
            return None
        return ((now or datetime.now(UTC)) + timedelta(days=self.expires_in_days)).isoformat(timespec="seconds")


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A file with what the flow ``f/chatbot/ingest_file`` is told about it.

    Attributes:
        tenant: The slug of its tenant.
        title: None takes the one in the file.
        path: Where it is.
    """

    tenant: str
    title: str | None
    category: str
    visibility: str
    tags: tuple[str, ...]
    source: str
    path: Path


@dataclass(frozen=True, slots=True)
class Samples:
    """All tenants, in the order of the manifest, all documents and all files."""

    tenants: tuple[SampleTenant, ...]
    documents: tuple[SampleDocument, ...]
    files: tuple[SampleFile, ...]


def load_samples(folder: Path = FOLDER) -> Samples:
    """Read and check the manifest of a folder.

    Raises:
        ValueError: When something that the manifest names is unknown, missing or there twice; the message says which.
        KeyError: When an entry lacks one of its fields.
    """
    manifest = yaml.safe_load((folder / "manifest.yaml").read_text(encoding="utf-8"))
    tenants = tuple(_tenant(entry) for entry in manifest["tenants"])
    members = {tenant.slug: {member.name for member in tenant.members} for tenant in tenants}
    documents = tuple(_document(entry, folder, members) for entry in manifest["documents"])
    files = tuple(_file(entry, folder, members) for entry in manifest["files"])
    for kind, names in (
        ("tenant", [tenant.slug for tenant in tenants]),
        ("file", [*(str(document.path) for document in documents), *(str(file.path) for file in files)]),
        ("title", [f"{document.tenant}: {document.title}" for document in documents]),
    ):
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"The manifest names a {kind} twice: {', '.join(twice)}")
    return Samples(tenants, documents, files)


def _tenant(entry: Mapping[str, object]) -> SampleTenant:
    """Read one tenant with its members."""
    listed = entry["members"]
    assert isinstance(listed, list)
    members = tuple(
        SampleMember(member["name"], _one_of(member["type"], MEMBER_TYPES), member.get("email")) for member in listed
    )
    if len({member.name for member in members}) != len(members) or members[0].member_type != "admin":
        raise ValueError(f"The members of {entry['slug']} need different names, an admin first.")
    return SampleTenant(
        slug=str(entry["slug"]),
        name=str(entry["name"]),
        kind=_one_of(entry["kind"], KINDS),
        language=str(entry["language"]),
        admins_see_private=entry["admins_see_private"] is True,
        members=members,
    )


def _document(entry: Mapping[str, object], folder: Path, members: Mapping[str, set[str]]) -> SampleDocument:
    """Read one document."""
    tenant, path, tags = _place(entry, folder, members)
    assigned_to, days = entry.get("assigned_to"), entry.get("expires_in_days")
    if assigned_to is not None and assigned_to not in members[tenant]:
        raise ValueError(f"{path.name} is assigned to nobody of its tenant: {assigned_to}")
    return SampleDocument(
        tenant=tenant,
        title=str(entry["title"]),
        category=str(entry["category"]),
        visibility=_one_of(entry["visibility"], VISIBILITIES),
        assigned_to=None if assigned_to is None else str(assigned_to),
        tags=tags,
        language=str(entry["language"]),
        source=str(entry["source"]),
        source_url=None if entry.get("source_url") is None else str(entry["source_url"]),
        expires_in_days=days if isinstance(days, int) else None,
        path=path,
    )


def _file(entry: Mapping[str, object], folder: Path, members: Mapping[str, set[str]]) -> SampleFile:
    """Read one file."""
    tenant, path, tags = _place(entry, folder, members)
    return SampleFile(
        tenant=tenant,
        title=None if entry.get("title") is None else str(entry["title"]),
        category=str(entry["category"]),
        visibility=_one_of(entry["visibility"], VISIBILITIES),
        tags=tags,
        source=str(entry["source"]),
        path=path,
    )


def _place(
    entry: Mapping[str, object], folder: Path, members: Mapping[str, set[str]]
) -> tuple[str, Path, tuple[str, ...]]:
    """Read of an entry whose it is, where it stands, and its tags."""
    path, tenant, tags = folder / str(entry["file"]), entry["tenant"], entry["tags"]
    if tenant not in members:
        raise ValueError(f"{path.name} belongs to no tenant of the manifest: {tenant}")
    if not path.is_file():
        raise ValueError(f"There is no file {entry['file']}.")
    assert isinstance(tags, list)
    return str(tenant), path, tuple(str(tag) for tag in tags)


def _one_of(value: object, allowed: tuple[str, ...]) -> str:
    """Return a value that is one of the allowed words."""
    if value not in allowed:
        raise ValueError(f"{value!r} is none of {', '.join(allowed)}.")
    return str(value)
