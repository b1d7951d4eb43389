"""What every attack needs: the secrets that must not come out, and a look at whether anything was stored."""

import re
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from f.core.errors import Unauthorized
from f.core.identity import verify_token
from tests.support.installation import Installation, Json

REPOSITORY = Path(__file__).resolve().parents[2]

BOOKKEEPING = ("rate_states", "audit_log")
"""Tables in which a call leaves a trace although it was refused."""

_SIGNED = re.compile(r"[\w-]{20,}\.[\w-]{43}")
_JOB_TOKEN = re.compile(r"\bjob_[\w-]{20,}")


def secrets_of(installation: Installation) -> list[str]:
    """List the installation's secrets."""
    credentials, server = installation.stack.credentials, installation.stack.postgres
    return [
        credentials.app_password,
        credentials.operator_password,
        credentials.session_signing_key,
        server.admin_password,
    ]


def leaks(installation: Installation, text: str) -> list[str]:
    """List what a text tells that it must not: a secret, a job's token, or a session token that is valid."""
    found = [f"secret {number}" for number, secret in enumerate(secrets_of(installation)) if secret in text]
    if _JOB_TOKEN.search(text):
        found.append("the token of a job")
    for token in _SIGNED.findall(text):
        try:
            verify_token(token, [installation.stack.credentials.session_signing_key], time.time())
        except (Unauthorized, ValueError):
            continue
        found.append("a session token")
    return found


def tables(installation: Installation) -> list[str]:
    """List the schema's tables, from the catalogue."""
    rows = installation.query(
        "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')"
    )
    return [row["relname"] for row in rows]


def contents(installation: Installation, *but: str) -> Json:
    """Return a fingerprint of every table's rows, and how many there are; of bookkeeping and some more tables not."""
    return {
        table: installation.query(
            f"SELECT count(*) AS rows, md5(coalesce(string_agg(t::text, '' ORDER BY t::text), '')) AS text"
            f" FROM {table} AS t"
        )[0]
        for table in tables(installation)
        if table not in (*BOOKKEEPING, *but)
    }


@contextmanager
def nothing_changes(installation: Installation, *but: str) -> Iterator[None]:
    """Check that every row of every table (but some) is what it was; that a call was made may have been noted."""
    before = contents(installation, *but)
    yield
    assert contents(installation, *but) == before


def rows_that_hold(installation: Installation, texts: Iterable[str]) -> list[str]:
    """List the tables in which a row holds one of the texts."""
    patterns = [f"%{text}%" for text in texts]
    return [
        table
        for table in tables(installation)
        if installation.query(f"SELECT 1 FROM {table} AS t WHERE t::text LIKE ANY (%s) LIMIT 1", (patterns,))
    ]


def logs(installation: Installation, job: str) -> str:
    """Return a job's log."""
    answer = installation.client.get(installation.stack.url(f"jobs_u/get_logs/{job}"))
    assert answer.status_code == 200, answer.text
    return answer.text


def jobs_of(installation: Installation, job: str) -> list[str]:
    """List a job and, when it is a flow, the jobs of its steps."""
    status = installation.job(job).get("flow_status") or {}
    steps = [*status.get("modules", []), status.get("failure_module") or {}]
    return [job, *(step["job"] for step in steps if step.get("job"))]
