"""PgBouncer in transaction mode before a database, for tests of what many clients share."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2
import pytest

from local.database import Server, free_port
from local.placement import server_user
from local.settings import APP_LOGIN, OPERATOR_LOGIN, Credentials
from tests.support.patience import PROMPTLY_SECONDS


@contextmanager
def pgbouncer(postgres: Server, credentials: Credentials, database: str, *, pool_size: int) -> Iterator[Server]:
    """Run PgBouncer for both logins; gives it as a server, whose superuser cannot be reached.

    Without PgBouncer on this machine the test is skipped.
    """
    program = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("pgbouncer is not installed (Debian: apt-get install pgbouncer)")
    directory, port, user = Path(tempfile.mkdtemp(prefix="pgbouncer-")), free_port(), server_user()
    logins = {APP_LOGIN: credentials.app_password, OPERATOR_LOGIN: credentials.operator_password}
    (directory / "users.txt").write_text("".join(f'"{name}" "{password}"\n' for name, password in logins.items()))
    (directory / "pgbouncer.ini").write_text(
        f"[databases]\n{database} = host={postgres.host} port={postgres.port} dbname={database}\n"
        f"[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n"
        f"auth_file = {directory}/users.txt\npool_mode = transaction\ndefault_pool_size = {pool_size}\n"
        "max_client_conn = 100\n"
    )
    if user is not None:  # it refuses to run as root
        for path in (directory, *directory.iterdir()):
            os.chown(path, user.user_id, user.group_id)
    process = subprocess.Popen(
        [program, "-q", str(directory / "pgbouncer.ini")], stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        user=user.user_id if user else None, group=user.group_id if user else None,
    )  # fmt: skip
    server = Server("127.0.0.1", port, "")
    try:
        _wait_for(server.dsn(APP_LOGIN, credentials.app_password, database))
        yield server
    finally:
        process.kill()  # since 1.23 it waits for its clients when it is asked to end
        process.wait()
        shutil.rmtree(directory, ignore_errors=True)


def _wait_for(dsn: str) -> None:
    """Wait until it takes a connection."""
    until = time.monotonic() + PROMPTLY_SECONDS
    while True:
        try:
            psycopg2.connect(dsn).close()
        except psycopg2.OperationalError:
            assert time.monotonic() < until, "PgBouncer does not answer"
            time.sleep(0.05)
        else:
            return
