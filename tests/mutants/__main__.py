"""``python -m tests.mutants``: breaks the guards one by one and prints which test noticed. Fails when none did."""

import argparse
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from queue import SimpleQueue

from tests.mutants.guards import Guard, read_guards, stale
from tests.mutants.workshop import TestRun, Workshop, workshop

SECONDS_PER_GUARD = 120.0
SECONDS_UNBROKEN = 540.0
_LAST_LINES = 30


def main(arguments: Sequence[str]) -> int:
    """Run, and return the exit code: 0 when a test noticed each guard."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.add_argument("--only", default="", metavar="WORD", help="only guards whose sentence holds this word")
    parser.add_argument(
        "--at-once", type=int, default=2, metavar="N", help="how many are broken at once, each in a copy"
    )
    chosen = parser.parse_args(arguments)
    everything = read_guards()
    out_of_date = stale(everything)
    for sentence in out_of_date:
        say(f"out of date: {sentence}")
    if out_of_date:
        return 1
    guards = [guard for guard in everything if chosen.only in guard.broken]
    if not guards:
        say(f"no guard's sentence holds {chosen.only!r}")
        return 1
    begun = time.monotonic()
    with ExitStack() as copies:
        workshops = SimpleQueue[Workshop]()
        for _ in range(chosen.at_once):
            workshops.put(copies.enter_context(workshop()))
        noticed = all_pass_unbroken(guards, workshops, chosen.at_once) and break_each(guards, workshops, chosen.at_once)
    say(f"{len(guards)} guards, {time.monotonic() - begun:.0f} s")
    return 0 if noticed else 1


def all_pass_unbroken(guards: Sequence[Guard], workshops: SimpleQueue[Workshop], at_once: int) -> bool:
    """Run all named tests on the unbroken copies, and tell whether they pass."""
    tests = {test for guard in guards for test in guard.tests}
    files: dict[str, list[str]] = {}
    for test in sorted(tests):
        files.setdefault(test.partition("::")[0], []).append(test)
    kept_together = list(files.values())  # tests of one file share what it sets up
    shares = [[test for named in kept_together[first::at_once] for test in named] for first in range(at_once)]

    def run(share: list[str]) -> bool:
        found = in_a_workshop(workshops, lambda copy: copy.run(share, SECONDS_UNBROKEN, to_the_end=True))
        if not found.passed:
            say(f"these tests do not pass while nothing is broken: {[*found.failed, *found.broke]}\n{end_of(found)}")
        return found.passed

    with ThreadPoolExecutor(at_once) as pool:
        passed = all(list(pool.map(run, filter(None, shares))))
    if passed:
        say(f"unbroken: {len(tests)} tests or files of tests pass")
    return passed


def break_each(guards: Sequence[Guard], workshops: SimpleQueue[Workshop], at_once: int) -> bool:
    """Break each guard, and tell whether all were noticed."""

    def run(guard: Guard) -> bool:
        def broken(copy: Workshop) -> TestRun:
            with copy.with_broken(guard):
                return copy.run(guard.tests, SECONDS_PER_GUARD)

        found = in_a_workshop(workshops, broken)
        if found.failed:
            say(f"noticed    {found.seconds:4.0f} s  {guard.broken}\n{'':19}{found.failed[0]}")
        elif found.passed and found.skipped:
            say(f"NO PROOF   {found.seconds:4.0f} s  {guard.broken}\n{'':19}skipped here: {', '.join(found.skipped)}")
        elif found.passed:
            say(f"UNNOTICED  {found.seconds:4.0f} s  {guard.broken}\n{'':19}{', '.join(guard.tests)} pass all the same")
        else:
            why = "it took too long" if found.timed_out else f"not even set up: {found.broke}"
            say(f"NO PROOF   {found.seconds:4.0f} s  {guard.broken}\n{'':19}{why}\n{end_of(found)}")
        return bool(found.failed)

    with ThreadPoolExecutor(at_once) as pool:
        return all(list(pool.map(run, guards)))


def in_a_workshop(workshops: SimpleQueue[Workshop], work: Callable[[Workshop], TestRun]) -> TestRun:
    """Do something in the next workshop that is free."""
    copy = workshops.get()
    try:
        return work(copy)
    finally:
        workshops.put(copy)


def end_of(found: TestRun) -> str:
    """Give the last lines that a run of tests printed."""
    return "\n".join(found.log.splitlines()[-_LAST_LINES:])


def say(text: str) -> None:
    """Print at once, also into a pipe."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
