"""What callers send wrongly: each is refused with a sentence and a word, and leaves nothing behind.

A script's cases are checked in one test, several at a time, because each costs a process; a failure lists all that
were treated wrongly.
"""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest

from tests.attacks.every_script import ENOUGH, MEMBER_SCRIPTS, SCRIPTS, taking_arguments
from tests.conftest import InstallationMaker
from tests.support.cloud import in_parallel, row_counts, send
from tests.support.installation import Installation, Json, Reply, Tenant

LONE_SURROGATE = "\ud800"
NO_TENANT = "00000000-0000-4000-8000-000000000000"
LONG_TEXT = "x" * 1_000_000
HUGE = 10**30
OMITTED = object()
WRONG_FOR_TEXT: tuple[object, ...] = (7, 1.5, True, ["a"], {"a": 1})
WRONG_FOR_NUMBER: tuple[object, ...] = ("7", 1.5, True, [7], {"a": 7}, HUGE, -1)
NOT_A_TEXT = WRONG_FOR_TEXT[::3]
NOT_A_NUMBER = ("7", True, -1)
WRONG_FOR_FLAG: tuple[object, ...] = ("true", 1, [True])
WRONG_FOR_LIST: tuple[object, ...] = ("a", 7, True, {"a": 1})
UNSTORABLE = ("a\0b", f"a{LONE_SURROGATE}b")
NOT_ONE_LINE = ("a\nb", "a\x07b", "a\u2028b")


@dataclass(frozen=True)
class Case:
    """One argument, what is sent in it, and how that is refused."""

    argument: str
    value: object
    status: int = 422
    code: str = "invalid_argument"

    def change(self, good: Json) -> Json:
        """Put the wrong value among good ones."""
        if self.value is OMITTED:
            return {name: value for name, value in good.items() if name != self.argument}
        return {**good, self.argument: self.value}

    def problem(self, reply: Reply) -> str | None:
        """Say what is wrong with how it was answered."""
        if reply.status == 400 and LONE_SURROGATE in repr_of(self.value):
            return None  # refused before the script: no JSON text in UTF-8 can hold it
        body = reply.body if isinstance(reply.body, dict) else {}
        sentence = body.get("error")
        right = (
            reply.status == self.status
            and body.get("success") is False
            and body.get("data") is None
            and body.get("error_code") == self.code
            and isinstance(sentence, str)
            and sentence.endswith(".")
            and (self.status in (401, 404) or self.argument.removesuffix("s") in sentence)
        )
        return None if right else f"{self.argument}={str(self.value)[:60]!a}: {reply.status} {reply.text[:300]}"


def repr_of(value: object) -> str:
    """Write a value with its characters as they are."""
    return json.dumps(value, ensure_ascii=False) if value is not OMITTED else ""


def refusals(argument: str, values: tuple[object, ...]) -> list[Case]:
    return [Case(argument, value) for value in values]


def required(argument: str, kind: tuple[object, ...] = NOT_A_TEXT) -> list[Case]:
    return refusals(argument, (OMITTED, None, "", *kind))


def too_large(argument: str, value: object) -> Case:
    return Case(argument, value, 413, "too_large")


def one_line(argument: str, longest: int) -> list[Case]:
    return [*refusals(argument, (*UNSTORABLE, *NOT_ONE_LINE)), too_large(argument, "x" * (longest + 1))]


def optional_name(argument: str, longest: int) -> list[Case]:
    return [*refusals(argument, (7, ["a"], UNSTORABLE[0], NOT_ONE_LINE[0])), too_large(argument, "x" * (longest + 1))]


IDENTITY = [
    *refusals("tenant_id", (OMITTED, "not-an-id")),
    Case("tenant_id", NO_TENANT, 404, "not_found"),
    *refusals("user_member_id", ("7",)),
    *refusals("user_member_type", ("system",)),
    Case("session_token", "not.a-token", 401, "unauthorized"),
]
WHOLE_IDENTITY = [
    *required("tenant_id", (7, ["a"], {"a": 1}, "not-an-id", "a\0b", LONG_TEXT)),
    Case("tenant_id", NO_TENANT, 404, "not_found"),
    *refusals("user_member_id", WRONG_FOR_NUMBER),
    *refusals("user_member_type", ("owner", "system", 3, ["admin"])),
    Case("session_token", "not.a-token", 401, "unauthorized"),
    Case("session_token", "%%%.\u00e9", 401, "unauthorized"),
    *refusals("session_token", (7, ["a"])),
    too_large("session_token", LONG_TEXT),
]
UNKNOWN_MEMBER = Case("user_member_id", 2_147_483_647, 404, "not_found")

