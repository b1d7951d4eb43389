"""Turns at a provider that limits requests: whose it is, when it is, and what is learned of others.

Time is moved by moving what is written down, so that nothing is waited for.
"""

import time
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import psycopg2
import pytest

from tests.database.worlds import APP, Filled, World, new_tenant

PLENTY = 60_000
"""A limit that nobody reaches: whose turn it is decides alone."""


@dataclass
class Line:
    """A queue of its own, and those who wait in it."""

    world: World
    queue: str = field(default_factory=lambda: f"model-{uuid.uuid4()}")

    def look(self, tenant: Filled, ticket: str, limit: int = PLENTY, patience: float = 1000, login: str = APP) -> float:
        """Look for a turn as a job does."""
        with self.world.connected(login) as cursor:
            cursor.execute("BEGIN; SELECT enter_tenant(%s, NULL, NULL)", (tenant.id,))
            cursor.execute(
                "SELECT take_provider_turn(%s, %s, %s, %s, 2) AS seconds", (self.queue, ticket, limit, patience)
            )
            seconds = float(cursor.fetchone()["seconds"])
            cursor.execute("COMMIT")
        return seconds

    def refused(self, tenant: Filled, ticket: str, seconds: float) -> None:
        """Tell that the provider refused a turn and asks to wait."""
        with self.world.connected(APP) as cursor:
            cursor.execute("BEGIN; SELECT enter_tenant(%s, NULL, NULL)", (tenant.id,))
            cursor.execute("SELECT pause_provider_queue(%s, %s, %s)", (self.queue, ticket, seconds))
            cursor.execute("COMMIT")

    def stop(self) -> None:
        """Let nobody's turn come."""
        self.world.query("INSERT INTO provider_queues VALUES (%s, now() + '200 seconds')", (self.queue,))

    def go_on(self) -> None:
        """End every pause, and let all who wait be ones who look again in time."""
        self.world.query("DELETE FROM provider_queues WHERE queue = %s", (self.queue,))
        self.world.query("UPDATE provider_turns SET looks_again_at = 'infinity' WHERE queue = %s", (self.queue,))

    def later(self, seconds: float) -> None:
        """Let so much time go by since the turns that were taken."""
        self.world.query(
            "UPDATE provider_turns SET taken_at = taken_at - make_interval(secs => %s) WHERE queue = %s",
            (seconds, self.queue),
        )

    def taken(self) -> int:
        """Count the turns that were taken."""
        return int(
            self.world.one(
                "SELECT count(*) FROM provider_turns WHERE queue = %s AND taken_at IS NOT NULL", (self.queue,)
            )
        )


@pytest.fixture
def line(world: World) -> Line:
    return Line(world)


@pytest.fixture(scope="module")
def tenants(world: World) -> tuple[Filled, Filled, Filled]:
    return new_tenant(world), new_tenant(world), new_tenant(world)


def tickets() -> Iterator[str]:
    while True:
        yield str(uuid.uuid4())


def order_of(line: Line, waiting: dict[str, tuple[Filled, str]]) -> list[str]:
    """Let all look, again and again, the last who came first, and return in which order their turns come."""
    order = []
    while waiting:
        line.go_on()
        for name, (tenant, ticket) in reversed(waiting.items()):
            if line.look(tenant, ticket) == 0:
                order.append(name)
                del waiting[name]
                break
        else:
            raise AssertionError(f"nobody's turn comes after {order}")
    return order


def test_turns_go_round_among_tenants_and_inside_one_by_who_came_first(
    line: Line, tenants: tuple[Filled, Filled, Filled]
) -> None:
    flood, second, third = tenants
    line.stop()
    names = {
        "flood 1": flood,
        "flood 2": flood,
        "flood 3": flood,
        "second 1": second,
        "second 2": second,
        "third 1": third,
    }
    waiting = {name: (tenant, str(uuid.uuid4())) for name, tenant in names.items()}
    for tenant, ticket in waiting.values():
        assert line.look(tenant, ticket) > 100

    assert order_of(line, waiting) == ["flood 1", "second 1", "third 1", "flood 2", "second 2", "flood 3"]


