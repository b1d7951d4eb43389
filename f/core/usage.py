"""What the providers were asked, counted once and priced.

Shared module. An event's id names the call: what is counted again under the same id is not counted twice, whether a job
was repeated, killed, or a flow logs what a step has logged. Money is in whole millionths of a US dollar, rounded up.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal, TypedDict, get_args

from f.core.ai_settings import AiSettings, ModelSettings
from f.core.arguments import MAXIMUM_NAME, choice, integer, is_missing, required_text
from f.core.database import Transaction
from f.core.errors import InvalidArgument, TooLarge

Operation = Literal["embed", "rerank", "rewrite", "chat"]
OPERATIONS: tuple[Operation, ...] = get_args(Operation)
MAXIMUM_EVENTS = 10_000
MAXIMUM_COUNT = 1_000_000_000
_COUNTS = ("input_tokens", "output_tokens", "searches")

_RECORD = """
-- Counts each call once; what is new is taken from the budgets, if it was this system that spent it.
WITH recorded AS (
INSERT INTO api_usage (tenant_id, member_id, document_id, session_id, event_id, operation, model, input_tokens,
                       output_tokens, searches, cost_microusd)
SELECT %(tenant)s, %(member)s, %(document)s, %(session)s, event.*
FROM unnest(%(ids)s::text[], %(operations)s::text[], %(models)s::text[], %(input_tokens)s::bigint[],
            %(output_tokens)s::bigint[], %(searches)s::bigint[], %(costs)s::bigint[]) AS event
ON CONFLICT (tenant_id, event_id) DO NOTHING
RETURNING input_tokens + output_tokens AS tokens
)
SELECT count(*) AS recorded, CASE WHEN %(charged)s THEN
           charge_tokens(%(tenant)s, %(member)s, coalesce(sum(tokens), 0)::bigint) END AS charged
FROM recorded
"""

_BUDGET = """
SELECT 1 FROM rate_states
WHERE tenant_id = %s AND subject = 0 AND kind = 'tokens' AND spent_until > now() + interval '1 day'
"""


class UsageData(TypedDict):
    """An event as scripts and flows hand it on."""

    event_id: str
    operation: Operation
    model: str
    input_tokens: int
    output_tokens: int
    searches: int


@dataclass(frozen=True, slots=True)
class UsageEvent:
    """A call of a provider.

    Attributes:
        event_id: Its name, at most 200 characters.
        operation: What was asked for.
        model: The model, as it is called in ``f/chatbot/ai_settings``.
        input_tokens: Tokens that went in.
        output_tokens: Tokens that came out.
        searches: Searches that were billed for reranking.
    """

    event_id: str
    operation: Operation
    model: str
    input_tokens: int = 0
    output_tokens: int = 0
    searches: int = 0

    def data(self) -> UsageData:
        """Return the event as plain data."""
        return UsageData(
            event_id=self.event_id,
            operation=self.operation,
            model=self.model,
            input_tokens=self.input_tokens,
            output_tokens=self.output_tokens,
            searches=self.searches,
        )


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was counted: events that are new, and what all of the given ones cost."""

    new: int
    cost_microusd: int


def cost_microusd(event: UsageEvent, prices: ModelSettings) -> int:
    """Return what a call costs in millionths of a US dollar, rounded up.

    A price in dollars per million tokens is the price of one token in millionths.
    """
    cost = (
        event.input_tokens * Fraction(str(prices.usd_per_million_input_tokens))
        + event.output_tokens * Fraction(str(prices.usd_per_million_output_tokens))
        + event.searches * 1000 * Fraction(str(prices.usd_per_thousand_searches))
    )
    return math.ceil(cost)


def record_usage(
    transaction: Transaction,
    events: Sequence[UsageEvent],
    settings: AiSettings,
    *,
    document_id: int | None = None,
    session_id: str | None = None,
    charged: bool = True,
    waits: bool = True,
) -> Recorded:
    """Count calls in a transaction, each once, and take their tokens from the budgets of the tenant and the member.

    The budgets are rows that others of the tenant wait for: it is the last thing that a transaction does.

    Args:
        transaction: In whose name.
        events: The calls.
        settings: The prices.
        document_id: For which document.
        session_id: In which conversation.
        charged: False for what a caller says was spent elsewhere: nobody can use up a budget by saying so.
        waits: False leaves it for the end of the transaction; how many are new is then told as 0.

    Raises:
        InvalidArgument: When a model has no price in ``f/chatbot/ai_settings``: no cost is better than a wrong one.
    """
    costs = []
    for event in events:
        prices = settings.prices_of(event.model)
        if prices is None:
            raise InvalidArgument("The model is not known: add it with its prices to f/chatbot/ai_settings.")
        costs.append(cost_microusd(event, prices))
    if not events:
        return Recorded(0, 0)
    parameters = {
        "tenant": transaction.tenant_id,
        "member": transaction.member_id,
        "document": document_id,
        "session": session_id,
        "ids": [event.event_id for event in events],
        "operations": [event.operation for event in events],
        "models": [event.model for event in events],
        "input_tokens": [event.input_tokens for event in events],
        "output_tokens": [event.output_tokens for event in events],
        "searches": [event.searches for event in events],
        "costs": costs,
        "charged": charged,
    }
    if not waits:
        transaction.later(_RECORD, parameters)
        return Recorded(0, sum(costs))
    row = transaction.row(_RECORD, parameters)
    return Recorded(int(row["recorded"]) if row else 0, sum(costs))


def budget_is_spent(transaction: Transaction) -> bool:
    """Tell whether the tenant has spent the tokens of the last 24 hours."""
    return transaction.row(_BUDGET, (transaction.tenant_id,)) is not None


def checked_events(single: Mapping[str, object], several: object) -> list[UsageEvent]:
    """Check what a caller wants counted: one call, several, or both.

    Args:
        single: The six fields of a call; without an event_id there is none.
        several: A list of such objects, or None.

    Raises:
        InvalidArgument: When there is neither, or a field is malformed.
        TooLarge: When there are too many.
    """
    if several is not None and not isinstance(several, list):
        raise InvalidArgument("events must be a list of objects.")
    given: list[object] = [] if several is None else list(several)
    if len(given) > MAXIMUM_EVENTS:
        raise TooLarge(f"events has {len(given):,} entries; at most {MAXIMUM_EVENTS:,} are allowed.")
    if not is_missing(single["event_id"]):
        given.append(single)
    elif several is None:
        raise InvalidArgument("event_id is missing.")
    return [_checked_event(event) for event in given]


def _checked_event(event: object) -> UsageEvent:
    """Check one call."""
    if not isinstance(event, dict):
        raise InvalidArgument("Each of events must be an object.")
    counts = [integer(name, event.get(name), 0, MAXIMUM_COUNT, default=0) for name in _COUNTS]
    return UsageEvent(
        required_text("event_id", event.get("event_id"), MAXIMUM_NAME),
        choice("operation", event.get("operation"), OPERATIONS),
        required_text("model", event.get("model"), MAXIMUM_NAME),
        *counts,
    )
