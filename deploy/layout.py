"""Lay the repository out in the order that ``wmill sync`` wants.

``wmill sync`` looks only below ``f/`` (and at resource types in the root), and silently ignores everything else. The
repository keeps flows and resources in folders of their own, because a person looks for them there; this module
builds the folder in which both views are true, so that one ``wmill sync push`` sees scripts, flows, schedules and
triggers together: one difference, one dry run, stale items removed. Resources and types are laid out too, for the local
server, which fills its workspace from the same folder; a push leaves them out (``wmill.yaml`` says why).

==============================================  =========================================
in the repository                               in the build folder
==============================================  =========================================
``f/**/*.py``, ``.script.yaml``, ``.lock``      the same
``f/<folder>/folder.meta.yaml``                 the same
``flows/<folder>/<name>/flow.yaml``             ``f/<folder>/<name>.flow/flow.yaml``
``flows/<folder>/<name>/schedule.yaml``         ``f/<folder>/<name>.schedule.yaml``
``triggers/<folder>/<name>.http_trigger.yaml``  ``f/<folder>/<name>.http_trigger.yaml``
``resources/<folder>/<name>.resource.yaml``     ``f/<folder>/<name>.resource.yaml``
``resources/<folder>/<name>.variable.yaml``     ``f/<folder>/<name>.variable.yaml``
``resources/types/<name>.resource-type.yaml``   ``<name>.resource-type.yaml``
``wmill.yaml``                                  the same
==============================================  =========================================

Anything else under ``f/`` would be deployed as a script (an ``__init__.py`` or a test) or would stop the sync (a
``.sql``), so a file that has no place in this table is refused instead of being skipped.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.tools import DeployError

MARKER_NAME = ".family-brain-build"
"""The file that says that a folder was built here and may be changed here."""

MARKER_TEXT = "Built by deploy.layout from the repository. What is changed here is lost at the next build.\n"

FLOW_SUFFIX = ".flow"
"""The ending of a flow's folder; it goes with ``nonDottedPaths`` not being set in ``wmill.yaml``."""

IGNORED_NAMES = frozenset({"README.md"})
"""Files for people. ``wmill sync`` ignores a README under ``f/``, so one may stand beside the scripts."""

TAKEN_NAMES = frozenset({"encryption_key", "settings"})
"""Names that no script may have: the command line takes their metadata for the workspace's own, and leaves them out."""

SCRIPT_ENDINGS = (".py", ".script.yaml", ".script.lock")
RESOURCE_ENDINGS = (".resource.yaml", ".variable.yaml")
TYPE_ENDING = ".resource-type.yaml"
TRIGGER_ENDING = ".http_trigger.yaml"


class LayoutError(DeployError):
    """The repository cannot be laid out, or the target is not a build folder."""


@dataclass(frozen=True, slots=True)
class BuildFolder:
    """What a build did.

    Attributes:
        folder: The build folder, absolute.
        files: Every file in it, as POSIX paths relative to it, sorted; the marker is left out.
        written: The part of ``files`` that was new or had changed.
        removed: Files that an earlier build had made and that have no source any more.
    """

    folder: Path
    files: tuple[str, ...]
    written: tuple[str, ...]
    removed: tuple[str, ...]


def lay_out(repository: Path, target: Path, *, link: bool = False) -> BuildFolder:
    """Build the folder that ``wmill sync push`` reads.

    A repeat is safe and cheap: only what differs is written, and what has no source any more is removed.

    Args:
        repository: The root of the repository.
        target: The folder to build. It is made when it is missing; when it is there, it must be empty or have been
            built by this function before.
        link: Make symbolic links to the ``.py`` files instead of copies, so that a server which runs the build folder
            sees an edited script at once. Everything else is copied either way.

    Returns:
        The folder and what was done to it.

    Raises:
        LayoutError: If a file has no place in the layout, two files claim the same place, or the target holds
            something that this function did not make.
    """
    repository = repository.resolve()
    target = target.absolute()
    plan = plan_layout(repository)
    _claim(target, repository)
    written = tuple(
        name for name, source in plan.items() if _put(source, target / name, link=link and source.suffix == ".py")
    )
    removed = tuple(_remove_stale(target, set(plan)))
    return BuildFolder(folder=target, files=tuple(plan), written=written, removed=removed)