def test_who_was_served_last_comes_after_those_who_were_not(line: Line, tenants: tuple[Filled, Filled, Filled]) -> None:
    """Also when that is longer ago than a minute: or of many tenants, one would always pass the others."""
    quick, slow, _ = tenants
    assert line.look(quick, str(uuid.uuid4())) == 0
    line.later(100)
    line.stop()
    waiting = {"quick": (quick, str(uuid.uuid4())), "slow": (slow, str(uuid.uuid4()))}
    for tenant, ticket in waiting.values():
        line.look(tenant, ticket)

    assert order_of(line, waiting) == ["slow", "quick"]


def test_who_had_more_turns_in_the_last_minute_comes_after_those_who_had_fewer(
    line: Line, tenants: tuple[Filled, Filled, Filled]
) -> None:
    """Or who was quick to use what was free would keep that lead."""
    quick, slow, _ = tenants
    for tenant in (quick, quick, slow):
        assert line.look(tenant, str(uuid.uuid4())) == 0
    line.stop()
    waiting = {"quick": (quick, str(uuid.uuid4())), "slow": (slow, str(uuid.uuid4()))}
    for tenant, ticket in waiting.values():
        line.look(tenant, ticket)

    assert order_of(line, waiting) == ["slow", "quick"]


def test_a_waiter_that_was_killed_is_passed_over_and_then_forgotten(
    line: Line, tenants: tuple[Filled, Filled, Filled]
) -> None:
    dead, alive, _ = tenants
    line.stop()
    killed, ticket = str(uuid.uuid4()), str(uuid.uuid4())
    line.look(dead, killed)
    line.look(alive, ticket)
    line.go_on()
    assert line.look(alive, ticket) > 0, "it is not the first"

    line.world.query(
        "UPDATE provider_turns SET looks_again_at = now() - interval '61 seconds' WHERE ticket = %s", (killed,)
    )

    assert line.look(alive, ticket) == 0
    assert line.world.query("SELECT 1 FROM provider_turns WHERE ticket = %s", (killed,)) == []


def test_a_third_of_a_limit_may_come_at_once_and_the_rest_is_spread_over_the_minute(
    line: Line, tenants: tuple[Filled, Filled, Filled]
) -> None:
    """Two turns a minute apart stay in the count: a window of 61 seconds never holds more than the limit."""
    tenant, limit, began = tenants[0], 6, time.monotonic()
    at_once = [line.look(tenant, str(uuid.uuid4()), limit) for _ in range(3)]
    assert at_once[:2] == [0, 0]
    assert 9 - (time.monotonic() - began) <= at_once[2] <= 9
    line.world.query("DELETE FROM provider_turns WHERE queue = %s AND taken_at IS NULL", (line.queue,))
    for _ in range(4):
        line.later(9.1)
        assert line.look(tenant, str(uuid.uuid4()), limit) == 0

    line.later(9.1)
    waits = line.look(tenant, str(uuid.uuid4()), limit)

    assert line.taken() == limit
    first_two_wait = 61 - 5 * 9.1  # they were taken 45.5 seconds ago
    assert first_two_wait - (time.monotonic() - began) <= waits <= first_two_wait
    line.world.query("DELETE FROM provider_turns WHERE queue = %s AND taken_at IS NULL", (line.queue,))
    line.later(waits)
    assert line.look(tenant, str(uuid.uuid4()), limit) == 0


def test_many_who_look_at_the_same_moment_take_no_more_turns_than_there_are(
    line: Line, tenants: tuple[Filled, Filled, Filled]
) -> None:
    def look(number: int) -> float:
        return line.look(tenants[number % 3], str(uuid.uuid4()), limit=4)

    with ThreadPoolExecutor(12) as pool:
        waits = list(pool.map(look, range(24)))

    assert waits.count(0) == line.taken() == 1


def test_who_would_wait_longer_than_their_patience_is_told_how_long_and_holds_up_nobody(
    line: Line, tenants: tuple[Filled, Filled, Filled]
) -> None:
    impatient, patient, _ = tenants
    assert line.look(patient, str(uuid.uuid4()), limit=1) == 0

    assert 50 < line.look(impatient, str(uuid.uuid4()), limit=1, patience=20) <= 61
    assert line.look(patient, str(uuid.uuid4()), limit=1) <= 61, "it would be 121 behind the other"


