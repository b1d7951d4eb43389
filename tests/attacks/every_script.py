"""Every script and flow of the repository with its parameters, so that what is new is attacked or fails a test."""

from pathlib import Path
from typing import Any

import yaml

Json = dict[str, Any]

REPOSITORY = Path(__file__).resolve().parents[2]
NOBODYS_UUID = "6f1c7d52-0c5e-4a53-9d0b-2f4f2a7c8b11"


def _schema(file: Path) -> Json:
    """Read the parameters of a script or flow, as the form knows them."""
    return dict(yaml.safe_load(file.read_text(encoding="utf-8"))["schema"]["properties"])


SCRIPTS: dict[str, Json] = {
    str(file.relative_to(REPOSITORY)).removesuffix(".script.yaml"): _schema(file)
    for folder in ("chatbot", "operations")
    for file in sorted((REPOSITORY / "f" / folder).glob("*.script.yaml"))
}
"""Parameters of each script, by its path."""

FLOWS: dict[str, Json] = {
    f"f/{file.parent.relative_to(REPOSITORY / 'flows').as_posix()}": _schema(file)
    for file in sorted((REPOSITORY / "flows").rglob("flow.yaml"))
}
"""Parameters of each flow, by its path."""

IDENTITY = ("tenant_id", "user_member_id", "user_member_type", "session_token")
"""By which callers of members' scripts say who they are."""

MEMBER_SCRIPTS = tuple(path for path, parameters in SCRIPTS.items() if parameters.keys() >= set(IDENTITY))
MEMBER_FLOWS = tuple(path for path, parameters in FLOWS.items() if parameters.keys() >= set(IDENTITY))

ENOUGH: dict[str, Json] = {
    "f/chatbot/ingest": {"title": "Title", "content": "Some text."},
    "f/chatbot/embed": {"document_id": 1},
    "f/chatbot/parse_file": {"content_base64": "U29tZSB0ZXh0Lg==", "file_name": "text.txt"},
    "f/chatbot/prepare_files": {"files": []},
    "f/chatbot/report_files": {"batch": "b", "names": [], "outcomes": []},
    "f/chatbot/get_ingest_status": {},
    "f/chatbot/retry_document": {"document_id": 1},
    "f/chatbot/search": {"query": "text"},
    "f/chatbot/chat": {"question": "What?"},
    "f/chatbot/log_usage": {"event_id": "e", "operation": "chat", "model": "offline-sentences"},
    "f/chatbot/delete_document": {"document_id": 1},
    "f/chatbot/get_document": {"document_id": 1},
    "f/chatbot/list_documents": {},
    "f/chatbot/update_document": {"document_id": 1, "version": 1},
    "f/chatbot/restore_document": {"document_id": 1},
    "f/chatbot/list_versions": {"document_id": 1},
    "f/chatbot/compare_versions": {"document_id": 1, "version": 1},
    "f/chatbot/restore_version": {"document_id": 1, "version": 1, "current_version": 1},
    "f/chatbot/find_duplicates": {"document_id": 1},
    "f/chatbot/related_documents": {"document_id": 1},
    "f/chatbot/list_tags": {},
    "f/chatbot/suggest_tags": {"document_id": 1},
    "f/chatbot/suggest_category": {"document_id": 1},
    "f/chatbot/read_session": {"session_id": NOBODYS_UUID},
    "f/chatbot/find_dates": {"document_id": 1},
    "f/chatbot/list_expiring": {},
    "f/chatbot/read_audit_log": {},
    "f/chatbot/report_failure": {
        "flow": "f", "step": "s", "name": "n", "message": "m", "extra": {"http_status": 400, "error_code": "x"},
    },
    "f/chatbot/create_calendar_feed": {},
    "f/chatbot/revoke_calendar_feed": {"feed_id": NOBODYS_UUID},
    "f/chatbot/read_calendar_feed": {"secret": "fbc_"},
    "f/chatbot/serve_calendar_feed": {"secret": "fbc_"},
    "f/operations/report_deliveries": {"email": {}, "webhook": {}, "notices": {}},
    "f/operations/create_tenant": {"name": "Name", "slug": "never-made"},
    "f/operations/add_member": {"name": "Name", "member_type": "adult", "email": "a@example.org"},
    "f/operations/change_member": {"user_member_id": 1, "name": "Name"},
    "f/operations/remove_member": {"user_member_id": 1},
    "f/operations/issue_session_token": {"user_member_id": 1},
    "f/operations/revoke_session_token": {"user_member_id": 1},
    "f/operations/set_limits": {},
    "f/operations/change_tenant": {"language": "english"},
    "f/operations/erase_tenant": {"confirm_slug": "never-made"},
    "f/operations/erase_member": {"user_member_id": 1},
    "f/operations/check_receipt": {"receipt": "e30.AAAA"},
    "f/operations/export_tenant": {},
    "f/operations/import_tenant": {
        "lines": '{"format": "family-brain-export", "version": 1, '
        f'"tenant": "{NOBODYS_UUID}", "archive": "{NOBODYS_UUID}"}}\n'
    },
    "f/operations/find_orphans": {},
    "f/operations/reembed": {},
    "f/operations/work_off_files": {},
    "f/operations/report_clean_up": {"documents": {}, "sessions": {}, "requeued": {}, "indexes": {}, "orphans": {}},
    "f/chatbot/ingest_document": {"title": "Title", "content": "Some text."},
    "f/chatbot/ingest_file": {"content_base64": "U29tZSB0ZXh0Lg==", "file_name": "text.txt"},
    "f/chatbot/ingest_files": {"files": []},
    "f/chatbot/answer_question": {"question": "What?"},
    "f/chatbot/change_document": {"document_id": 1, "version": 1},
}  # fmt: skip
"""Arguments with which each script and flow that takes any would do its work, or finds nothing; the tenant is added."""


def taking_arguments(items: dict[str, Json]) -> list[str]:
    """List the paths of scripts or flows that take any argument."""
    return [path for path, parameters in items.items() if parameters]
