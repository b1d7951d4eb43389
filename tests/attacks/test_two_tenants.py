"""Every script and flow, by every kind of caller, with another tenant's things in each argument that can name any.

The answer is the same, to the letter, as for a thing that does not exist: were it not, a caller could find out what
other tenants have. Scripts, flows and their parameters come from the repository, tables from the catalogue: what is new
has to be listed in ``PROBES``, or fails.
"""

import base64
import uuid
from dataclasses import dataclass, field, replace
from functools import partial

import pytest

from tests.attacks.every_script import ENOUGH, FLOWS, IDENTITY, MEMBER_FLOWS, MEMBER_SCRIPTS, SCRIPTS
from tests.attacks.hostile import BOOKKEEPING, nothing_changes
from tests.attacks.other_tenant import (
    OtherTenant,
    Told,
    call,
    filled,
    new_mark,
    plant,
    rows_of,
    unchanged,
    without_uuids,
)
from tests.conftest import InstallationMaker
from tests.support.cloud import in_parallel, insert_documents
from tests.support.installation import Installation, Json, Tenant


@dataclass(frozen=True)
class Probe:
    """What the parameters of a script or flow can name, beside those by which a caller says who they are.

    Attributes:
        names: How another tenant's thing is named in each parameter that can name one; each is tried by itself.
        keeps: The same of what is only kept or handed on; tried together.
        words: Parameters whose words are looked for; what they tell has a test of its own.
        nothing: Parameters that name nothing which a tenant has.
        instead: What is sent beside a parameter that does not go with all others, which is therefore tried by itself.
    """

    names: Json = field(default_factory=dict)
    keeps: Json = field(default_factory=dict)
    words: tuple[str, ...] = ()
    nothing: tuple[str, ...] = ()
    instead: dict[str, Json] = field(default_factory=dict)


FOUND_BY = {"category": "<category>", "tags": ["<tag>"], "document_ids": ["<document>"]}
STORED = Probe(
    {"content": "<content>", "assigned_to": "<member>", "idempotency_key": "<key>"},
    keeps={
        "title": "<title>", "category": "<category>", "tags": ["<tag>"], "source": "<source>",
        "source_url": "<source_url>", "metadata": {"<metadata>": "<metadata>"},
    },
    nothing=("visibility", "expires_at", "language"),
)  # fmt: skip

HANDED_IN = Probe(
    {
        "content_base64": "<file64>", "file_id": "<file>", "batch": "<batch>",
        **{name: value for name, value in STORED.names.items() if name != "content"},
    },
    keeps={**STORED.keeps, "file_name": "<title>"},
    nothing=("s3_object", "url", *STORED.nothing),
    instead={"file_id": {"content_base64": None}},
)  # fmt: skip

CHANGED = Probe(
    {"document_id": "<document>", "assigned_to": "<member>"},
    keeps={"title": "<title>", "content": "<content>", "category": "<category>", "tags": ["<tag>"]},
    nothing=("version", "visibility", "expires_at", "language", "clear"),
)

