"""The build folder: what goes where, what is refused, what is removed."""

from pathlib import Path

import pytest

from deploy.layout import MARKER_NAME, LayoutError, lay_out, plan_layout
from deploy.tools import REPOSITORY

FILES = {
    "wmill.yaml": "includes: []\n",
    "f/README.md": "For people.\n",
    "f/core/folder.meta.yaml": "summary: core\n",
    "f/core/words.py": "WORDS = 1\n",
    "f/core/__pycache__/words.cpython-311.pyc": "bytecode",
    "f/chatbot/search.py": "def main(): ...\n",
    "f/chatbot/search.script.yaml": "summary: search\n",
    "f/chatbot/search.script.lock": "# py: 3.12\n",
    "flows/chatbot/answer/flow.yaml": "summary: answer\n",
    "flows/chatbot/answer/schedule.yaml": "enabled: true\n",
    "triggers/chatbot/ask.http_trigger.yaml": "route_path: ask\n",
    "resources/chatbot/database.resource.yaml": "value: {}\n",
    "resources/chatbot/mode.variable.yaml": "value: trusted\n",
    "resources/types/c_key.resource-type.yaml": "schema: {}\n",
}

LAID_OUT = (
    "c_key.resource-type.yaml",
    "f/chatbot/answer.flow/flow.yaml",
    "f/chatbot/answer.schedule.yaml",
    "f/chatbot/ask.http_trigger.yaml",
    "f/chatbot/database.resource.yaml",
    "f/chatbot/mode.variable.yaml",
    "f/chatbot/search.py",
    "f/chatbot/search.script.lock",
    "f/chatbot/search.script.yaml",
    "f/core/folder.meta.yaml",
    "f/core/words.py",
    "wmill.yaml",
)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    root = tmp_path / "repository"
    for name, text in FILES.items():
        write(root / name, text)
    return root


def write(file: Path, text: str) -> Path:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def files_of(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MARKER_NAME}


def test_everything_lands_where_wmill_looks_for_it(repository: Path, tmp_path: Path) -> None:
    build = lay_out(repository, tmp_path / "build")
    assert build.files == build.written == LAID_OUT
    assert files_of(build.folder) == set(LAID_OUT)
    assert (build.folder / "f/chatbot/answer.flow/flow.yaml").read_text() == "summary: answer\n"


def test_a_repeat_writes_nothing_and_an_edit_only_itself(repository: Path, tmp_path: Path) -> None:
    lay_out(repository, tmp_path / "build")
    assert lay_out(repository, tmp_path / "build").written == ()
    write(repository / "f/core/words.py", "WORDS = 2\n")
    assert lay_out(repository, tmp_path / "build").written == ("f/core/words.py",)
    assert (tmp_path / "build/f/core/words.py").read_text() == "WORDS = 2\n"


def test_what_has_no_source_any_more_is_removed_with_its_folder(repository: Path, tmp_path: Path) -> None:
    lay_out(repository, tmp_path / "build")
    (repository / "flows/chatbot/answer/flow.yaml").unlink()
    write(tmp_path / "build/wmill-lock.yaml", "left by the command line\n")
    build = lay_out(repository, tmp_path / "build")
    assert build.removed == ("f/chatbot/answer.flow/flow.yaml", "wmill-lock.yaml")
    assert not (build.folder / "f/chatbot/answer.flow").exists()


def test_linked_scripts_follow_an_edit_and_can_become_copies_again(repository: Path, tmp_path: Path) -> None:
    build = lay_out(repository, tmp_path / "build", link=True)
    script = build.folder / "f/chatbot/search.py"
    assert script.is_symlink()
    assert not (build.folder / "f/chatbot/search.script.yaml").is_symlink()
    write(repository / "f/chatbot/search.py", "def main(x: int): ...\n")
    assert script.read_text() == "def main(x: int): ...\n"
    assert lay_out(repository, tmp_path / "build", link=True).written == ()
    lay_out(repository, tmp_path / "build")
    assert not script.is_symlink()
    assert (repository / "f/chatbot/search.py").read_text() == script.read_text()


def test_a_folder_that_somebody_else_made_is_left_as_it_is(repository: Path, tmp_path: Path) -> None:
    treasure = write(tmp_path / "other/treasure.txt", "mine")
    with pytest.raises(LayoutError, match="was not built from this repository"):
        lay_out(repository, tmp_path / "other")
    assert files_of(tmp_path / "other") == {treasure.name}


@pytest.mark.parametrize("target", [".", ".."])
def test_the_repository_itself_is_no_build_folder(repository: Path, target: str) -> None:
    with pytest.raises(LayoutError, match="holds the repository itself"):
        lay_out(repository, repository / target)


def test_a_file_is_no_build_folder(repository: Path, tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match="is not a folder"):
        lay_out(repository, write(tmp_path / "file", ""))


@pytest.mark.parametrize(
    "stranger",
    [
        "f/core/__init__.py",
        "f/core/query.sql",
        "f/core/test_words.py",
        "f/core/data.json",
        "f/loose.py",
        "f/core/deep/folder.meta.yaml",
        "f/core/encryption_key.py",
        "flows/chatbot/answer/step.py",
        "flows/flow.yaml",
        "triggers/loose.http_trigger.yaml",
        "triggers/chatbot/ask.kafka_trigger.yaml",
        "resources/types/c_key.resource.yaml",
        "resources/chatbot/notes.yaml",
        "resources/loose.resource.yaml",
    ],
)
def test_a_file_without_a_place_is_refused_by_name(repository: Path, tmp_path: Path, stranger: str) -> None:
    write(repository / stranger, "")
    with pytest.raises(LayoutError, match=stranger):
        lay_out(repository, tmp_path / "build")
    assert not (tmp_path / "build").exists()


def test_two_files_for_one_place_are_refused(repository: Path, tmp_path: Path) -> None:
    write(repository / "f/chatbot/answer.schedule.yaml", "")
    with pytest.raises(LayoutError, match="has no place"):
        lay_out(repository, tmp_path / "build")


def test_a_folder_without_wmill_yaml_is_no_repository(tmp_path: Path) -> None:
    with pytest.raises(LayoutError, match=r"has no wmill\.yaml"):
        plan_layout(tmp_path)


def test_every_script_of_this_repository_has_its_metadata_and_lock() -> None:
    plan = plan_layout(REPOSITORY)
    scripts = [name.removesuffix(".py") for name in plan if name.endswith(".py")]
    assert scripts
    assert [name for name in scripts if f"{name}.script.yaml" not in plan] == []
    assert [name for name in scripts if f"{name}.script.lock" not in plan] == []


def test_no_script_has_a_name_that_the_command_line_takes_for_the_workspaces_own() -> None:
    """It takes ``settings.script.yaml`` for the workspace's settings, and never pushes a change of it."""
    taken = {"settings", "encryption_key"}
    scripts = sorted((REPOSITORY / "f").rglob("*.py"))
    assert [file.relative_to(REPOSITORY).as_posix() for file in scripts if file.stem in taken] == []


def test_every_folder_of_this_repository_is_declared_and_synced() -> None:
    plan = plan_layout(REPOSITORY)
    folders = {name.split("/")[1] for name in plan if name.startswith("f/")}
    assert {f"f/{folder}/folder.meta.yaml" for folder in folders} <= set(plan)
    settings = (REPOSITORY / "wmill.yaml").read_text(encoding="utf-8")
    assert all(f"- f/{folder}/**" in settings for folder in folders)