INGEST = [
    *IDENTITY,
    *required("title", WRONG_FOR_TEXT),
    *one_line("title", 500),
    too_large("title", LONG_TEXT),
    *refusals("title", ("   ", "\u2003")),
    *required("content", (7, 1.5, True, ["a"], {"a": 1}, "  \n\t\f ")),
    *refusals("content", UNSTORABLE),
    *optional_name("category", 100),
    *refusals("visibility", ("public", "Everyone", 7, True, ["everyone"], {"a": 1})),
    *refusals("assigned_to", (*WRONG_FOR_NUMBER, 0)),
    *refusals("tags", (*WRONG_FOR_LIST, [7], [None], [""], ["a\0b"], [LONE_SURROGATE], [["a"]])),
    too_large("tags", ["x" * 51]),
    too_large("tags", [f"t{n}" for n in range(51)]),
    *refusals("expires_at", (7, True, ["2027-01-31"], "soon", "2027-02-30", "9999-12-31T23:59:59-14:00", "a\0b")),
    *refusals("expires_at", ("9999-12-31", "1899-12-31", "0001-01-01T00:00:00Z")),
    *refusals("language", ("klingon", 7, True, ["english"], "pg_catalog.english")),
    *optional_name("source", 200),
    *refusals("source_url", (7, ["a"], "javascript:alert(1)", "ftp://example.org", "http://a b", "https://a\nb")),
    too_large("source_url", "https://example.org/" + "x" * 2_000),
    *refusals("metadata", ("a", 7, True, ["a"], {"a": "b\0"}, {"\0": 1}, {"a": [LONE_SURROGATE]})),
    too_large("metadata", {"a": "x" * 20_000}),
    *optional_name("idempotency_key", 200),
    *refusals("file_id", (*NOT_A_NUMBER, 0, 7)),
]

FILE = [
    *(case for case in INGEST if case.argument not in ("title", "content")),
    *optional_name("title", 500),
    *refusals("content_base64", (OMITTED, None, 7, ["a"], "!", "YWI=YQ==")),
    Case("content_base64", "", 422, "empty"),
    *refusals("s3_object", ({"s3": "a"}, "a", 7)),
    *refusals("url", ("https://example.org/a.pdf", 7)),
    *refusals("file_id", (*NOT_A_NUMBER, 0, 7)),
    *one_line("file_name", 500),
    *refusals("file_name", (7, ["a"])),
    *optional_name("batch", 200),
]

SEARCH = [
    *WHOLE_IDENTITY,
    *required("query", WRONG_FOR_TEXT),
    *refusals("query", (*UNSTORABLE, "   ")),
    too_large("query", "x" * 4_001),
    too_large("query", LONG_TEXT),
    *optional_name("category", 100),
    *refusals("tags", (*WRONG_FOR_LIST, [7], [""])),
    too_large("tags", [f"t{n}" for n in range(51)]),
    *refusals("tags_match", ("none", 7, ["any"])),
    *refusals("assigned_to", (*NOT_A_NUMBER, 0)),
    *refusals("created_from", ("yesterday", 7, ["2027-01-31"])),
    *refusals("created_to", ("2027-13-01", True)),
    *refusals("expiring_before", ("2027-01-31T25:00", {"a": 1})),
    *optional_name("source", 200),
    *refusals("document_ids", (*WRONG_FOR_LIST, ["1"], [1.5], [True], [-1], [0], [HUGE], [[1]], [None])),
    too_large("document_ids", list(range(1, 1_002))),
    *refusals("limit", (*WRONG_FOR_NUMBER, 0, 101)),
    *refusals("offset", (*NOT_A_NUMBER, 10_001)),
    *refusals("rerank", WRONG_FOR_FLAG),
]