PROBES: dict[str, Probe] = {
    "f/chatbot/ingest": replace(
        STORED,
        names={**STORED.names, "file_id": "<file>"},
        instead={"file_id": {"title": None, "content": None}},
    ),
    "f/chatbot/parse_file": HANDED_IN,
    "f/chatbot/ingest_file": HANDED_IN,
    "f/chatbot/prepare_files": Probe(
        keeps={"files": [{"file_id": "<file>"}], "batch": "<batch>"}, nothing=("parallel_limit",)
    ),
    "f/chatbot/report_files": Probe({"batch": "<batch>"}, keeps={"names": ["<title>"], "outcomes": [{"a": "<title>"}]}),
    "f/chatbot/ingest_files": Probe(
        {"files": [{"file_id": "<file>"}, {"content_base64": "<file64>"}], "batch": "<batch>"},
        nothing=("parallel_limit",),
    ),
    "f/chatbot/get_ingest_status": Probe(
        {"file_id": "<file>", "document_id": "<document>", "batch": "<batch>"},
        nothing=("before", "limit", "documents"),
        instead={"file_id": {}, "document_id": {}},
    ),
    "f/chatbot/retry_document": Probe(
        {"document_id": "<document>", "file_id": "<file>"}, instead={"file_id": {"document_id": None}}
    ),
    "f/operations/work_off_files": Probe(nothing=("limit",)),
    "f/chatbot/embed": Probe({"document_id": "<document>"}, nothing=("all_tenants", "limit")),
    "f/chatbot/search": Probe(
        {**FOUND_BY, "assigned_to": "<member>", "source": "<source>"},
        words=("query",),
        nothing=("tags_match", "created_from", "created_to", "expiring_before", "limit", "offset", "rerank"),
    ),
    "f/chatbot/chat": Probe(
        {**FOUND_BY, "chunk_ids": ["<chunk>"], "session_id": "<session>"}, words=("question",), nothing=("stream",)
    ),
    "f/chatbot/log_usage": Probe(
        {
            "event_id": "<event>",
            "events": [{"event_id": "<event>", "operation": "chat", "model": "offline-sentences"}],
            "document": {"document_id": "<document>"},
        },
        nothing=("operation", "model", "input_tokens", "output_tokens", "searches"),
    ),
    "f/chatbot/delete_document": Probe({"document_id": "<document>"}),
    "f/chatbot/get_document": Probe({"document_id": "<document>"}, nothing=("version", "page", "offset", "limit")),
    "f/chatbot/list_documents": Probe(
        {
            "category": "<category>",
            "tags": ["<tag>"],
            "assigned_to": "<member>",
            "created_by": "<member>",
            "title": "<title>",
            "cursor": "<cursor>",
        },
        nothing=(
            *("tags_match", "visibility", "status", "media_type", "created_from", "created_to", "expiring_from"),
            *("expiring_before", "deleted", "sort", "order", "facets", "limit"),
        ),
    ),
    "f/chatbot/update_document": CHANGED,
    "f/chatbot/change_document": CHANGED,
    "f/chatbot/restore_document": Probe({"document_id": "<document>"}),
    "f/chatbot/list_versions": Probe({"document_id": "<document>"}, nothing=("limit", "before")),
    "f/chatbot/compare_versions": Probe({"document_id": "<document>"}, nothing=("version", "other_version", "limit")),
    "f/chatbot/restore_version": Probe({"document_id": "<document>"}, nothing=("version", "current_version")),
    "f/chatbot/find_duplicates": Probe({"document_id": "<document>"}, nothing=("limit",)),
    "f/chatbot/related_documents": Probe({"document_id": "<document>"}, nothing=("limit", "near_duplicates")),
    "f/chatbot/list_tags": Probe({"prefix": "<tag>", "after": "<tag>"}, nothing=("limit",)),
    "f/chatbot/suggest_tags": Probe({"document_id": "<document>"}, nothing=("title", "content", "limit", "use_model")),
    "f/chatbot/suggest_category": Probe(
        {"document_id": "<document>"}, nothing=("title", "content", "limit", "use_model")
    ),
    "f/chatbot/find_dates": Probe({"document_id": "<document>"}, nothing=("text", "kinds")),
    "f/chatbot/list_expiring": Probe(nothing=("within_days", "include_expired", "limit", "cursor")),
    "f/chatbot/read_session": Probe({"session_id": "<session>", "before": "<message>"}, nothing=("limit",)),
    "f/chatbot/read_audit_log": Probe(
        {"acted_by": "<member>", "before": "<entry>"}, nothing=("action", "since", "limit")
    ),
    "f/chatbot/report_failure": Probe(
        {"tenant_id": "<tenant>", "message": "<title>", "extra": {"http_status": 404, "error_code": "<title>"}},
        nothing=("flow", "step", "name"),
    ),
    "f/chatbot/ingest_document": STORED,
    "f/chatbot/answer_question": Probe(
        {**FOUND_BY, "session_id": "<session>"},
        words=("question",),
        nothing=("tags_match", "limit", "rerank", "stream"),
    ),
    "f/chatbot/create_calendar_feed": Probe(),
    "f/chatbot/revoke_calendar_feed": Probe({"feed_id": "<feed>", "member_id": "<member>"}),
    "f/chatbot/read_calendar_feed": Probe(nothing=("secret",)),
    "f/chatbot/serve_calendar_feed": Probe(nothing=("secret",)),
    "f/operations/report_deliveries": Probe(
        keeps={"email": {"data": {"a": "<title>"}}, "webhook": {"a": "<title>"}, "notices": {"a": "<title>"}}
    ),
    "f/operations/create_tenant": Probe(
        {"name": "<name>"},
        nothing=("slug", "kind", "language", "retention_days", "admins_see_private", "date_order", "time_zone"),
    ),
    "f/operations/change_tenant": Probe(
        keeps={"name": "<name>"},
        nothing=("language", "retention_days", "admins_see_private", "date_order", "time_zone"),
    ),
    "f/operations/add_member": Probe({"email": "<email>"}, keeps={"name": "<name>"}, nothing=("member_type",)),
    "f/operations/change_member": Probe(
        {"user_member_id": "<member>"}, keeps={"name": "<name>"}, nothing=("member_type", "notice_channels")
    ),
    "f/operations/remove_member": Probe({"user_member_id": "<member>"}),
    "f/operations/issue_session_token": Probe({"user_member_id": "<member>"}, nothing=("valid_seconds",)),
    "f/operations/revoke_session_token": Probe({"user_member_id": "<member>"}, nothing=("session_token",)),
    "f/operations/set_limits": Probe(
        nothing=(
            *("requests_per_minute", "member_requests_per_minute", "tokens_per_day", "member_tokens_per_day"),
            *("concurrent_chats", "member_concurrent_chats"),
        )
    ),
    "f/operations/report_clean_up": Probe(
        keeps={name: {"a": "<title>"} for name in ("documents", "sessions", "requeued", "indexes", "orphans")}
    ),
    "f/operations/erase_tenant": Probe({"confirm_slug": "<slug>"}),
    "f/operations/erase_member": Probe({"user_member_id": "<member>"}),
    "f/operations/check_receipt": Probe(nothing=("receipt",)),
    "f/operations/export_tenant": Probe({"cursor": "<cursor>"}, nothing=("maximum_bytes",)),
    "f/operations/import_tenant": Probe(keeps={"name": "<name>"}, nothing=("lines", "slug")),
    "f/operations/find_orphans": Probe(nothing=("repair", "thorough")),
    "f/operations/reembed": Probe(nothing=("limit",)),
}
"""Scripts and flows without parameters have no entry. What an operator may know or hold is named in tests of its own:
slugs, session tokens, receipts, archives and the secrets of calendar feeds."""
LOOKS_NOTHING_UP = ("f/chatbot/report_failure", "f/operations/import_tenant")
"""Of those that take a tenant: it is handed on, or made."""

