"""Notices on their way out by a channel: which are due, and what became of each. At most once, whatever is killed.

Shared module, for operators' scripts. A delivery is written down and committed as ``sending`` before anything is sent,
and what became of it afterwards. What certainly did not arrive waits and is tried again, later each time; what may have
arrived is ``unknown`` and never sent again, and so is what a killed run has left as ``sending``. Two runs at once take
different deliveries: the row is made or changed by one of them alone. Who may see the document is asked in the very
statement that takes a notice: nobody is written to of what was hidden from them since. Of a document only the last
threshold is told: a notice that still waits when the next one is written is never taken again.
"""

import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Literal, TypedDict

from f.core.database import OPERATORS_DATABASE, Database, Transaction, open_database
from f.core.errors import KnowledgeError
from f.core.identity import Caller, background

Channel = Literal["email", "webhook"]
Status = Literal["sent", "waiting", "failed", "unknown"]

DAYS_WORTH_TELLING = 3
"""How old a notice may be. A channel that was set up late, or was out of order for days, does not send what is stale:
the next threshold tells of the document again."""
MAXIMUM_TRIES = 5
FIRST_WAIT_SECONDS = 900
"""How long after a first try the second comes; then four times as long each. A mail server that puts strangers off
(greylisting) takes the second, and all five take 21 hours."""
LOST_AFTER_SECONDS = 1_800
"""When a delivery that is still being sent has lost its run: longer than a job of these scripts may take."""
SECONDS_A_RUN = 600
"""After how long a run takes nothing more, so that Windmill never ends it in the middle."""
MOST_OF_A_TENANT = 500
"""So many times does a run send something for one tenant; the next run goes on."""
LONGEST_WAIT_SECONDS = 86_400
"""How long a receiver may ask for patience."""
THRESHOLDS = ["30_days", "7_days", "1_day", "expired"]
"""In the order in which a document reaches them."""

_GIVE_UP = """
-- What was being sent when its run ended: nobody knows whether it arrived.
UPDATE notice_deliveries
SET status = 'unknown', failure_reason = 'Its run ended while it was being sent.', updated_at = now()
WHERE tenant_id = %(tenant)s AND channel = %(channel)s AND status = 'sending'
  AND updated_at < now() - make_interval(secs => %(seconds)s)
RETURNING id
"""

_CLAIM = """
-- Takes notices that are due, of one member: those never sent by this channel, and those whose next try is due. The
-- document must still be there, expire when the notice says, and be one that the member may see; for a mail the member
-- must have an account. There must be no notice of a later threshold, which tells of the same. Whoever makes or changes
-- the row of a delivery has it; the other run finds it taken.
WITH due AS (
    SELECT n.document_id, n.member_id, n.threshold, n.expires_at, d.title, u.email, t.language::text AS language,
           (n.expires_at AT TIME ZONE t.time_zone)::date AS expires_on,
           (n.expires_at AT TIME ZONE t.time_zone)::date - (now() AT TIME ZONE t.time_zone)::date AS days_left
    FROM expiry_notices AS n
    JOIN tenants AS t ON t.id = n.tenant_id
    JOIN documents AS d ON d.tenant_id = n.tenant_id AND d.id = n.document_id AND d.deleted_at IS NULL
         AND d.expires_at = n.expires_at
    JOIN family_members AS m ON m.tenant_id = n.tenant_id AND m.id = n.member_id AND m.removed_at IS NULL
         AND %(channel)s = ANY (m.notice_channels)
         AND may_see(m.member_type, m.id, t.admins_see_private, d.visibility, d.assigned_to)
    LEFT JOIN users AS u ON u.id = m.user_id
    LEFT JOIN notice_deliveries AS known ON known.tenant_id = n.tenant_id AND known.document_id = n.document_id
         AND known.member_id = n.member_id AND known.threshold = n.threshold AND known.expires_at = n.expires_at
         AND known.channel = %(channel)s
    WHERE n.tenant_id = %(tenant)s AND n.created_at > now() - make_interval(days => %(days)s)
      AND (%(channel)s <> 'email' OR u.email IS NOT NULL)
      AND NOT EXISTS (
          SELECT FROM expiry_notices AS later
          WHERE later.tenant_id = n.tenant_id AND later.document_id = n.document_id AND later.member_id = n.member_id
            AND later.expires_at = n.expires_at
            AND array_position(%(thresholds)s, later.threshold) > array_position(%(thresholds)s, n.threshold))
      AND (known.id IS NULL OR known.status = 'waiting' AND known.next_attempt_at <= now())
    ORDER BY n.member_id, n.expires_at, n.id
    LIMIT %(most)s
), taken AS (
    INSERT INTO notice_deliveries AS known (tenant_id, document_id, member_id, threshold, expires_at, channel, status)
    SELECT %(tenant)s, due.document_id, due.member_id, due.threshold, due.expires_at, %(channel)s, 'sending'
    FROM due WHERE due.member_id = (SELECT min(first.member_id) FROM due AS first)
    ON CONFLICT (tenant_id, document_id, member_id, threshold, expires_at, channel) DO UPDATE
    SET status = 'sending', attempts = known.attempts + 1, failure_reason = NULL, next_attempt_at = NULL,
        updated_at = now()
    WHERE known.status = 'waiting' AND known.next_attempt_at <= now()
    RETURNING known.id, known.document_id, known.member_id, known.threshold, known.expires_at
)
SELECT taken.id::text AS delivery_id, due.*
FROM taken JOIN due USING (document_id, member_id, threshold, expires_at)
ORDER BY due.expires_at, due.document_id, due.threshold
"""