CHAT = [
    *IDENTITY,
    *required("question"),
    *refusals("question", (*UNSTORABLE, " \n ")),
    too_large("question", "x" * 4_001),
    too_large("question", LONG_TEXT),
    *refusals("session_id", (7, True, ["a"], "not-an-id", "a\0b")),
    Case("session_id", NO_TENANT, 404, "not_found"),
    *refusals("stream", WRONG_FOR_FLAG),
    *refusals("chunk_ids", ("a", 7, ["1"], [0], [HUGE])),
    too_large("chunk_ids", list(range(1, 1_002))),
    *refusals("category", (7, "a\0b")),
    *refusals("tags", ("a", [7])),
    *refusals("document_ids", ("a", [1.5])),
]

EMBED = [
    *IDENTITY,
    *refusals("document_id", (*NOT_A_NUMBER, 0)),
    Case("document_id", 2_147_483_647, 404, "not_found"),
    *refusals("all_tenants", (*WRONG_FOR_FLAG, True)),
    *refusals("limit", (*NOT_A_NUMBER, 0, 100_001)),
]

LOG_USAGE = [
    *IDENTITY,
    *required("event_id"),
    *one_line("event_id", 200),
    *refusals("operation", (OMITTED, None, "", "delete", 7, ["chat"])),
    *required("model"),
    *one_line("model", 200),
    Case("model", "gpt-unheard-of"),
    *refusals("input_tokens", (*WRONG_FOR_NUMBER, 1_000_000_001)),
    *refusals("output_tokens", NOT_A_NUMBER),
    *refusals("searches", NOT_A_NUMBER),
    *refusals("events", ("a", 7, True, {"a": 1}, [7], ["a"], [None], [[]], [{}])),
    too_large("events", [{}] * 10_001),
    *refusals("document", ("a", 7, True, ["a"], {}, {"document_id": "7"}, {"document_id": True})),
    Case("document", {"document_id": 2_147_483_647}, 404, "not_found"),
]

DELETE_DOCUMENT = [
    *IDENTITY,
    *required("document_id", (*NOT_A_NUMBER, 0, HUGE)),
    Case("document_id", 2_147_483_647, 404, "not_found"),
]

SUGGESTING = [
    *IDENTITY,
    *refusals("document_id", (OMITTED, *NOT_A_NUMBER, 0, HUGE)),
    Case("document_id", 2_147_483_647, 404, "not_found"),
    *optional_name("title", 500),
    *refusals("content", (7, ["a"], "Beside a document.", *UNSTORABLE)),
    *refusals("limit", (*NOT_A_NUMBER, 0, 21)),
    *refusals("use_model", WRONG_FOR_FLAG),
]

VERSION = required("version", (*NOT_A_NUMBER, 0, HUGE))

UPDATE_DOCUMENT = [
    *DELETE_DOCUMENT,
    *VERSION,
    *one_line("title", 500),
    *refusals("content", (7, 1.5, True, ["a"], {"a": 1}, *UNSTORABLE)),
    *optional_name("category", 100),
    *refusals("tags", (*WRONG_FOR_LIST, [7], [""], ["a\0b"])),
    too_large("tags", ["x" * 51]),
    *refusals("visibility", ("public", 7, ["everyone"])),
    *refusals("assigned_to", (*WRONG_FOR_NUMBER, 0)),
    *refusals("title", ("   ",)),
    *refusals("content", (" \n",)),
    *refusals("expires_at", (7, "soon", "2027-02-30", "9999-12-31")),
    *refusals("language", ("klingon", 7, ["english"])),
    *refusals("clear", (*WRONG_FOR_LIST, [7], ["title"], ["content"], ["visibility"], [""], [["tags"]])),
]