CALLERS = ("a back end", "a back end for an admin", "admin", "adult", "teen", "child", "a token")
FOR_MEMBERS = (*MEMBER_SCRIPTS, *MEMBER_FLOWS)
OF_A_TENANT = [
    path for path, parameters in (SCRIPTS | FLOWS).items() if "tenant_id" in parameters and path not in LOOKS_NOTHING_UP
]
WITHOUT_PARAMETERS = [path for path, parameters in (SCRIPTS | FLOWS).items() if not parameters]


@pytest.fixture(scope="module")
def attacked(make_installation: InstallationMaker) -> Installation:
    """An installation of its own: some scripts work for all tenants."""
    return make_installation(measured=False)


@pytest.fixture(scope="module")
def other(attacked: Installation) -> OtherTenant:
    return plant(attacked, new_mark())


def new_twin(installation: Installation) -> Tenant:
    """Make an attacker's tenant: with a document and a conversation, and without limits that would stop the attack."""
    tenant = installation.new_tenant()
    insert_documents(installation, tenant, ["The bicycle is in the cellar."])
    installation.query(
        "UPDATE tenants SET requests_per_minute = 1000000, member_requests_per_minute = 1000000 WHERE id = %s",
        (tenant.id,),
    )
    return tenant


def identity(installation: Installation, tenant: Tenant, caller: str) -> Json:
    """Give the arguments by which a caller says who they are."""
    trusted: Json = {"tenant_id": tenant.id}
    if caller == "a back end for an admin":
        return {**trusted, "user_member_type": "admin"}
    if caller == "a token":
        issued = installation.run("f/operations/issue_session_token", **trusted, user_member_id=tenant.admin).data
        return {"session_token": issued["session_token"]}
    return {**trusted, **({"user_member_id": tenant.types[caller]} if caller in tenant.types else {})}