_SETTLE = """
-- What became of deliveries. What was given up as unknown meanwhile can still turn out to have been sent.
UPDATE notice_deliveries
SET status = CASE WHEN %(status)s = 'waiting' AND attempts >= %(tries)s THEN 'failed' ELSE %(status)s END,
    failure_reason = %(reason)s, updated_at = now(),
    next_attempt_at = CASE WHEN %(status)s = 'waiting' AND attempts < %(tries)s THEN
        now() + make_interval(secs => greatest(%(wait)s, %(first_wait)s * power(4, attempts - 1))) END
WHERE tenant_id = %(tenant)s AND id = ANY (%(ids)s::uuid[])
  AND (status = 'sending' OR status = 'unknown' AND %(status)s = 'sent')
RETURNING status
"""


class DeliveryData(TypedDict):
    """Whether the channel is set up, and how many notices got which status in this run."""

    set_up: bool
    sent: int
    waiting: int
    failed: int
    unknown: int


@dataclass(frozen=True, slots=True)
class Notice:
    """What is to be told to one member.

    Attributes:
        delivery_id: Names the delivery, in every try.
        tenant_id: The tenant.
        member_id: The recipient.
        document_id: The document.
        title: Its title, as somebody wrote it.
        threshold: 30_days, 7_days, 1_day or expired.
        expires_at: When it expires.
        expires_on: The same as a day in the tenant's time zone.
        days_left: From today to that day there; negative when it is past.
        email: The recipient's address, where there is an account.
        language: The tenant's text search configuration.
    """

    delivery_id: str
    tenant_id: str
    member_id: int
    document_id: int
    title: str
    threshold: str
    expires_at: datetime
    expires_on: date
    days_left: int
    email: str | None
    language: str


@dataclass(frozen=True, slots=True)
class Fate:
    """What became of a try.

    Attributes:
        status: ``waiting`` is for what certainly did not arrive, ``failed`` for what would be refused again,
            ``unknown`` for what may have arrived.
        reason: Why, without addresses or content.
        wait_seconds: How long to wait at least, where the receiver says so.
        trouble: What somebody should see to, in how the channel is set up or in its server: the run fails with it.
        goes_on: Whether something else may get through in spite of the trouble; otherwise the run ends at once.
    """

    status: Status
    reason: str | None = None
    wait_seconds: int = 0
    trouble: KnowledgeError | None = None
    goes_on: bool = False