LIST_DOCUMENTS = [
    *IDENTITY,
    *optional_name("category", 100),
    *refusals("tags", (*WRONG_FOR_LIST, [7], [""])),
    too_large("tags", [f"t{n}" for n in range(51)]),
    *refusals("tags_match", ("none", 7, ["any"])),
    *refusals("assigned_to", (*NOT_A_NUMBER, 0)),
    *refusals("created_by", (*NOT_A_NUMBER, 0)),
    *refusals("visibility", ("public", 7, ["everyone"])),
    *refusals("status", ("done", 7, ["failed"])),
    *optional_name("media_type", 200),
    *optional_name("title", 500),
    *refusals("created_from", ("yesterday", 7, ["2027-01-31"])),
    *refusals("created_to", ("2027-13-01", True)),
    *refusals("expiring_from", ("soon", 7)),
    *refusals("expiring_before", ("2027-01-31T25:00", {"a": 1})),
    *refusals("deleted", WRONG_FOR_FLAG),
    *refusals("sort", ("content", 7, ["title"], "title; DROP TABLE documents")),
    *refusals("order", ("up", 7, ["asc"])),
    *refusals("facets", WRONG_FOR_FLAG),
    *refusals("limit", (*WRONG_FOR_NUMBER, 0, 101)),
    *refusals("cursor", (7, ["a"], "not-a-cursor", "e30", "\u03b1")),
    too_large("cursor", LONG_TEXT),
]

READ_SESSION = [
    *IDENTITY,
    *required("session_id", (7, True, ["a"], "not-an-id", "a\0b")),
    Case("session_id", NO_TENANT, 404, "not_found"),
    *refusals("limit", (*NOT_A_NUMBER, 0, 101)),
    *refusals("before", (*NOT_A_NUMBER, 0, 2**53)),
]

READ_AUDIT_LOG = [
    *IDENTITY,
    *optional_name("action", 100),
    *refusals("acted_by", (*NOT_A_NUMBER, 0)),
    *refusals("since", ("yesterday", 7)),
    *refusals("limit", (*NOT_A_NUMBER, 0, 501)),
    *refusals("before", ("not-an-id", 7, ["a"])),
]

NAME = [*required("name"), *one_line("name", 200), too_large("name", LONG_TEXT), *refusals("name", ("  ",))]
NEW_NAME = [*refusals("name", (7, ["a"], UNSTORABLE[0], NOT_ONE_LINE[0])), too_large("name", "x" * 201)]
TENANT = [*required("tenant_id", (7, ["a"], "not-an-id")), Case("tenant_id", NO_TENANT, 404, "not_found")]
MEMBER = [
    *required("user_member_id", ("7", True, HUGE, 0)),
    Case("user_member_id", 2_147_483_647, 404, "not_found"),
]
DAYS = [
    *refusals("date_order", ("dmy", 7, ["day_first"])),
    *refusals("time_zone", ("Atlantis", "europe/athens", "UTC+3", "../UTC", 7, ["UTC"], "Factory\0")),
]
BAD_SLUGS = ("Upper", "with space", "-a", "a-", "a_b", "\u03b1", "a\n", "a\0")

