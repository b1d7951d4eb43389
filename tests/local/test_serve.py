"""``make serve``: it says what it is, its lines work when pasted, and it ends cleanly whatever happens."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil  # type: ignore[import-untyped]  # ships no types
import pytest

from local.database import EmbeddedPostgres, free_port
from local.settings import Credentials, SettingsIncomplete, ai_settings
from tests.local.conftest import is_gone
from tests.support.patience import PROMPTLY_SECONDS

REPOSITORY = Path(__file__).resolve().parents[2]


class Serve:
    """One run of the command."""

    def __init__(self, home: Path, port: int, **environment: str) -> None:
        kept = {name: value for name, value in os.environ.items() if name != "AI_PROVIDER"}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "local.serve"],
            cwd=REPOSITORY,
            env={**kept, "LOCAL_HOME": str(home), "PORT": str(port), **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started: list[psutil.Process] = []

    def welcome(self) -> str:
        """Read what it prints until it is ready."""
        assert self.process.stdout is not None
        lines = []
        for line in self.process.stdout:
            lines.append(line)
            if line.startswith("Ctrl-C"):
                return "".join(lines)
        raise AssertionError("".join(lines) + self.process.communicate()[1])

    def end(self, number: signal.Signals) -> int:
        """Send a signal and give the exit status; what it had started until then is kept in ``started``."""
        self.started = psutil.Process(self.process.pid).children(recursive=True)
        self.process.send_signal(number)
        self.process.communicate(timeout=30)
        return self.process.returncode


def _left_running(home: Path, serve: Serve | None = None) -> list[str]:
    """List what a run has started, and what works in the directory; they get a moment to notice an owner's death."""
    deadline = time.monotonic() + PROMPTLY_SECONDS
    while True:
        found = [" ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])]
        left = [one for one in found if str(home) in one]
        if serve is not None:
            left += [str(one) for one in serve.started if not is_gone(one)]
        if not left or time.monotonic() > deadline:
            return left
        time.sleep(0.05)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("served")
    yield made
    EmbeddedPostgres(made / "postgres").remove()


def test_the_printed_lines_work_when_pasted(home: Path) -> None:
    port = free_port()
    serve = Serve(home, port, COHERE_API_KEY="not-a-key")
    text = serve.welcome()
    assert "never the engine in production" in text
    assert "AI_PROVIDER=cloud" in text
    assert "not-a-key" not in text
    lines = text[text.index("BASE=") : text.index("Ctrl-C")]
    pasted = subprocess.run(["bash", "-e", "-c", lines], capture_output=True, text=True, timeout=60, check=True)
    assert re.search(r"tenant [0-9a-f-]{36}\nmember \d+\n", pasted.stdout)
    assert pasted.stdout.count('"success": true') + pasted.stdout.count('"success":true') >= 4
    assert "300 euro" in pasted.stdout
    assert '"new_result_stream"' in pasted.stdout
    assert '"error":{' not in pasted.stdout.replace('"error": {', '"error":{')
    second = Serve(home, free_port())
    output, errors = second.process.communicate(timeout=30)
    assert (second.process.returncode, "in use by process" in errors) == (1, True), output
    assert serve.end(signal.SIGINT) == 0
    assert _left_running(home, serve) == []


def test_a_killed_run_leaves_nothing_and_the_next_one_goes_on(home: Path) -> None:
    port = free_port()
    serve = Serve(home, port, WM_TOKEN="another")
    serve.welcome()
    preview = f"http://127.0.0.1:{port}/api/w/family-brain/jobs/run/preview"
    endless = {"content": "import time\ndef main():\n    print('running')\n    time.sleep(600)\n"}
    job_id = httpx.post(preview, json=endless, headers={"Authorization": "Bearer another"}).text
    log = preview.replace("jobs/run/preview", f"jobs_u/get_logs/{job_id}?token=another")
    while "running" not in httpx.get(log).text:
        time.sleep(0.05)
    assert serve.end(signal.SIGKILL) == -signal.SIGKILL
    assert len(serve.started) > 3
    assert _left_running(home, serve) == []
    port = free_port()
    again = Serve(home, port, WM_TOKEN="another")
    again.welcome()
    url = f"http://127.0.0.1:{port}/api/w/family-brain/jobs/run_wait_result/p/f/operations/check_health"
    health = httpx.post(url, json={}, headers={"Authorization": "Bearer another"}, timeout=30)
    assert health.json()["data"]["status"] == "ok"
    assert httpx.post(url, json={}, headers={"Authorization": "Bearer local"}).status_code == 401
    assert again.end(signal.SIGTERM) == 0
    assert _left_running(home, again) == []


def test_a_taken_port_is_told(home: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        _, errors = Serve(home, port).process.communicate(timeout=30)
    assert f"Port {port} on 127.0.0.1 is taken" in errors
    assert "Traceback" not in errors
    assert _left_running(home) == []


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"PORT": "eighty"}, "PORT is 'eighty'"),
        ({"AI_PROVIDER": "cloud", "COHERE_API_KEY": "", "GROQ_API_KEY": "g"}, "needs COHERE_API_KEY"),
    ],
)
def test_a_wrong_environment_is_told(home: Path, environment: dict[str, str], told: str) -> None:
    serve = Serve(home, free_port(), **environment)
    _, errors = serve.process.communicate(timeout=30)
    assert (serve.process.returncode, told in errors, "Traceback" in errors) == (1, True, False), errors


def test_providers_are_chosen_by_the_environment() -> None:
    template = {"provider": "cloud", "embed": {"model": "e"}, "chat": {"model": "c"}}
    assert ai_settings({}, template)["provider"] == "offline"
    cloud = {"AI_PROVIDER": "cloud", "COHERE_API_KEY": "c", "GROQ_API_KEY": "g"}
    assert ai_settings(cloud, template) == template
    own = {"AI_PROVIDER": "openai_compatible", "AI_BASE_URL": "http://127.0.0.1:1/v1"}
    with pytest.raises(SettingsIncomplete, match="AI_EMBED_MODEL and AI_CHAT_MODEL"):
        ai_settings(own, template)
    chosen = ai_settings({**own, "AI_EMBED_MODEL": "e1", "AI_CHAT_MODEL": "c1"}, template)
    assert (chosen["embed"]["model"], chosen["chat"]["base_url"]) == ("e1", "http://127.0.0.1:1/v1")
    with pytest.raises(SettingsIncomplete, match="AI_PROVIDER is 'magic'"):
        ai_settings({"AI_PROVIDER": "magic"}, template)


def test_secrets_are_drawn_once_and_kept_private(tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    drawn = Credentials.kept_in(file)
    assert Credentials.kept_in(file) == drawn
    assert file.stat().st_mode & 0o777 == 0o600
    assert drawn.app_password not in repr(drawn)
    assert Credentials() != drawn