Send = Callable[[Sequence[Notice]], Fate]


@dataclass(frozen=True, slots=True)
class _Run:
    """What is sent by in a run, until when, and what has become of it so far."""

    channel: Channel
    send: Send
    at_once: int
    until: float
    counts: Counter[str] = field(default_factory=Counter)
    troubles: list[KnowledgeError] = field(default_factory=list)


def deliver(channel: Channel, send: Send, *, at_once: int) -> DeliveryData:
    """Send what is due by a channel, of all tenants, in no order that would favour one.

    Args:
        channel: By which.
        send: Sends notices of one member together, and says what became of them. It raises nothing that it expects.
        at_once: So many notices go together at most.

    Raises:
        KnowledgeError: When the channel is out of order, at once; after all tenants, when it failed for some or may be
            out of order.
    """
    run = _Run(channel, send, at_once, time.monotonic() + SECONDS_A_RUN)
    failed: dict[str, str] = {}
    with open_database(OPERATORS_DATABASE) as database:
        tenants = database.tenant_ids()
        random.shuffle(tenants)
        for tenant in tenants:
            try:
                goes_on = _deliver_of_tenant(database, background(tenant), run)
            except KnowledgeError as error:
                failed[tenant] = str(error)
                continue
            if not goes_on:
                break
    if run.troubles:
        raise run.troubles[-1]
    if failed:
        raise KnowledgeError(f"It failed for {len(failed)} tenant(s): {failed}")
    return _data(run.counts, set_up=True)


def not_set_up() -> DeliveryData:
    """Say that nothing can be sent by a channel."""
    return _data(Counter(), set_up=False)


def _deliver_of_tenant(database: Database, caller: Caller, run: _Run) -> bool:
    """Send what is due of one tenant, and count; tells whether the run goes on."""
    with database.transaction(caller) as transaction:
        run.counts["unknown"] += _give_up(transaction, run.channel)
    for _ in range(MOST_OF_A_TENANT):
        if time.monotonic() > run.until:
            break
        with database.transaction(caller) as transaction:
            notices = _claim(transaction, run.channel, run.at_once)
        if not notices:
            break
        fate = run.send(notices)
        with database.transaction(caller) as transaction:
            run.counts.update(_settle(transaction, notices, fate))
        if fate.trouble is not None:
            run.troubles.append(fate.trouble)
            if not fate.goes_on:
                return False
    return True


def _give_up(transaction: Transaction, channel: Channel) -> int:
    """Mark what a killed run has left, and count it."""
    parameters = {"tenant": transaction.tenant_id, "channel": channel, "seconds": LOST_AFTER_SECONDS}
    return len(transaction.rows(_GIVE_UP, parameters))


def _claim(transaction: Transaction, channel: Channel, most: int) -> list[Notice]:
    """Take notices of one member; none is due gives none."""
    parameters = {
        "tenant": transaction.tenant_id,
        "channel": channel,
        "days": DAYS_WORTH_TELLING,
        "thresholds": THRESHOLDS,
        "most": most,
    }
    return [Notice(tenant_id=transaction.tenant_id, **row) for row in transaction.rows(_CLAIM, parameters)]


def _settle(transaction: Transaction, notices: Sequence[Notice], fate: Fate) -> list[str]:
    """Write down what became of notices, and return the status of each."""
    parameters = {
        "tenant": transaction.tenant_id,
        "ids": [notice.delivery_id for notice in notices],
        "status": fate.status,
        "reason": fate.reason,
        "wait": min(fate.wait_seconds, LONGEST_WAIT_SECONDS),
        "first_wait": FIRST_WAIT_SECONDS,
        "tries": MAXIMUM_TRIES,
    }
    return [row["status"] for row in transaction.rows(_SETTLE, parameters)]


def _data(counts: Counter[str], *, set_up: bool) -> DeliveryData:
    """Put the counts together."""
    return DeliveryData(
        set_up=set_up,
        sent=counts["sent"],
        waiting=counts["waiting"],
        failed=counts["failed"],
        unknown=counts["unknown"],
    )