CASES: dict[str, list[Case]] = {
    "f/chatbot/ingest": INGEST,
    "f/chatbot/search": SEARCH,
    "f/chatbot/chat": CHAT,
    "f/chatbot/embed": EMBED,
    "f/chatbot/log_usage": LOG_USAGE,
    "f/chatbot/parse_file": FILE,
    "f/chatbot/prepare_files": [
        *IDENTITY, *required("files", (*WRONG_FOR_LIST, ["a"], [None])), too_large("files", [{}] * 1_001),
        *optional_name("batch", 200), *refusals("parallel_limit", (*NOT_A_NUMBER, 0, 9)),
    ],
    "f/chatbot/report_files": [
        *IDENTITY, *required("batch"), too_large("batch", LONG_TEXT), *refusals("names", ("a", ["a"], None)),
        *refusals("outcomes", ("a", [{}], None)),
    ],
    "f/chatbot/get_ingest_status": [
        *IDENTITY, *refusals("file_id", (*NOT_A_NUMBER, 0)), Case("file_id", 2_147_483_647, 404, "not_found"),
        *refusals("document_id", (*NOT_A_NUMBER, 0)), Case("document_id", 2_147_483_647, 404, "not_found"),
        *optional_name("batch", 200), *refusals("before", (7, "soon", "2026-01-01|file|0", "|file|1")),
        too_large("before", LONG_TEXT), *refusals("limit", (*NOT_A_NUMBER, 0, 201)),
        *refusals("documents", WRONG_FOR_LIST),
    ],
    "f/chatbot/retry_document": [*DELETE_DOCUMENT, *refusals("file_id", (*NOT_A_NUMBER, 0, 7))],
    "f/operations/work_off_files": [*refusals("limit", (*WRONG_FOR_NUMBER, 0, 10_001))],
    "f/chatbot/create_calendar_feed": IDENTITY,
    "f/chatbot/revoke_calendar_feed": [
        *IDENTITY, *refusals("feed_id", (7, "no-id")), Case("feed_id", NO_TENANT, 404, "not_found"),
        *refusals("member_id", (*NOT_A_NUMBER, 0, HUGE)),
    ],
    "f/chatbot/read_calendar_feed": [Case("secret", value, 404, "not_found") for value in (OMITTED, None, 7, "x")],
    "f/chatbot/serve_calendar_feed": [Case("secret", value, 404, "not_found") for value in (OMITTED, None, 7, "x")],
    "f/chatbot/delete_document": DELETE_DOCUMENT,
    "f/chatbot/restore_document": DELETE_DOCUMENT,
    "f/chatbot/update_document": UPDATE_DOCUMENT,
    "f/chatbot/list_documents": LIST_DOCUMENTS,
    "f/chatbot/get_document": [
        *DELETE_DOCUMENT, *refusals("version", (*NOT_A_NUMBER, 0)), *refusals("page", (*NOT_A_NUMBER, 0)),
        *refusals("offset", (*NOT_A_NUMBER, 50_000_001)), *refusals("limit", (*NOT_A_NUMBER, 0, 1_000_001)),
    ],
    "f/chatbot/list_versions": [
        *DELETE_DOCUMENT, *refusals("limit", (*NOT_A_NUMBER, 0, 101)), *refusals("before", (*NOT_A_NUMBER, 0)),
    ],
    "f/chatbot/compare_versions": [
        *DELETE_DOCUMENT, *VERSION, *refusals("other_version", (*NOT_A_NUMBER, 0)),
        *refusals("limit", (*NOT_A_NUMBER, 0, 1_001)),
    ],
    "f/chatbot/restore_version": [
        *DELETE_DOCUMENT, *VERSION, *required("current_version", (*NOT_A_NUMBER, 0, HUGE)),
    ],
    "f/chatbot/find_duplicates": [*DELETE_DOCUMENT, *refusals("limit", (*NOT_A_NUMBER, 0, 21))],
    "f/chatbot/related_documents": [
        *DELETE_DOCUMENT, *refusals("limit", (*NOT_A_NUMBER, 0, 51)), *refusals("near_duplicates", WRONG_FOR_FLAG),
    ],
    "f/chatbot/list_tags": [
        *IDENTITY, *optional_name("prefix", 50), *optional_name("after", 50),
        *refusals("limit", (*NOT_A_NUMBER, 0, 501)),
    ],
    "f/chatbot/suggest_tags": SUGGESTING,
    "f/chatbot/suggest_category": SUGGESTING,
    "f/chatbot/read_session": READ_SESSION,
    "f/chatbot/read_audit_log": READ_AUDIT_LOG,
    "f/chatbot/find_dates": [
        *IDENTITY,
        *refusals("document_id", (OMITTED, *NOT_A_NUMBER, 0)),
        Case("document_id", 2_147_483_647, 404, "not_found"),
        *refusals("text", ("Valid until 2027-01-31.", 7, ["a"], *UNSTORABLE)),
        too_large("text", LONG_TEXT + "x"),
        *refusals("kinds", (*WRONG_FOR_LIST, ["birth"], [7], [["expiry"]])),
    ],
    "f/chatbot/list_expiring": [
        *IDENTITY,
        *refusals("within_days", (*WRONG_FOR_NUMBER, 36_501)),
        *refusals("include_expired", WRONG_FOR_FLAG),
        *refusals("limit", (*NOT_A_NUMBER, 0, 201)),
        *refusals("cursor", (7, ["a"], "not-a-cursor", "e30=", "WzEsMl0=", "\u03b1")),
        too_large("cursor", LONG_TEXT),
    ],
    "f/operations/change_tenant": [
        *TENANT, *NEW_NAME, *refusals("language", (OMITTED, None, "klingon", 7)),
        *refusals("retention_days", (*NOT_A_NUMBER, 3_651)), *refusals("admins_see_private", WRONG_FOR_FLAG),
        *DAYS,
    ],
    "f/operations/create_tenant": [
        *NAME,
        *required("slug"),
        *refusals("slug", BAD_SLUGS),
        too_large("slug", "a" * 64),
        *refusals("kind", ("club", 7, ["family"])),
        *refusals("language", ("klingon", 7)),
        *refusals("retention_days", (*NOT_A_NUMBER, 3_651)),
        *refusals("admins_see_private", (*WRONG_FOR_FLAG, 0)),
        *DAYS,
    ],
    "f/operations/add_member": [
        *TENANT,
        *NAME,
        *refusals("member_type", (OMITTED, None, "", "owner", "system", 7, ["admin"])),
        *refusals("email", (7, ["a"], "nobody", "a@", "@b", "a b@c", "a@b\n@c", "a@b\0")),
        too_large("email", "x" * 320 + "@example.org"),
    ],
    "f/operations/change_member": [
        *TENANT, *MEMBER, *NEW_NAME, *refusals("name", (OMITTED, None, "")),
        *refusals("member_type", ("owner", "system", 7, ["admin"])),
        *refusals("notice_channels", (*WRONG_FOR_LIST, ["sms"], [7], [["email"]])),
    ],
    "f/operations/remove_member": [*TENANT, *MEMBER],
    "f/operations/issue_session_token": [
        *TENANT, *MEMBER, *refusals("valid_seconds", (*NOT_A_NUMBER, 59, 30 * 86_400 + 1)),
    ],
    "f/operations/revoke_session_token": [
        *TENANT, *MEMBER, *refusals("session_token", (7, ["a"], "a\0b")), too_large("session_token", LONG_TEXT),
        Case("session_token", "not.a-token", 401, "unauthorized"),
    ],
    "f/operations/set_limits": [
        *TENANT,
        *[
            case
            for name in SCRIPTS["f/operations/set_limits"].keys() - {"tenant_id"}
            for case in refusals(name, (*WRONG_FOR_NUMBER, 0))
        ],
    ],
    "f/operations/erase_tenant": [
        *TENANT, *required("confirm_slug"), too_large("confirm_slug", "a" * 64),
        Case("confirm_slug", "another-slug", 409, "conflict"),
    ],
    "f/operations/erase_member": [*TENANT, *MEMBER],
    "f/operations/check_receipt": [
        *required("receipt"), *refusals("receipt", ("a\nb",)), too_large("receipt", LONG_TEXT),
    ],
    "f/operations/export_tenant": [
        *TENANT, *refusals("cursor", (7, ["a"], "not-a-cursor", "e30", "\u03b1")), too_large("cursor", LONG_TEXT),
        *refusals("maximum_bytes", (*NOT_A_NUMBER, 0, 50_000_001)),
    ],
    "f/operations/import_tenant": [
        *required("lines"),  # what stands in them is told by its line
        *refusals("tenant_id", (7, ["a"], "not-an-id")), *NEW_NAME,
        *refusals("slug", (7, *BAD_SLUGS)), too_large("slug", "a" * 64),
    ],
    "f/operations/reembed": [
        *refusals("tenant_id", ("x", 7, ["a"])),
        *refusals("limit", (0, 10_000_001, *WRONG_FOR_NUMBER)),
        Case("tenant_id", NO_TENANT, 404, "not_found"),
    ],
    "f/operations/find_orphans": [*refusals("repair", WRONG_FOR_FLAG), *refusals("thorough", WRONG_FOR_FLAG)],
}  # fmt: skip
TAKE_ANYTHING = {"f/chatbot/report_failure", "f/operations/report_clean_up", "f/operations/report_deliveries"}
"""Scripts that only hand on what they are given."""