def session_of(installation: Installation, tenant: Tenant, who: Json) -> str:
    """Open a conversation of a caller, in which other tenants' messages can be named."""
    member = tenant.admin if "session_token" in who else who.get("user_member_id")
    [row] = installation.query(
        "INSERT INTO conversation_sessions (tenant_id, member_id) VALUES (%s, %s) RETURNING id::text",
        (tenant.id, member),
    )
    return str(row["id"])


def enough(path: str, number: int, document: int, session: str) -> Json:
    """Give arguments with which a script does its work on the caller's own things, new ones for each number."""
    own: Json = {
        "content": f"{number}.", "content_base64": base64.b64encode(b"%d." % number).decode(),
        "event_id": f"{number}", "document_id": document, "session_id": session,
        "email": f"{new_mark()}@example.org", "slug": new_mark(), "extra": {"http_status": 404, "error_code": "x"},
    }  # fmt: skip
    return {**ENOUGH[path], **{name: value for name, value in own.items() if name in ENOUGH[path]}}


def attempts(installation: Installation, path: str, tenant: Tenant, who: Json) -> list[Json]:
    """Give a caller's calls, each with one argument that names something, as a placeholder; and one with all."""
    [row] = installation.query("SELECT id FROM documents WHERE tenant_id = %s", (tenant.id,))
    own = row["id"], session_of(installation, tenant, who)
    probe = PROBES[path]
    each: list[Json] = [{name: value, **probe.instead.get(name, {})} for name, value in probe.names.items()]
    together = {name: value for name, value in probe.names.items() if name not in probe.instead}
    if path in FOR_MEMBERS:
        each.append({"user_member_id": "<member>"})
    if path in FOR_MEMBERS and "session_token" in who:
        each.append({"tenant_id": "<tenant>"})
    if path not in FLOWS:  # a flow hands on to scripts, by callers that are the same
        each += [probe.keeps, {**probe.keeps, **together}]
    return [{**enough(path, number, *own), **who, **named} for number, named in enumerate(each) if named]


def all_told(installation: Installation, other: OtherTenant, path: str, caller: str, values: Json) -> list[Told]:
    """Make all of a caller's attempts in a tenant of their own, and return what was told."""
    twin = new_twin(installation)
    who = identity(installation, twin, caller)
    return [
        call(installation, other, path, filled(arguments, values))
        for arguments in attempts(installation, path, twin, who)
    ]


def test_every_parameter_of_every_script_and_flow_is_said_to_name_something_or_nothing() -> None:
    for path, parameters in (SCRIPTS | FLOWS).items():
        probe = PROBES.get(path, Probe())
        who = IDENTITY if path in FOR_MEMBERS else {"tenant_id"} - probe.names.keys()
        said = [*probe.names, *probe.keeps, *probe.words, *probe.nothing, *(parameters.keys() & set(who))]
        assert sorted(said) == sorted(parameters), path
    assert PROBES.keys() <= (SCRIPTS | FLOWS).keys()


def test_the_other_tenant_has_something_in_every_table(attacked: Installation, other: OtherTenant) -> None:
    """Or a change there would not be noticed: ``plant`` has to fill a new table too."""
    assert [table for table, row in rows_of(attacked, other.tenant.id).items() if not row["rows"]] == []


