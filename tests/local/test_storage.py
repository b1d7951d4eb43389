"""The real ``wmill`` package reads, writes and deletes objects of the workspace's storage."""

from pathlib import Path

import pytest
import wmill

from local.server.server import LocalServer
from tests.local.conftest import Workbench


@pytest.fixture(scope="module", autouse=True)
def outside(bench: Workbench) -> object:
    """Make the environment of this process that of a caller."""
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("BASE_INTERNAL_URL", bench.server.base_url)
        environment.setenv("WM_TOKEN", "local")
        environment.setenv("WM_WORKSPACE", bench.server.workspace_name)
        environment.setattr("wmill.client._client", None)
        yield
        environment.setattr("wmill.client._client", None)


def test_an_object_is_written_read_whole_and_in_pieces_and_deleted() -> None:
    content = bytes(range(256)) * 2_000
    written = wmill.write_s3_file({"s3": "folder/Λογαριασμός 1.pdf"}, content, None)
    assert written["s3"] == "folder/Λογαριασμός 1.pdf"
    assert wmill.load_s3_file({"s3": "folder/Λογαριασμός 1.pdf"}, None) == content
    assert wmill.load_s3_file("s3://_default_/folder/Λογαριασμός 1.pdf", None) == content
    with wmill.load_s3_file_reader({"s3": "folder/Λογαριασμός 1.pdf"}, None) as reader:
        pieces = [reader.read(65_536) for _ in range(9)]
    assert b"".join(pieces) == content
    wmill.delete_s3_object({"s3": "folder/Λογαριασμός 1.pdf"})
    with pytest.raises(Exception, match="not found"):
        wmill.load_s3_file({"s3": "folder/Λογαριασμός 1.pdf"}, None)
    assert wmill.write_s3_file(None, b"unnamed", None)["s3"].startswith("windmill_uploads/upload_")


def test_a_job_reads_an_object_that_a_caller_has_put_there(bench: Workbench) -> None:
    wmill.write_s3_file({"s3": "in.txt"}, b"from outside", None)
    path = bench.script(
        "f/storage/reads",
        "import wmill\ndef main():\n    return wmill.load_s3_file({'s3': 'in.txt'}, None).decode()\n",
    )
    assert bench.run(path).json() == "from outside"


def test_a_key_is_no_path_of_the_file_system(bench: Workbench) -> None:
    outside = bench.server.storage
    assert outside is not None
    for key in ("../../escaped", "a/../../../escaped", "/etc/escaped", "a\\..\\escaped"):
        wmill.write_s3_file({"s3": key}, b"kept inside", None)
        assert wmill.load_s3_file({"s3": key}, None) == b"kept inside"
    assert not list(outside.parent.glob("escaped*"))
    assert (outside / "_default_" / "%2E%2E" / "%2E%2E" / "escaped").is_file()


def test_a_secondary_storage_is_asked_by_its_name(bench: Workbench) -> None:
    assert bench.server.storage is not None
    (bench.server.storage / "archive").mkdir(parents=True)
    wmill.write_s3_file({"s3": "a.txt", "storage": "archive"}, b"second", None)
    assert wmill.load_s3_file("s3://archive/a.txt", None) == b"second"
    with pytest.raises(Exception, match="no storage named nowhere"):
        wmill.load_s3_file("s3://nowhere/a.txt", None)
    for name in ("..", "a/b"):
        answer = bench.client.get("/job_helpers/download_s3_file", params={"file_key": "a.txt", "storage": name})
        assert answer.status_code == 400


def test_a_stranger_and_a_narrow_token_get_nothing(bench: Workbench) -> None:
    wmill.write_s3_file({"s3": "secret.txt"}, b"secret", None)
    asked = {"params": {"file_key": "secret.txt"}}
    narrow = bench.client.post(
        f"{bench.server.base_url}/api/users/tokens/create", json={"scopes": ["jobs:run:scripts:f/chatbot/chat"]}
    ).text
    for token, status in (("wrong", 401), (narrow, 403)):
        headers = {"Authorization": f"Bearer {token}"}
        answer = bench.client.get("/job_helpers/download_s3_file", headers=headers, **asked)  # type: ignore[arg-type]
        assert answer.status_code == status


def test_a_workspace_without_storage_says_so(tmp_path: Path) -> None:
    with LocalServer(directory=tmp_path / "server") as server:
        bench = Workbench(server)
        answer = bench.client.get("/job_helpers/download_s3_file", params={"file_key": "a"})
    assert answer.status_code == 500
    assert "No files storage resource defined" in answer.text


def test_objects_outlive_the_server(tmp_path: Path) -> None:
    where = {"file_key": "a"}
    with LocalServer(directory=tmp_path / "server", storage=tmp_path / "storage") as server:
        answer = Workbench(server).client.post("/job_helpers/upload_s3_file", params=where, content=b"kept")
        assert answer.json() == where
    with LocalServer(directory=tmp_path / "server", storage=tmp_path / "storage") as server:
        assert Workbench(server).client.get("/job_helpers/download_s3_file", params=where).content == b"kept"
