"""Thousands of bodies that nobody would send, for every script and every flow of members.

The bodies come from a seed; ``FUZZ_SEED`` chooses another. Each answer is a success or a refusal as f/README.md lists
them; a body that is no JSON object is refused by the platform. No job crashes, nothing tells a secret or another
tenant's text, and none of that tenant's rows changes.
"""

import os
import random
import re
import uuid
import zlib
from functools import partial

import pytest

from tests.attacks.every_script import FLOWS, MEMBER_FLOWS, MEMBER_SCRIPTS, REPOSITORY, SCRIPTS, taking_arguments
from tests.attacks.fuzzing import STATEMENT, Body, Fuzzer, parsed
from tests.attacks.hostile import BOOKKEEPING, leaks, logs
from tests.attacks.other_tenant import GIVING_TOKENS, OtherTenant, masked, new_mark, plant, unchanged, without
from tests.conftest import InstallationMaker
from tests.support.cloud import in_parallel
from tests.support.installation import Installation, Json, Tenant

SEED = int(os.environ.get("FUZZ_SEED", "20261121"))
TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
"""How many times as many bodies as usual are sent."""
PATHS = [*taking_arguments(SCRIPTS), *MEMBER_FLOWS]
LOGS = ("f/chatbot/read_audit_log",)
COSTLY = {"f/chatbot/chat": 240, "f/chatbot/search": 300, "f/chatbot/ingest": 300, "f/operations/find_orphans": 20}
CHEAP = ("f/chatbot/report_failure", "f/operations/report_clean_up", "f/operations/check_receipt")
BODIES = {
    path: TIMES
    * (COSTLY.get(path) or (15 if path in FLOWS else 120 if path in MEMBER_SCRIPTS or path in CHEAP else 50))
    for path in PATHS
}
"""How many are sent to each: more to what takes the most, fewer to what asks a model or looks through everything."""
AT_ONCE = 4

README = REPOSITORY / "f/README.md"
STATUSES = {
    (int(status), code)
    for status, code in re.findall(
        r"^\| (\d{3}) \| `(\w+)` \|", (REPOSITORY / "f/README.md").read_text(encoding="utf-8"), re.M
    )
}
REFERENCE = re.compile(rb"\$((var|res|jsonvar|encrypted):|interpolate)")
INSIDE = re.compile(
    r"Traceback|something went wrong inside|\.py\b|site-packages|File \\?\"|psycopg2|\bSELECT\b.*\bFROM\b|violates"
    r"|refused a statement|(Permission|Key|Type|Attribute|Value)Error",
    re.IGNORECASE,
)
"""What an answer would have of the inside: stacks, paths, SQL, Python's errors."""


@pytest.fixture(scope="module")
def fuzzed(make_installation: InstallationMaker) -> Installation:
    """An installation of its own: among what is called are the operators' scripts."""
    return make_installation(measured=False)


@pytest.fixture(scope="module")
def other(fuzzed: Installation) -> OtherTenant:
    return plant(fuzzed, new_mark())


def new_attacker(installation: Installation) -> Tenant:
    """Make the tenant from which it is called, with limits that do not end the attack."""
    tenant = installation.new_tenant()
    limits = dict.fromkeys(SCRIPTS["f/operations/set_limits"].keys() - {"tenant_id"}, 1_000_000)
    installation.run("f/operations/set_limits", tenant_id=tenant.id, **limits).done()
    return tenant


def fuzzer_of(installation: Installation, other: OtherTenant, path: str) -> Fuzzer:
    """Make what draws the bodies for a path, with a tenant of its own in which they are sent."""
    tenant = new_attacker(installation)
    who = {"tenant_id": tenant.id, "user_member_id": tenant.adult}
    document = installation.add_document(
        tenant, "The bicycle is in the cellar.", "Bicycle", user_member_id=tenant.adult
    )
    token = installation.run("f/operations/issue_session_token", **who).data["session_token"]
    asked = installation.run("f/chatbot/chat", question="Where is the bicycle?", **who).data
    [chunk] = installation.query("SELECT id FROM document_chunks WHERE document_id = %s", (document,))
    own: Json = {
        "<tenant>": tenant.id, "<member>": tenant.adult, "<document>": document, "<chunk>": chunk["id"],
        "<session>": asked["session_id"], "<token>": token,
    }  # fmt: skip
    members: list[Json] = [{"tenant_id": tenant.id, "user_member_id": member} for member in tenant.types.values()]
    identities = [
        {"tenant_id": tenant.id},
        {"session_token": token},
        {**members[0], "user_member_type": "teen"},
        *members,
    ]
    if path not in (*MEMBER_SCRIPTS, *MEMBER_FLOWS):
        # An operator may do to each tenant what there is to do: so theirs is the only one that is named.
        return Fuzzer(random.Random(SEED ^ zlib.crc32(path.encode())), [{"tenant_id": tenant.id}], own, own)
    return Fuzzer(random.Random(SEED ^ zlib.crc32(path.encode())), identities, own, other.values)


