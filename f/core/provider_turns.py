"""Turns at a provider that limits requests: one line for the whole installation, shared fairly by its tenants.

Shared module, for models of which the settings say ``requests_per_minute``. Before each request a job takes a turn in
the database (``take_provider_turn`` in sql/functions), so that the provider is asked as often as it allows and no more,
whichever jobs, workers and tenants ask; without this each job would find the limit by itself, and whoever tries at the
right moment would pass those who have waited longest. A job that is killed while it waits is passed over. When the
provider refuses all the same, because somebody else uses the key, all wait for what it asks, and not each job anew.

A job learns after how long its turn is to be expected, and so how much is asked of the model altogether: a limit that
is shared cannot be kept from those who share it. Nothing else of another tenant can be learned.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

from f.core.ai_settings import ModelSettings
from f.core.database import Database, Row, Transaction
from f.core.errors import Unauthorized
from f.core.identity import Caller
from f.core.provider_calls import LOOKS_EVERY_SECONDS, Queue

_TAKE = """
-- Enters the tenant and looks for the turn, in one round trip and a transaction of its own: it locks the queue.
SELECT entered.outcome, turn.wait_seconds
FROM enter_tenant(%s, %s, %s, %s) AS entered
CROSS JOIN LATERAL take_provider_turn(CASE entered.outcome WHEN 'entered' THEN %s END, %s, %s, %s, %s)
    AS turn (wait_seconds)
"""
_PAUSE = """
-- The same to let all wait.
SELECT entered.outcome
FROM enter_tenant(%s, %s, %s, %s) AS entered
CROSS JOIN LATERAL pause_provider_queue(CASE entered.outcome WHEN 'entered' THEN %s END, %s, %s)
"""


@dataclass(frozen=True, slots=True)
class Turns:
    """Takes turns in a caller's name. No transaction may be open meanwhile."""

    database: Database
    caller: Caller

    def at(self, provider: str, model: ModelSettings) -> Queue | None:
        """Return the queue of a model; None for one that has no limit."""
        if model.requests_per_minute is None:
            return None
        return ModelQueue(self.database, self.caller, f"{provider}:{model.model}"[:300], model.requests_per_minute)


@dataclass(slots=True)
class ModelQueue:
    """Where the requests of one job to a model wait.

    Attributes:
        name: The provider and its model.
        requests_per_minute: What the provider allows the installation.
        ticket: Of the turn that is waited for.
        taken: Of the last turn that was taken.
    """

    database: Database
    caller: Caller
    name: str
    requests_per_minute: int
    ticket: str = field(default_factory=lambda: str(uuid4()))
    taken: str = ""

    def wait_seconds(self, patience_seconds: float) -> float:
        """Return after how long the next request may be made; 0 is now, and takes the turn.

        A job looks again after this time, or ``LOOKS_EVERY_SECONDS`` if that is less. Who is to wait longer than their
        patience loses their place.

        Raises:
            Unauthorized: When the caller may not ask any more.
            DatabaseUnavailable: When the connection breaks.
        """
        limits = (self.requests_per_minute, patience_seconds, LOOKS_EVERY_SECONDS)
        seconds = float(self._run(_TAKE, (self.name, self.ticket, *limits))["wait_seconds"])
        if not seconds:
            self.taken, self.ticket = self.ticket, str(uuid4())
        return seconds

    def pause(self, seconds: float) -> None:
        """Let nobody's turn come for so long, and take back the turn that was refused, with its place.

        Raises:
            Unauthorized: When the caller may not ask any more.
            DatabaseUnavailable: When the connection breaks.
        """
        self._run(_PAUSE, (self.name, self.taken, seconds))
        self.ticket = self.taken

    def _run(self, statement: str, parameters: Sequence[object]) -> Row:
        """Run a statement that enters the tenant itself."""
        caller = self.caller
        whom = (caller.tenant_id, caller.member_id, caller.claimed_type, caller.token_id)
        outside = Transaction(self.database.connection, caller.tenant_id, caller.member_id, None, "", caller.token_id)
        [found] = outside.rows(statement, (*whom, *parameters))
        if found["outcome"] != "entered":
            raise Unauthorized("The right to ask has ended.")
        return found
