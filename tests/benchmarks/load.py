"""Fifty members of ten tenants who ask at once, and a provider that answers 429 above 30 requests a minute.

Each member asks again as soon as an answer has come, so that there are always fifty questions and never enough answers:
the hardest case, in which a question has to wait 50 / 30 minutes on the average, whoever does it. Who is told when to
come back does so then; whose question just fails asks again after a few seconds. Questions that are waiting at the end
are still answered; nobody asks a new one.

Compared are ours with the limit in the settings, ours without it, which finds the limit by being refused, and the job
as it is usually written, whose SDK retries twice and waits as it is told. They run at the same time, each with a key,
and so a limit, of its own. A second time, one tenant has 23 members who ask and nine have 3 each: how many answers a
tenant gets should not depend on how many ask in it.

``BENCH_SECONDS`` in the environment changes how long is asked. With 180, it takes ten minutes: the second part asks for
two thirds as long, and after each part those who wait are waited for.
"""

import math
import os
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from evaluation.report import Results, Row, bar_plot, line_plot, print_table, results_folder, save_plot
from tests.benchmarks.limited_provider import limited_providers
from tests.benchmarks.load_ways import TENANTS, Member, Way, ways
from tests.benchmarks.timing import percentile

SECONDS = float(os.environ.get("BENCH_SECONDS", "180"))
REQUESTS_PER_MINUTE = 30
ASKS_AGAIN_SECONDS = 5.0
"""After how long a member asks again whose question failed without a word of when to come back."""
LIMITED, UNLIMITED, USUAL = "ours, limit set", "ours, limit not set", "as usual"
EQUAL, UNEQUAL = "5 members of each tenant", "23 members of one tenant, 3 of each other"
_STEPS = 24


@dataclass(frozen=True, slots=True)
class Job:
    """One job, in seconds since the beginning, and what came of it (see ``Reply``)."""

    ended: float
    took: float
    kind: str
    is_limit: bool


@dataclass(frozen=True, slots=True)
class Question:
    """What a member wanted to know: when it was asked first, and when it was answered, if it was."""

    tenant: int
    asked: float
    answered: float | None


@dataclass(slots=True)
class Record:
    """What happened in one way."""

    jobs: list[Job] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    words: Counter[str] = field(default_factory=Counter)
    requests: tuple[int, int] = (0, 0)

    def answers(self, until: float = math.inf) -> list[Question]:
        """List the questions that were answered until then."""
        return [question for question in self.questions if question.answered is not None and question.answered <= until]

    def by_tenant(self, until: float) -> list[int]:
        """Count the answers of each tenant until then."""
        counted = Counter(question.tenant for question in self.answers(until))
        return [counted[tenant] for tenant in range(TENANTS)]


def main() -> None:
    """Measure, print and keep."""
    results = Results(results_folder(), "load")
    equal = _measure([LIMITED, UNLIMITED, USUAL], [5] * TENANTS, SECONDS)
    _report(results, EQUAL, equal, SECONDS)
    _plot_answers(equal)
    unequal = _measure([LIMITED, USUAL], [23] + [3] * (TENANTS - 1), SECONDS * 2 / 3)
    _report(results, UNEQUAL, unequal, SECONDS * 2 / 3)
    _plot_shares(unequal)


def _report(results: Results, title: str, records: dict[str, Record], seconds: float) -> None:
    """Print what was measured, and keep it."""
    rows = [_row(name, record, seconds) for name, record in records.items()]
    print_table(f"{title}: {seconds:g} seconds, {REQUESTS_PER_MINUTE} requests a minute", rows)
    tenants = [_tenants_row(name, record, seconds) for name, record in records.items()]
    print_table(f"{title}: answers of each tenant", tenants)
    for row in rows:
        results.add("load", {"case": title, **row})
    for row in tenants:
        results.add("answers_by_tenant", {"case": title, **row})
    results.save()


