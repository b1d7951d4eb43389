"""``_ENTRYPOINT_OVERRIDE``: whatever a caller can name instead of ``main`` gives nothing and does nothing."""

import importlib
import inspect
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tests.attacks.hostile import REPOSITORY, leaks, nothing_changes
from tests.conftest import NOT_MEASURED
from tests.support.cloud import in_parallel, send
from tests.support.installation import Installation, Tenant

SCRIPTS = sorted(str(path.relative_to(REPOSITORY).with_suffix("")) for path in REPOSITORY.glob("f/*/*.py"))
RUNNABLE = [path for path in SCRIPTS if not path.startswith("f/core/")]
SHARED = [path for path in SCRIPTS if path.startswith("f/core/")]
SECRETS = ("$var:f/chatbot/postgres_password", "$var:f/chatbot/session_signing_keys", "$res:f/operations/postgres_db")
PREPROCESSED = ("f/chatbot/serve_calendar_feed",)
ALL_IN_ONE = Path(__file__).with_name("call_everything.py")


def module_of(path: str) -> Any:
    return importlib.import_module(path.replace("/", "."))


def callables(path: str) -> list[str]:
    """List the names of a file that can be called: its own functions and classes, and those that it imports."""
    return [name for name, value in vars(module_of(path)).items() if not name.startswith("__") and callable(value)]


def offered(tenant: Tenant) -> dict[str, Any]:
    """Give values for the names of parameters that functions have; ``*`` is for every other."""
    return {
        "tenant_id": tenant.id,
        "wanted_tenant": tenant.id,
        "tenant": tenant.id,
        "user_member_id": tenant.admin,
        "member_id": tenant.admin,
        "member": tenant.admin,
        "claimed_type": "system",
        "resource": "f/operations/postgres_db",
        "path": "f/chatbot/session_signing_keys",
        "limit": 10,
        "expires": 2_000_000_000,
        "now": 0,
        "keys": ["guessed-key-that-is-long-enough-for-it"],
        "settings": {"host": "127.0.0.1", "dbname": "postgres", "user": "postgres"},
        "statement": "DELETE FROM documents",
        "texts": ["a"],
        "question": "What is the password?",
        "*": "f/chatbot/postgres_db",
    }


def hostile_arguments(function: Any, tenant: Tenant, secret: str) -> dict[str, Any]:
    """Give a function arguments of the kinds it takes, with a reference to a secret wherever a text may stand."""
    arguments: dict[str, Any] = {}
    try:
        parameters = inspect.signature(function).parameters
    except (TypeError, ValueError):
        return {}
    for name, parameter in parameters.items():
        kind = str(parameter.annotation)
        if any(word in kind for word in ("list", "Sequence", "Iterable", "tuple")):
            arguments[name] = [secret]
        elif any(word in kind for word in ("dict", "Mapping", "Json")):
            arguments[name] = {"a": secret, "event_id": secret, "model": secret}
        elif "int" in kind or "float" in kind:
            arguments[name] = offered(tenant).get(name, 1_000)
        else:
            arguments[name] = secret
    return arguments


@pytest.fixture(scope="module")
def tenant(installation: Installation) -> Tenant:
    """A tenant with something in it that could be told, removed or changed."""
    made = installation.new_tenant()
    installation.add_document(made, "The code of the safe is KX-4711.", "Safe", visibility="admins_only")
    return made


def call(installation: Installation, path: str, override: str, arguments: dict[str, Any]) -> tuple[str, str]:
    return f"{path}:{override}", send(installation, path, {**arguments, "_ENTRYPOINT_OVERRIDE": override}).text


def test_no_name_of_a_script_but_main_gives_or_does_anything(installation: Installation, tenant: Tenant) -> None:
    # Each function or class once, by the first script that imports it: an imported one gets no arguments anyway.
    names = {
        getattr(module_of(path), name): (path, name) for path in reversed(RUNNABLE) for name in callables(path)
        if name != "main"
    }  # fmt: skip
    jobs = []
    for (function, (path, name)), secret in zip(names.items(), SECRETS * len(names), strict=False):
        arguments = {**offered(tenant), **hostile_arguments(function, tenant, secret)}
        jobs.append(partial(call, installation, path, name, arguments))
    assert len(jobs) > 40
    with nothing_changes(installation):
        for called, text in in_parallel(jobs):
            assert leaks(installation, text) == [], called
            assert "KX-4711" not in text, called


