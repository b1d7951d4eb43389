"""How much one tenant's flood slows another's search.

Four processes flood: as one tenant, as fast as the limits of that tenant let them in, and trying on without a pause
where they are refused but for the start of a job, which no refusal is without. Meanwhile another tenant searches, one
search after the other. Its times are compared with those of the same searches while nobody floods, in turns of a second
or two each, so that a change of the machine's speed meets both. The same is done without the limits, to show what they
are good for.
"""

import multiprocessing
import statistics
import time
from multiprocessing.sharedctypes import Synchronized
from multiprocessing.synchronize import Event

from evaluation.stage import connected
from f.core.errors import TooManyRequests
from f.core.identity import Caller
from f.core.retrieval import Query
from tests.benchmarks.filling import (
    MODEL,
    PASSWORD,
    fill_tenant,
    filled_server,
    random_question,
    random_vector,
)
from tests.benchmarks.search_by_size import search
from tests.benchmarks.timing import milliseconds, percentile

FLOODERS = 4
JOB_START_SECONDS = 0.05
"""What the start of a job takes at the very least: no flood comes faster from one worker."""
TURNS = 8
SEARCHES_A_TURN = 60
LIMITS = {"limited": 300, "unlimited": 1_000_000}
"""Calls a minute of the tenant that floods; the first is what a tenant is given by default."""


def main() -> None:
    """Measure with the limits and without, and print both."""
    with filled_server() as (server, name):
        admin, app = server.admin_dsn(name), server.dsn("knowledge_app", PASSWORD, name)
        print("filling two tenants of 2,000 chunks ...", flush=True)
        quiet, loud = fill_tenant(admin, 2_000), fill_tenant(admin, 2_000)
        print(f"\n{'search of the other tenant':<28}{'median ms':>12}{'p95 ms':>10}{'p95 ratio':>12}{'let in':>10}")
        for label, limit in LIMITS.items():
            with connected(admin) as database, database.connection.cursor() as cursor:
                cursor.execute("DELETE FROM rate_states")
                cursor.execute("UPDATE tenants SET requests_per_minute = %s WHERE id = %s", (limit, loud))
                # The flood is at its limit already: what is measured is the long run and not the first minute.
                cursor.execute(
                    "INSERT INTO rate_states VALUES (%s, 0, 'requests', now() + interval '1 minute')", (loud,)
                )
            _compare(label, app, quiet, loud)


def _compare(label: str, dsn: str, quiet: str, loud: str) -> None:
    """Time the quiet tenant's searches with and without the flood, in turns."""
    stop, pause = multiprocessing.Event(), multiprocessing.Event()
    pause.set()
    admitted = multiprocessing.Value("i", 0)
    flood = [multiprocessing.Process(target=_flood, args=(dsn, loud, stop, pause, admitted)) for _ in range(FLOODERS)]
    for process in flood:
        process.start()
    times: dict[bool, list[float]] = {False: [], True: []}
    try:
        with connected(dsn) as database:
            caller = Caller(quiet, None, "teen")
            for turn in range(2 * TURNS):
                flooded = turn % 2 == 1
                (pause.clear if flooded else pause.set)()
                time.sleep(0.3)
                for _ in range(SEARCHES_A_TURN):
                    query = Query(random_question(), random_vector(), MODEL)
                    times[flooded].append(milliseconds(lambda: search(database, caller, query)))  # noqa: B023
    finally:
        stop.set()
        pause.clear()
        for process in flood:
            process.join(10)
    calm = percentile(times[False], 0.95)
    for flooded, name in ((False, "alone"), (True, f"beside a flood, {label}")):
        p95 = percentile(times[flooded], 0.95)
        let_in = f"{admitted.value:>10,}" if flooded else ""
        print(f"{name:<28}{statistics.median(times[flooded]):>12.1f}{p95:>10.1f}{p95 / calm:>12.2f}{let_in}")


def _flood(dsn: str, tenant: str, stop: Event, pause: Event, admitted: "Synchronized[int]") -> None:
    """Search without end, as far as one is let in."""
    with connected(dsn) as database:
        caller = Caller(tenant, None, "teen")
        while not stop.is_set():
            if pause.is_set():
                time.sleep(0.01)
                continue
            time.sleep(JOB_START_SECONDS)
            try:
                database.admit(caller)
            except TooManyRequests:
                continue
            with admitted.get_lock():
                admitted.value += 1
            search(database, caller, Query(random_question(), random_vector(), MODEL))