def problem(installation: Installation, other: OtherTenant, path: str, body: Body) -> str | None:
    """Send a body, and say what is wrong with the answer, if anything is."""
    job, kind = str(uuid.uuid4()), "f" if path in FLOWS else "p"
    answer = installation.client.post(
        installation.stack.url(f"jobs/run_wait_result/{kind}/{path}"),
        params={"job_id": job},
        content=body.raw,
        headers={"Content-Type": "application/json"},
    )
    log = logs(installation, job) if answer.status_code != 400 else ""
    said = [without(text, body.arguments or {}) for text in (answer.text, log)]
    # The log of one's own tenant tells what ids have been tried from there.
    told = [thing for text in said for thing in other.told_in(text) if thing == "a text" or path not in LOGS]
    told += leaks(installation, said[1] if path in GIVING_TOKENS else "".join(said))
    if told:
        return f"it tells {told}"
    if body.names_entrypoint:
        return None if answer.status_code < 500 else f"status {answer.status_code}"
    if INSIDE.search(masked(said[0])):  # the signature of a token may begin with anything, also with py-
        return "it tells of the inside"
    wrong = wrong_form(path, body, answer.status_code, answer.text)
    return wrong and f"{wrong}: {answer.status_code} {answer.text[:500]}"


def wrong_form(path: str, body: Body, status: int, text: str) -> str | None:
    """Say in what an answer is not as is promised."""
    if not is_object(body.raw):
        return None if status == 400 and text.startswith("Bad request") else "no JSON was not refused by the platform"
    answer = parsed(text.encode("utf-8", "surrogatepass"))
    if answer is None:
        return "the answer is no JSON object"
    if status == 422 and REFERENCE.search(body.raw) and list(answer) == ["error"]:
        # What the platform takes for the name of a secret leads nowhere.
        return None if answer["error"]["name"] == "ExecutionErr" else "the job crashed"
    if status == 500 and REFERENCE.search(body.raw) and "(ExecutionErr)" in str(answer.get("error")):
        return None  # the same in a flow, before its first step
    if status == 200:
        return (
            None if answer.get("success") is True and answer.get("error") is None and "data" in answer else "no success"
        )
    refused = (
        answer.get("success") is False
        and answer.get("data") is None
        and isinstance(answer.get("error"), str)
        and (status, answer.get("error_code")) in STATUSES
    )
    tells_of_others = path == "f/chatbot/report_failure" and answer.get("success") is False and 400 <= status < 600
    return None if refused or tells_of_others else "neither a success nor a refusal that is listed"


def is_object(raw: bytes) -> bool:
    """Tell whether the platform takes a body: JSON that is no object it takes as an argument of its own."""
    return parsed(raw) is not None or parsed(b'{"body": ' + raw + b"}") is not None


def test_as_many_bodies_are_tried_as_is_said() -> None:
    assert sum(BODIES.values()) >= 5_000


def test_the_statuses_that_are_listed_are_read_from_the_list() -> None:
    assert {(401, "unauthorized"), (404, "not_found"), (422, "invalid_argument")} <= STATUSES
    assert (500, "internal_error") not in STATUSES


@pytest.mark.parametrize("path", PATHS)
def test_whatever_is_sent_is_answered_as_is_promised_and_tells_and_changes_nothing_of_others(
    fuzzed: Installation, other: OtherTenant, path: str
) -> None:
    fuzzer = fuzzer_of(fuzzed, other, path)
    bodies = [fuzzer.body(path) for _ in range(BODIES[path])]

    with unchanged(fuzzed, other, but=BOOKKEEPING):
        problems = in_parallel([partial(problem, fuzzed, other, path, body) for body in bodies], AT_ONCE)

    found = [f"{what}\n    for {body.raw[:600]!r}" for what, body in zip(problems, bodies, strict=True) if what]
    assert found == [], f"{len(found)} of {len(bodies)} with the seed {SEED}:\n" + "\n".join(found[:10])
    assert fuzzed.query("SELECT to_regclass('documents') IS NOT NULL AS there")[0]["there"], STATEMENT