def test_who_would_be_passed_by_others_until_their_patience_ends_is_told_so_at_once(
    line: Line, tenants: tuple[Filled, Filled, Filled]
) -> None:
    """What others asked in the last minute, they are expected to go on asking; with none of it there is time enough."""
    crowded, *others = tenants
    asked = (
        "INSERT INTO provider_turns (queue, share, ticket, arrived_at, looks_again_at, taken_at)"
        " SELECT %s, sha256(uuid_send(%s)), gen_random_uuid(), now(), now(), now() - interval '10 seconds'"
        " FROM generate_series(1, 16)"
    )
    line.world.query(asked, (line.queue, crowded.id))
    line.stop()
    for _ in range(8):
        line.look(crowded, str(uuid.uuid4()), limit=60)
    line.go_on()

    assert line.look(crowded, str(uuid.uuid4()), limit=60, patience=12) <= 12
    for tenant in others:
        line.world.query(asked, (line.queue, tenant.id))
    told = line.look(crowded, str(uuid.uuid4()), limit=60, patience=12)

    assert told > 12
    waiting = "SELECT count(*) FROM provider_turns WHERE queue = %s AND taken_at IS NULL"
    assert line.world.one(waiting, (line.queue,)) == 9


def test_when_the_provider_asks_to_wait_all_do_and_who_was_refused_keeps_the_place(
    line: Line, tenants: tuple[Filled, Filled, Filled]
) -> None:
    first, second, _ = tenants
    refused, other = str(uuid.uuid4()), str(uuid.uuid4())
    assert line.look(first, refused) == 0
    line.refused(first, refused, 40)

    assert 30 < line.look(second, other) <= 41
    assert line.taken() == 0
    assert order_of(line, {"refused": (first, refused), "other": (second, other)}) == ["refused", "other"]


def test_nobody_pauses_a_queue_without_a_turn_of_their_own_or_for_long(
    line: Line, tenants: tuple[Filled, Filled, Filled]
) -> None:
    mine, other, _ = tenants
    ticket = str(uuid.uuid4())
    assert line.look(mine, ticket) == 0

    line.refused(other, ticket, 60)
    line.refused(mine, str(uuid.uuid4()), 60)
    assert line.look(other, str(uuid.uuid4())) == 0

    line.refused(mine, ticket, 1e6)
    assert line.look(other, str(uuid.uuid4())) <= 301


def test_a_ticket_of_another_tenant_is_as_good_as_a_new_one(line: Line, tenants: tuple[Filled, Filled, Filled]) -> None:
    mine, other, _ = tenants
    waiting, taken = str(uuid.uuid4()), str(uuid.uuid4())
    line.stop()
    line.look(other, waiting)
    line.look(mine, waiting)
    line.go_on()

    assert line.look(mine, waiting) > 0, "the other came first"
    assert line.look(other, waiting) == line.look(mine, waiting) == 0
    assert line.look(other, taken) == line.look(mine, taken) == 0

    rows = line.world.query("SELECT share FROM provider_turns WHERE queue = %s", (line.queue,))
    assert len(rows) == 4
    assert len({bytes(row["share"]) for row in rows}) == 2
    assert not any(other.id.replace("-", "") in bytes(row["share"]).hex() for row in rows)


def test_a_turn_is_taken_once_and_by_a_tenant_only(line: Line, tenants: tuple[Filled, Filled, Filled]) -> None:
    ticket = str(uuid.uuid4())
    assert line.look(tenants[0], ticket) == 0
    with pytest.raises(psycopg2.errors.RaiseException, match="had its turn"):
        line.look(tenants[0], ticket)
    with line.world.connected(APP) as cursor, pytest.raises(psycopg2.errors.RaiseException, match="needs a tenant"):
        cursor.execute("SELECT take_provider_turn('model', gen_random_uuid(), 1, 1, 1)")