@pytest.mark.parametrize("path", PROBES)
def test_anothers_thing_is_answered_by_every_script_and_flow_as_one_that_does_not_exist(
    attacked: Installation, other: OtherTenant, path: str
) -> None:
    kinds = CALLERS if path in FOR_MEMBERS else ("an operator",)
    with unchanged(attacked, other):
        told = in_parallel(
            [
                partial(all_told, attacked, other, path, caller, values)
                for caller in kinds
                for values in (other.values, other.nobodys())
            ]
        )
    for caller, others, nobodys in zip(kinds, told[::2], told[1::2], strict=True):
        assert others == nobodys, caller
        assert all(one.status in (200, 403, 404, 409) or "cursor" in one.answer for one in others), (caller, others)


@pytest.mark.parametrize("path", [path for path, probe in PROBES.items() if probe.words])
def test_anothers_words_find_order_and_count_nothing_of_the_others(attacked: Installation, path: str) -> None:
    """The same question before there is such a tenant, and when it has many documents with these very words."""
    mark, twin = new_mark(), new_twin(attacked)
    texts = [f"The {word} dues of the harbour are {word} drachmas a year." for word in ("yacht", "ferry", "mooring")]
    insert_documents(attacked, twin, texts)
    attacked.run("f/chatbot/embed", tenant_id=twin.id).done()
    questions = "How many drachmas a year are the ferry dues of the harbour?", f"What are the {mark}harbour dues?"
    calls = [
        {**dict.fromkeys(PROBES[path].words, question), **identity(attacked, twin, caller)}
        for caller in CALLERS
        for question in questions
    ]

    alone = [answered(attacked, path, arguments) for arguments in calls]
    other = plant(attacked, mark)
    insert_documents(attacked, other.tenant, [f"{text} {number}" for text in texts for number in range(20)])
    attacked.run("f/chatbot/embed", tenant_id=other.tenant.id).done()
    with unchanged(attacked, other):
        beside = in_parallel([partial(call, attacked, other, path, arguments) for arguments in calls])

    assert [(told.status, without_uuids(told.whole)) for told in beside] == alone
    assert all("drachmas" in answer for _, answer in alone[::2]), "nothing was found, so it proves nothing"


def answered(installation: Installation, path: str, arguments: Json) -> tuple[int, str]:
    """Call, and return the status and the answer without the ids that are new for each call."""
    reply = (installation.flow if path in FLOWS else installation.run)(path, **arguments)
    return reply.status, without_uuids(reply.text)


@pytest.mark.parametrize("path", FOR_MEMBERS)
def test_a_token_of_another_tenant_is_no_way_in_beside_ones_own_arguments(
    attacked: Installation, other: OtherTenant, path: str
) -> None:
    """And what was taken from it is worth what a made-up one is. Who has one and nothing else is its member."""
    twin, token = new_twin(attacked), other.values["<token>"]
    forged = {**other.nobodys(), "<token>": f"{token.partition('.')[0]}.{'A' * 43}"}
    made_up = {**other.nobodys(), "<token>": f"{'e30' * 40}.{'A' * 43}"}
    calls = [
        {**enough(path, 1, 1, str(uuid.uuid4())), **identity(attacked, twin, caller), "session_token": "<token>"}
        for caller in CALLERS
        if caller != "a token"
    ]
    with unchanged(attacked, other, but=BOOKKEEPING):
        for arguments in calls:
            assert call(attacked, other, path, filled(arguments, other.values)).status == 403
    with unchanged(attacked, other):
        for arguments in calls:
            told = [call(attacked, other, path, filled(arguments, values)) for values in (forged, made_up)]
            assert told[0] == told[1]
            assert told[0].status == 401


@pytest.mark.parametrize("path", FOR_MEMBERS)
def test_a_member_is_nobody_in_another_tenant(attacked: Installation, other: OtherTenant, path: str) -> None:
    twin = new_twin(attacked)
    with unchanged(attacked, other, but=BOOKKEEPING):  # the tenant's log says that somebody has tried
        for kind, member in twin.types.items():
            arguments = {
                **enough(path, 1, 1, str(uuid.uuid4())),
                "tenant_id": other.tenant.id,
                "user_member_id": member,
            }
            told = call(attacked, other, path, arguments)
            assert (told.status, "There is no such member." in told.answer) == (404, True), kind