def _measure(names: list[str], demand: list[int], seconds: float) -> dict[str, Record]:
    """Let so many members of each tenant ask for so long, in all ways at the same time."""
    settings = {
        LIMITED: {"chat": {"requests_per_minute": REQUESTS_PER_MINUTE}}, UNLIMITED: {}, USUAL: None,
    }  # fmt: skip
    with limited_providers(REQUESTS_PER_MINUTE) as providers, ways(providers, {n: settings[n] for n in names}) as all_:
        records = {way.name: Record() for way in all_}
        began = time.monotonic()
        members = [
            threading.Thread(target=_ask, args=(way, tenant, member, began, seconds, records[way.name]))
            for way in all_
            for tenant, count in enumerate(demand)
            for member in way.members[tenant][:count]
        ]
        random.Random(0).shuffle(members)
        for member in members:
            member.start()
        for member in members:
            member.join()
        for way in all_:
            records[way.name].requests = way.refusals()
    for name, record in records.items():
        for words, times in record.words.most_common(3):
            print(f"{name}: failed {times} times for another reason than the limit: {words}")
    return records


def _ask(way: Way, tenant: int, member: Member, began: float, seconds: float, record: Record) -> None:
    """Ask as a member does, one question after the other, until the time is over and the last one has ended."""
    while (asked := time.monotonic() - began) < seconds:
        answered = None
        now = asked
        while answered is None and now < seconds:
            reply = way.ask(member)
            ended = time.monotonic() - began
            record.jobs.append(Job(ended, ended - now, reply.kind, reply.is_limit))
            if reply.kind == "answered":
                answered = ended
            else:
                if not reply.is_limit:
                    record.words[reply.words] += 1
                time.sleep(min(reply.retry_after_seconds or ASKS_AGAIN_SECONDS, max(0.0, seconds - ended)))
            now = time.monotonic() - began
        record.questions.append(Question(tenant, asked, answered))


def _row(name: str, record: Record, seconds: float) -> Row:
    """Put the figures of one way together; only what it told, counted and took, nothing is left out."""
    waited = [question.answered - question.asked for question in record.answers() if question.answered is not None]
    by_tenant = record.by_tenant(seconds)
    failed = [job for job in record.jobs if job.kind == "failed"]
    told = [job for job in record.jobs if job.kind == "told"]
    taken, refused = record.requests
    return {
        "way": name,
        "jobs": len(record.jobs),
        "answers": len(record.answers()),
        "of these in time": sum(by_tenant),
        "questions given up": len(record.questions) - len(record.answers()),
        "jobs failed": len(failed),
        "of these by the limit": sum(job.is_limit for job in failed),
        "told when to come back": len(told),
        "after s (median)": statistics.median(job.took for job in told) if told else None,
        "requests taken": taken,
        "refused (429)": refused,
        "wait p50 s": statistics.median(waited) if waited else None,
        "wait p95 s": percentile(waited, 0.95) if waited else None,
        "wait longest s": max(waited, default=None),
        "fairness (Jain)": jain(by_tenant),
    }


def _tenants_row(name: str, record: Record, seconds: float) -> Row:
    """Give each tenant's answers while all were asking."""
    by_tenant = record.by_tenant(seconds)
    row: Row = {"way": name}
    row |= {f"tenant {number}": answers for number, answers in enumerate(by_tenant, 1)}
    return {**row, "fewest / most": min(by_tenant) / max(by_tenant) if max(by_tenant) else None}


def jain(values: Sequence[float]) -> float | None:
    """Return Jain's index of fairness (Jain, Chiu and Hawe 1984): 1 when all have the same, 1/n when one has all."""
    squares = sum(value * value for value in values)
    return sum(values) ** 2 / (len(values) * squares) if squares else None


def _plot_answers(equal: dict[str, Record]) -> None:
    """Draw how answers and failures come in."""
    end = max(job.ended for record in equal.values() for job in record.jobs)
    times = [end * step / _STEPS for step in range(_STEPS + 1)]
    lines = {name: [float(len(record.answers(moment))) for moment in times] for name, record in equal.items()}
    failures = {
        f"{name}: failed": [float(sum(job.ended <= m and job.kind != "answered" for job in record.jobs)) for m in times]
        for name, record in equal.items()
    }
    figure = line_plot(f"Answers, and jobs without one: {EQUAL}", times, {**lines, **failures}, "seconds", "jobs")
    save_plot(figure, results_folder(), "load")


def _plot_shares(unequal: dict[str, Record]) -> None:
    """Draw what each tenant gets where one asks most."""
    shares = {name: [float(n) for n in record.by_tenant(SECONDS * 2 / 3)] for name, record in unequal.items()}
    figure = bar_plot(f"Answers: {UNEQUAL}", [str(n) for n in range(1, TENANTS + 1)], shares, "answers of the tenant")
    save_plot(figure, results_folder(), "load_fairness")