@pytest.fixture(scope="module")
def installation(make_installation: InstallationMaker) -> Installation:
    """One whose jobs are not measured, and quicker: each case takes one."""
    return make_installation(measured=False)


@pytest.fixture(scope="module")
def tenant(installation: Installation) -> Tenant:
    tenant = installation.new_tenant()
    installation.add_document(tenant, "The bins are emptied on Tuesday.", "Bins")
    return tenant


def refuse_all(installation: Installation, tenant: Tenant, path: str, good: Json, cases: list[Case]) -> None:
    before = row_counts(installation, tenant.id)
    replies = in_parallel([partial(send, installation, path, case.change(good)) for case in cases])
    problems = [problem for case, reply in zip(cases, replies, strict=True) if (problem := case.problem(reply))]

    assert problems == [], "\n".join(problems)
    assert row_counts(installation, tenant.id) == before


def good_arguments(path: str, tenant: Tenant) -> Json:
    """Give arguments with which a script does its work, or finds nothing."""
    own: Json = {"tenant_id": tenant.id, "user_member_id": tenant.adult}
    own = {name: value for name, value in own.items() if name == "tenant_id" or path.startswith("f/operations/")}
    return {**ENOUGH[path], **{name: value for name, value in own.items() if name in SCRIPTS[path]}}


