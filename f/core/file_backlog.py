"""Working off the files that wait, of all tenants: parsing, and storing what was parsed.

Shared module. It runs as the operators' login, after a failure or a kill has left something.
"""

import random
import time
from dataclasses import dataclass

from f.core.database import OPERATORS_DATABASE, Database, open_database
from f.core.errors import CallerMistake, DatabaseUnavailable, KnowledgeError
from f.core.file_parsing import parse_held
from f.core.file_storing import store_file
from f.core.files import fail, files_to_store, requeue_files, take
from f.core.identity import Caller, background
from f.core.job import run_id
from f.core.parsed_parts import ParsingFailure
from f.core.waiting_work import tenants_that_wait

TAKING_SECONDS = 240
"""For how long a run takes further files: what it has taken last may need the rest of the job's time."""
STORED_AT_ONCE = 500
"""Documents of a tenant that a run stores at most."""


@dataclass(slots=True)
class FileProgress:
    """What a run has done: files parsed, documents stored, and tries that failed."""

    parsed: int = 0
    stored: int = 0
    failed: int = 0

    def data(self) -> dict[str, int]:
        """Return the counts."""
        return {"parsed": self.parsed, "stored": self.stored, "failed": self.failed}


def work_off_files(limit: int) -> FileProgress:
    """Parse and store what waits, of all tenants that have any, as the operators' login.

    Args:
        limit: The most files to parse for a tenant.
    """
    progress, until = FileProgress(), time.monotonic() + TAKING_SECONDS
    with open_database(OPERATORS_DATABASE) as database:
        tenants = tenants_that_wait(database, "files")
        random.shuffle(tenants)  # so that a tenant with very much to do does not hold up the same ones every time
        for tenant in tenants:
            with database.transaction(background(tenant)) as transaction:
                requeue_files(transaction)
            _parse_waiting(database, background(tenant), progress, limit, until)
            _store_waiting(database, background(tenant), progress)
    return progress


def _parse_waiting(database: Database, tenant: Caller, progress: FileProgress, limit: int, until: float) -> None:
    """Parse a tenant's files that wait, as long as there is time for more."""
    for _ in range(limit):
        with database.transaction(tenant) as transaction:
            held = take(transaction, run_id()) if time.monotonic() < until else None
        if held is None:
            return
        try:
            parse_held(database, tenant, held)
            progress.parsed += 1
        except DatabaseUnavailable:
            raise
        except KnowledgeError:
            progress.failed += 1


def _store_waiting(database: Database, tenant: Caller, progress: FileProgress) -> None:
    """Store the documents of a tenant's files that have been parsed."""
    with database.transaction(tenant) as transaction:
        waiting = files_to_store(transaction, STORED_AT_ONCE)
    for file_id in waiting:
        try:
            store_file(database, tenant.tenant_id, file_id)
            progress.stored += 1
        except DatabaseUnavailable:
            raise
        except KnowledgeError as error:
            failure = ParsingFailure(error.code, str(error))
            with database.transaction(tenant) as transaction:
                fail(transaction, file_id, None, failure, passes=not isinstance(error, CallerMistake))
            progress.failed += 1
