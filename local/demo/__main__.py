"""Show all of it in a minute: documents in, cited answers out, and who does not get them.

``make demo`` starts an embedded PostgreSQL and the stand-in for Windmill in a directory of its own, with an empty
database, and from then on does everything over HTTP, as a product's back end would: three tenants with members, the
samples through the flows ``f/chatbot/ingest_document`` and ``f/chatbot/ingest_file``, and questions. The models are
the offline ones.

What it prints it also checks: that a quote stands in the document at its place, that a lesser member and another tenant
get nothing. If something does not hold, it says so in a sentence and ends with status 1. It leaves nothing running, and
can be run again, however the last run ended.
"""

import contextlib
import io
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import httpx
import psutil  # type: ignore[import-untyped]  # ships no types

from deploy.layout import LayoutError
from local.database import DatabaseNotStarted, DirectoryInUse, EmbeddedPostgres, Server, local_home
from local.demo import page
from local.demo.client import Client, DemoFailed
from local.demo.files import bring_in_files
from local.demo.story import tell, tell_of_files
from local.demo.usage import usage_by_tenant
from local.demo.world import World, populate
from local.placement import NoUnprivilegedUser
from local.samples import load_samples
from local.server.workspace import MalformedItem
from local.settings import APP_LOGIN
from local.stack import DATABASE, Stack, local_stack
from sql.install import InstallError

_INTERRUPTED, _TERMINATED = 130, 143
_CLEAR_ERRORS = (DemoFailed, DatabaseNotStarted, NoUnprivilegedUser, InstallError, LayoutError, MalformedItem)


def main() -> int:
    """Run the demonstration and return the exit status."""
    signal.signal(signal.SIGTERM, _end)
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace", line_buffering=True)
    try:
        _demonstrate(local_home() / "demo")
    except _CLEAR_ERRORS as failure:
        print(f"\nThe demonstration has failed. {failure}", file=sys.stderr)
        return 1
    except httpx.TransportError as failure:
        print(f"\nThe demonstration has failed. The server does not answer: {failure!r}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nStopped. Nothing is left running.", file=sys.stderr)
        return _INTERRUPTED
    return 0


def _demonstrate(home: Path) -> None:
    """Do all of it."""
    started = time.monotonic()
    page.heading("Family Brain: private knowledge bases with cited answers")
    page.paragraph(
        "All of it runs on this machine: an embedded PostgreSQL with pgvector, a stand-in for Windmill, and offline "
        "models that need no key and no network. They choose sentences and do not write; a language model would."
    )
    with _empty_database(home / "postgres") as postgres, local_stack(home, postgres=postgres, environment={}) as stack:
        schema = stack.report.schema_version if stack.report else "?"
        print(f"\n  schema {schema} installed, server at {stack.base_url}: {time.monotonic() - started:.1f} s")
        client = Client.connect(stack.base_url, stack.workspace, stack.token)
        page.heading("Tenants and documents")
        samples = load_samples()
        world = populate(client, samples)
        tell(client, world)
        page.heading("Files: a PDF, a photo of a letter, a Word document")
        bring_in_files(client, world, samples.files)
        tell_of_files(client, world)
        _show_usage(stack, world)
    if left := psutil.Process().children(recursive=True):
        raise DemoFailed(f"It has left processes running: {', '.join(sorted(process.name() for process in left))}.")
    print(f"\nEverything was checked. It took {time.monotonic() - started:.0f} s, and nothing is left running.")


@contextlib.contextmanager
def _empty_database(directory: Path) -> Iterator[Server]:
    """Start the database server of this directory without what an earlier run has left."""
    postgres = EmbeddedPostgres(directory, durable=False)
    try:
        server = postgres.start()
    except DirectoryInUse as busy:
        raise DemoFailed(f"Another demonstration is running: {busy}") from busy
    except DatabaseNotStarted:
        postgres.remove()  # without durability a power cut may have spoilt the files
        server = postgres.start()
    try:
        server.drop_database(DATABASE)
        yield server
    finally:
        postgres.stop()


def _show_usage(stack: Stack, world: World) -> None:
    """Print what was asked of the models, and what it cost."""
    page.heading("Usage and cost")
    tenants = {person.tenant.slug: person.tenant_id for person in world.people.values()}
    dsn = stack.postgres.dsn(APP_LOGIN, stack.credentials.app_password, stack.dbname)
    usage = usage_by_tenant(dsn, list(tenants.values()))
    rows = [
        (slug, one.operation, one.model, one.calls, one.input_tokens, one.output_tokens, one.cost_microusd)
        for slug, entries in zip(tenants, usage, strict=True)
        for one in entries
    ]
    if {row[1] for row in rows} < {"embed", "chat"} or len({row[0] for row in rows}) != len(tenants):
        raise DemoFailed("Calls of the models are missing in the table of usage.")
    page.table(("tenant", "operation", "model", "calls", "tokens in", "tokens out", "micro-USD"), rows)
    page.paragraph(
        "The offline models cost nothing. With a provider, each call is priced by what f/chatbot/ai_settings says, in "
        "whole millionths of a US dollar, and counted once."
    )


def _end(_number: int, _frame: FrameType | None) -> None:
    """End in order when somebody asks for it."""
    sys.exit(_TERMINATED)


if __name__ == "__main__":
    sys.exit(main())
