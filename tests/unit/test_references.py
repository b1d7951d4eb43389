"""References to secrets in arguments, as they stand in the job's record: what is refused, and what is a text."""

import pytest
import wmill

from f.core.errors import InvalidArgument
from f.core.job import check_arguments

REFUSED = {
    "a variable": "$var:f/chatbot/postgres_password",
    "a resource": "$res:f/chatbot/postgres_db",
    "a variable as JSON": "$jsonvar:f/chatbot/postgres_db",
    "what is encrypted": "$encrypted:AAAA",
    "in a list": ["a", "$var:a"],
    "in an object": {"a": "$res:a"},
    "deep inside": {"a": [{"b": {"c": ["$var:a"]}}]},
    "in parts": {"$interpolate": ["a", {"$var": "f/chatbot/postgres_password"}]},
    "in parts, deep inside": [{"a": {"$interpolate": []}}],
    "the job's own token beside a word that makes Windmill look": {"a": "$WM_TOKEN", "b": "see $var: for more"},
}
TAKEN = {
    "a text that mentions one": "Write $var:f/a/b to read a variable.",
    "a price": "$5",
    "a name with a dollar": "$WM_TOKEN",
    "a number": 7,
    "nothing": None,
    "an object of texts": {"a": ["b $res: c", {"d": ""}]},
}


@pytest.fixture(autouse=True)
def _job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WM_JOB_ID", "this-job")
    for name in ("WM_FLOW_JOB_ID", "WM_FLOW_STEP_ID"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize("how", REFUSED)
def test_a_reference_is_refused_wherever_it_stands(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(wmill, "get_job", lambda _: {"args": {"title": "T", "unknown": REFUSED[how]}})

    with pytest.raises(InvalidArgument, match="must not begin with"):
        check_arguments()


@pytest.mark.parametrize("how", TAKEN)
def test_a_text_is_a_text(monkeypatch: pytest.MonkeyPatch, how: str) -> None:
    monkeypatch.setattr(wmill, "get_job", lambda _: {"args": {"title": "T", "content": TAKEN[how]}})

    assert check_arguments() == "this-job"