def test_a_script_defines_main_and_nothing_else_that_can_be_called() -> None:
    """Windmill reads the parameters from the file: a function of the file itself would be given arguments."""
    for path in RUNNABLE:
        module = module_of(path)
        own = [name for name in callables(path) if getattr(getattr(module, name), "__module__", "") == module.__name__]
        functions = [name for name in own if inspect.isfunction(getattr(module, name))]
        assert functions == (["preprocessor", "main"] if path in PREPROCESSED else ["main"]), path


@pytest.mark.parametrize("path", PREPROCESSED)
def test_a_preprocessor_gives_back_nothing_that_windmill_has_put_in(installation: Installation, path: str) -> None:
    """It is called before ``main`` looks whether an argument names a secret, and by whoever names it."""
    secrets = (*SECRETS, "$WM_TOKEN", ["$var:f/chatbot/postgres_password"], {"a": "$var:f/chatbot/postgres_password"})
    events: list[object] = [
        {"kind": "http", part: {"secret": secret}, "secret": secret}
        for part in ("params", "body", "query", "headers")
        for secret in secrets
    ]
    jobs = [
        partial(call, installation, path, "preprocessor", {"event": event})
        for event in (*events, *secrets, [*events], None, {"params": [secrets]})
    ]
    for called, text in in_parallel(jobs):
        assert leaks(installation, text) == [], called
        assert text == '{"secret":""}', called


@pytest.mark.parametrize("path", SHARED)
def test_a_shared_module_cannot_be_run_by_its_path(installation: Installation, tenant: Tenant, path: str) -> None:
    module = module_of(path)
    own = [name for name in callables(path) if getattr(getattr(module, name), "__module__", "") == module.__name__]
    names = [*[name for name in own if inspect.isfunction(getattr(module, name))][:1], "main"]
    jobs = [
        partial(call, installation, path, name, hostile_arguments(getattr(module, name, None), tenant, secret))
        for name, secret in zip(names, SECRETS * 2, strict=False)
    ]
    for called, text in in_parallel(jobs):
        assert leaks(installation, text) == [], called
        assert '"error"' in text, f"{called} was run: {text}"


def test_behind_that_refusal_no_name_of_any_module_reaches_a_secret_or_the_database(
    installation: Installation, tenant: Tenant
) -> None:
    stack = installation.stack
    environment = {
        **os.environ, "BASE_INTERNAL_URL": stack.base_url, "WM_BASE_URL": stack.base_url, "WM_TOKEN": stack.token,
        "WM_WORKSPACE": stack.workspace, "WM_JOB_ID": "00000000-0000-0000-0000-000000000000",
        "WM_JOB_PATH": "f/chatbot/search",
    }  # fmt: skip
    modules = [path.replace("/", ".") for path in SCRIPTS]
    command = [sys.executable, str(ALL_IN_ONE), json.dumps(modules), json.dumps(offered(tenant))]

    with nothing_changes(installation):
        done = subprocess.run(
            command, env={**environment, **NOT_MEASURED, "PYTHONPATH": str(REPOSITORY)}, cwd=REPOSITORY,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    assert done.returncode == 0, done.stderr[-2000:]
    calls = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(calls) > 600
    for one in calls:
        assert leaks(installation, one["text"]) == [], one
        assert "KX-4711" not in one["text"], one


@pytest.mark.parametrize(
    ("path", "override"),
    [
        ("f/chatbot/chat", "main.__globals__.copy"),
        ("f/chatbot/chat", "main.__wrapped__"),
        ("f/chatbot/chat", "main()"),
        ("f/chatbot/chat", "main or print"),
        ("f/chatbot/chat", "lambda: 1"),
        ("f/chatbot/chat", "a b"),
        ("f/chatbot/report_failure", "json.decoder.scanner.re.enum.sys.modules.copy"),
        ("f/core/job", "os.environ.copy"),
    ],
)
def test_a_name_that_is_no_plain_identifier_is_refused(installation: Installation, path: str, override: str) -> None:
    reply = installation.run(path, _ENTRYPOINT_OVERRIDE=override)

    assert reply.status == 400, reply.text
    assert leaks(installation, reply.text) == []


def test_a_name_of_python_itself_gives_nothing(installation: Installation) -> None:
    for override in ("__dict__", "__builtins__", "__loader__", "__spec__", "__getattr__", "eval", "exit"):
        reply = installation.run("f/chatbot/chat", _ENTRYPOINT_OVERRIDE=override)
        assert reply.status in (400, 422), override
        assert leaks(installation, reply.text) == [], override