@pytest.mark.parametrize("path", OF_A_TENANT)
def test_a_tenant_that_does_not_exist_is_found_by_no_script_or_flow(attacked: Installation, path: str) -> None:
    run = attacked.flow if path in FLOWS else attacked.run
    with nothing_changes(attacked):
        reply = run(path, tenant_id=str(uuid.uuid4()), **enough(path, 1, 1, str(uuid.uuid4())))
    assert reply.refused(404, "not_found") == "There is no such tenant."


@pytest.mark.parametrize("path", WITHOUT_PARAMETERS)
def test_what_works_for_all_tenants_tells_of_none_and_changes_only_what_is_due(
    attacked: Installation, other: OtherTenant, path: str
) -> None:
    with unchanged(attacked, other):
        assert call(attacked, other, path, {}).status == 200


def test_embedding_for_all_tenants_tells_of_none(attacked: Installation, other: OtherTenant) -> None:
    with unchanged(attacked, other):
        assert call(attacked, other, "f/chatbot/embed", {"all_tenants": True}).status == 200


def test_an_operator_is_told_that_a_slug_is_taken_and_nothing_of_whose_it_is(
    attacked: Installation, other: OtherTenant
) -> None:
    with unchanged(attacked, other):
        told = call(attacked, other, "f/operations/create_tenant", {"name": "A", "slug": other.values["<slug>"]})
    assert told.status == 409


def test_a_token_of_another_tenant_is_not_revoked(attacked: Installation, other: OtherTenant) -> None:
    twin = new_twin(attacked)
    with unchanged(attacked, other):
        for member in (twin.adult, other.tenant.adult):
            arguments = {"tenant_id": twin.id, "user_member_id": member, "session_token": other.values["<token>"]}
            assert call(attacked, other, "f/operations/revoke_session_token", arguments).status == 422
    attacked.run("f/chatbot/search", query="harbour", session_token=other.values["<token>"]).done()


def test_what_was_taken_from_a_receipt_of_another_tenant_is_worth_what_a_made_up_one_is(
    attacked: Installation, other: OtherTenant
) -> None:
    """Who holds the receipt itself is told whether it is true, and what it says."""
    receipt = str(other.values["<receipt>"])
    forged = [f"{receipt.partition('.')[0]}.{'A' * 43}", f"{receipt}A", f"e30.{receipt.partition('.')[2]}", "a.b"]
    with unchanged(attacked, other):
        told = [call(attacked, other, "f/operations/check_receipt", {"receipt": one}) for one in forged]
        assert attacked.run("f/operations/check_receipt", receipt=receipt).data["known"] is True
    assert {one.answer for one in told} == {told[0].answer}
    assert '"valid":false' in told[0].answer


def test_an_archive_of_another_tenant_becomes_a_tenant_of_its_own(attacked: Installation, other: OtherTenant) -> None:
    """Whoever imports it holds all of it; the tenant that it is of neither changes nor meets it."""
    lines = attacked.run("f/operations/export_tenant", tenant_id=other.tenant.id).data["lines"]
    beside: Json = {"lines": lines, "tenant_id": str(uuid.uuid4()), "slug": new_mark()}
    with unchanged(attacked, other):
        for taken in ({}, {"tenant_id": other.tenant.id}, {"tenant_id": new_twin(attacked).id}):
            attacked.run("f/operations/import_tenant", lines=lines, slug=new_mark(), **taken).refused(409, "conflict")
        assert call(attacked, other, "f/operations/import_tenant", beside).status == 200
    for table in ("documents", "document_chunks", "family_members"):
        met = attacked.query(
            f"SELECT 1 FROM {table} WHERE tenant_id = %s AND id IN (SELECT id FROM {table} WHERE tenant_id = %s)",
            (beside["tenant_id"], other.tenant.id),
        )
        assert met == [], table