def test_every_parameter_of_every_script_has_bad_values() -> None:
    for path in taking_arguments(SCRIPTS):
        if path not in TAKE_ANYTHING:
            assert {case.argument for case in CASES[path]} == set(SCRIPTS[path]), path


@pytest.mark.parametrize("path", CASES)
def test_a_script_refuses_each_bad_argument_and_changes_nothing(
    installation: Installation, tenant: Tenant, path: str
) -> None:
    tenants = installation.query("SELECT count(*) AS n FROM tenants")

    refuse_all(installation, tenant, path, good_arguments(path, tenant), CASES[path])

    assert installation.query("SELECT count(*) AS n FROM tenants") == tenants


@pytest.mark.parametrize("path", MEMBER_SCRIPTS)
def test_a_member_who_does_not_exist_is_not_found_by_any_script(
    installation: Installation, tenant: Tenant, path: str
) -> None:
    refuse_all(installation, tenant, path, good_arguments(path, tenant), [UNKNOWN_MEMBER])


@pytest.mark.parametrize(
    ("script", "argument", "value"),
    [
        ("ingest", "visibility", False),
        ("ingest", "visibility", []),
        ("ingest", "language", {}),
        ("search", "tags_match", 0),
        ("search", "offset", False),
        ("chat", "session_id", 0),
        ("chat", "stream", []),
        ("embed", "all_tenants", {}),
        ("log_usage", "input_tokens", []),
    ],
)
def test_an_empty_value_of_a_wrong_type_is_not_taken_as_missing(
    installation: Installation, tenant: Tenant, script: str, argument: str, value: Any
) -> None:
    path = f"f/chatbot/{script}"

    refuse_all(installation, tenant, path, good_arguments(path, tenant), [Case(argument, value)])


def test_a_body_that_is_no_json_is_refused_before_any_script_runs(installation: Installation, tenant: Tenant) -> None:
    for body in (
        f'{{"tenant_id": "{tenant.id}", "query": "bins", "limit": NaN}}',
        f'{{"tenant_id": "{tenant.id}", "query": "bins", "limit": -Infinity}}',
        f'{{"tenant_id": "{tenant.id}", "query": "bins"',
    ):
        assert send(installation, "f/chatbot/search", body).status == 400, body


def test_a_number_too_large_for_any_type_is_refused(installation: Installation, tenant: Tenant) -> None:
    body = f'{{"tenant_id": "{tenant.id}", "query": "bins", "limit": 1e999}}'

    assert send(installation, "f/chatbot/search", body).status in (400, 422)
    body = f'{{"tenant_id": "{tenant.id}", "title": "a", "content": "b", "metadata": {{"a": -1e999}}}}'
    reply = send(installation, "f/chatbot/ingest", body)

    assert reply.status in (400, 422)
    assert reply.status == 400 or reply.body["error_code"] == "invalid_argument", reply.text


def test_arguments_that_no_script_knows_are_dropped(installation: Installation, tenant: Tenant) -> None:
    extra = {"colour": "red", "caller": 1, "member_type": "admin", "sight": 3, "wm_status_code": 500, "": None}

    found = installation.run("f/chatbot/search", tenant_id=tenant.id, query="bins", **extra).data
    assert [hit["title"] for hit in found["documents"]] == ["Bins"]