def plan_layout(repository: Path) -> dict[str, Path]:
    """Tell which file goes where, without writing anything.

    Args:
        repository: The root of the repository.

    Returns:
        The source of each file in the build folder, by its POSIX path relative to that folder, sorted by that path.

    Raises:
        LayoutError: If a file has no place in the layout, or two files claim the same one.
    """
    settings = repository / "wmill.yaml"
    if not settings.is_file():
        raise LayoutError(f"{repository} has no wmill.yaml: it is not the root of the repository.")
    plan: dict[str, Path] = {settings.name: settings}
    trees = (("f", _place_script), ("flows", _place_flow), ("triggers", _place_trigger), ("resources", _place_resource))
    for tree, place in trees:
        for source in _files_below(repository / tree):
            relative = source.relative_to(repository / tree)
            name = place(relative)
            if name is None:
                raise LayoutError(
                    f"{tree}/{relative.as_posix()} has no place in what Windmill syncs; move or remove it."
                )
            if name in plan:
                other = plan[name].relative_to(repository).as_posix()
                raise LayoutError(f"{tree}/{relative.as_posix()} and {other} both claim {name}.")
            plan[name] = source
    return dict(sorted(plan.items()))


def _files_below(tree: Path) -> Iterator[Path]:
    """List the files of a tree, without hidden ones, bytecode and what is written for people only."""
    for path in sorted(tree.rglob("*")):
        parts = path.relative_to(tree).parts
        if any(part.startswith(".") or part == "__pycache__" for part in parts) or path.name in IGNORED_NAMES:
            continue
        if path.is_file():
            yield path


def _place_script(relative: Path) -> str | None:
    if relative.name == "folder.meta.yaml":
        return f"f/{relative.as_posix()}" if len(relative.parts) == 2 else None
    if len(relative.parts) < 2 or relative.name == "__init__.py" or relative.name.startswith("test_"):
        return None
    if relative.name.partition(".")[0] in TAKEN_NAMES:
        return None
    return f"f/{relative.as_posix()}" if relative.name.endswith(SCRIPT_ENDINGS) else None


def _place_flow(relative: Path) -> str | None:
    if len(relative.parts) != 3:
        return None
    folder, name, file = relative.parts
    return {
        "flow.yaml": f"f/{folder}/{name}{FLOW_SUFFIX}/flow.yaml",
        "schedule.yaml": f"f/{folder}/{name}.schedule.yaml",
    }.get(file)


def _place_trigger(relative: Path) -> str | None:
    if len(relative.parts) != 2 or not relative.name.endswith(TRIGGER_ENDING):
        return None
    return f"f/{relative.as_posix()}"


def _place_resource(relative: Path) -> str | None:
    if len(relative.parts) != 2:
        return None
    if relative.parts[0] == "types":
        return relative.name if relative.name.endswith(TYPE_ENDING) else None
    return f"f/{relative.as_posix()}" if relative.name.endswith(RESOURCE_ENDINGS) else None


def _claim(target: Path, repository: Path) -> None:
    """Make the target, or see that it is ours: a build removes files, so it must never meet a stranger's folder."""
    if target.resolve() == repository or target.resolve() in repository.parents:
        raise LayoutError(f"{target} holds the repository itself; choose another folder to build in.")
    if target.exists() and not target.is_dir():
        raise LayoutError(f"{target} is not a folder.")
    marker = target / MARKER_NAME
    if target.exists() and not marker.is_file() and any(target.iterdir()):
        raise LayoutError(
            f"{target} was not built from this repository (it has no {MARKER_NAME}); it is left as it is."
        )
    target.mkdir(parents=True, exist_ok=True)
    marker.write_text(MARKER_TEXT, encoding="utf-8")


def _put(source: Path, destination: Path, *, link: bool) -> bool:
    """Copy or link one file when it is not there already as it should be, and tell whether that was so."""
    if link:
        if destination.is_symlink() and destination.readlink() == source:
            return False
    elif destination.is_file() and not destination.is_symlink() and destination.read_bytes() == source.read_bytes():
        return False
    if destination.is_dir() and not destination.is_symlink():
        shutil.rmtree(destination)
    destination.parent.mkdir(parents=True, exist_ok=True)
    destination.unlink(missing_ok=True)
    if link:
        destination.symlink_to(source)
    else:
        shutil.copyfile(source, destination)
    return True


def _remove_stale(target: Path, wanted: set[str]) -> list[str]:
    """Remove what the plan does not name, then the folders that are left empty."""
    removed: list[str] = []
    for path in sorted(target.rglob("*"), reverse=True):
        name = path.relative_to(target).as_posix()
        if path.is_dir() and not path.is_symlink():
            if not any(path.iterdir()):
                path.rmdir()
        elif name not in wanted and name != MARKER_NAME:
            path.unlink()
            removed.append(name)
    return sorted(removed)
