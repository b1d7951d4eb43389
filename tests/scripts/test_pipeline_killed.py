"""The way of a file, killed at random moments again and again: the same database in the end, and the same usage.

Each run is a flow of its own in a tenant of its own, killed once. A kill is SIGKILL for the job's process and all of
its children: either the flow's step is repeated by Windmill then, or the flow is canceled and nobody repeats it, so
that what it held is taken up by the backlog, or by its caller who hands the file in once more. The moments are spread
over the time that an undisturbed run takes beside as many others, however quick the machine is.
"""

import contextlib
import io
import os
import random
import signal
import time
import zipfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.conftest import InstallationMaker
from tests.scripts.test_parse_file import encoded
from tests.support.cloud import Cloud, cloud_of, in_parallel
from tests.support.installation import Installation, Json, Tenant
from tests.support.patience import wait_until

FLOW, BACKLOG = "f/chatbot/ingest_file", "f/operations/embed_backlog"
KILLS = 100
AT_ONCE = 6
WORDS = ("roof", "garden", "boiler", "excess", "theft", "euros", "school", "letter", "warranty", "harbour", "dues")


def essay(seed: int, paragraphs: int) -> str:
    """Write a text of some chunks that is like no other."""
    chance = random.Random(seed)
    parts = [f"# Essay {seed}"]
    for number in range(paragraphs):
        parts.append(f"## Part {number}\n\n" + " ".join(chance.choice(WORDS) for _ in range(150)) + ".")
    return "\n\n".join(parts)


def pdf(pages: int) -> bytes:
    """Make a PDF of some pages."""
    canvas = pytest.importorskip("reportlab.pdfgen.canvas")
    whole = io.BytesIO()
    paper = canvas.Canvas(whole, invariant=1)
    for page in range(pages):
        for line, words in enumerate(essay(100 + page, 2).split("\n")):
            for piece in range(0, len(words), 80):
                paper.drawString(60, 780 - 14 * (line * 3 + piece // 80), words[piece : piece + 80])
        paper.showPage()
    paper.save()
    return whole.getvalue()


def archive() -> bytes:
    """Make a ZIP of a text, a PDF and a file that cannot be read."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("letters/essay.md", essay(7, 3))
        packed.writestr("paper.pdf", pdf(2))
        packed.writestr("broken.docx", b"PK\x03\x04 and then nothing of a document")
    return whole.getvalue()


@pytest.fixture(scope="module")
def files() -> dict[str, bytes]:
    return {"archive.zip": archive(), "paper.pdf": pdf(3), "essay.md": essay(1, 5).encode()}


@pytest.fixture(scope="module")
def cloud(make_installation: InstallationMaker) -> Iterator[Cloud]:
    """An installation of its own, because the backlog is everybody's; unmeasured, because it runs a thousand jobs."""
    with cloud_of(make_installation(measured=False)) as cloud:
        cloud.reset()
        settings = cloud.settings()
        # A token costs a whole millionth, so that costs add up however the texts are put together for a call.
        settings["embed"]["usd_per_million_input_tokens"] = 1
        cloud.installation.set_ai_settings(settings)
        yield cloud


def begin(installation: Installation, tenant: Tenant, name: str, content: bytes) -> str:
    """Hand a file in, as its caller does, and return the job."""
    return installation.start(FLOW, "f", tenant_id=tenant.id, content_base64=encoded(content), file_name=name)


def ended(installation: Installation, tenant: Tenant, name: str, content: bytes) -> float:
    """Run a file's flow to its end, and return how long it took."""
    begun = time.monotonic()
    outcome = installation.wait(begin(installation, tenant, name, content), seconds=300)
    assert outcome["success"] is True, outcome
    return time.monotonic() - begun


def processes_of_jobs() -> list[int]:
    """List the processes that this process has started, directly or not, and that run in the directory of a job."""
    found = []
    for entry in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if entry.name.isdecimal() and "/jobs/" in str((entry / "cwd").readlink()) and _is_ours(int(entry.name)):
                found.append(int(entry.name))
    return found


def _is_ours(pid: int) -> bool:
    """Tell whether a process descends from this one."""
    while pid > 1:
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        if pid == os.getpid():
            return True
    return False


def kill_processes() -> int:
    """Kill what runs in the directories of jobs, with all children, and return how many jobs that were."""
    pids = processes_of_jobs()
    jobs = set()
    for pid in pids:
        with contextlib.suppress(OSError):
            jobs.add(Path(f"/proc/{pid}/cwd").readlink())
            os.kill(pid, signal.SIGKILL)
    return len(jobs)


def expire_leases(installation: Installation) -> None:
    """Let the time pass for which a killed run's work is held: from when the server, too, is done with the run."""
    wait_until(lambda: not installation.query(_CONNECTED))
    for table in ("files", "documents"):
        installation.query(
            f"UPDATE {table} SET lease_until = now() - interval '1 second', next_attempt_at = NULL"
            " WHERE status IN ('queued', 'processing')"
        )


def work_off(installation: Installation) -> None:
    """Run the backlog's flow as its schedule does, until nothing waits."""
    for _ in range(5):
        if installation.run("f/operations/find_backlog").data["tenants"] == 0:
            return
        assert installation.flow(BACKLOG).body["success"] is True
        expire_leases(installation)
    raise AssertionError("something waits for ever")


_CONNECTED = """
SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND application_name = 'family-brain'
"""
_STATE = {
    "files": """
        SELECT f.name, whole.name AS whole, f.media_type, f.size_bytes, f.sha256, f.title, f.page_count, f.warnings,
               f.status, f.step, f.percent, f.failure_code, f.failure_reason, f.content IS NULL AS no_content,
               f.parsed IS NULL AS no_text, f.lease_holder, f.next_attempt_at, d.content_hash AS document,
               f.completed_at IS NULL AS unfinished
        FROM files AS f LEFT JOIN files AS whole ON whole.id = f.parent_id
        LEFT JOIN documents AS d ON d.id = f.document_id
        WHERE f.tenant_id = %s ORDER BY f.name""",
    "documents": """
        SELECT title, content, content_hash, category, visibility, tags, language, status, media_type, page_count,
               chunk_count, word_count, embedding::text, embedding_model, failure_code, failure_reason, lease_holder,
               next_attempt_at, version, completed_at IS NULL AS unfinished
        FROM documents WHERE tenant_id = %s ORDER BY content_hash""",
    "chunks": """
        SELECT d.content_hash, c.ordinal, c.start_offset, c.end_offset, c.page, c.heading, c.content, c.token_count,
               c.words::text, c.word_count, c.embedding::text, c.embedding_model
        FROM document_chunks AS c JOIN documents AS d ON d.id = c.document_id
        WHERE c.tenant_id = %s ORDER BY d.content_hash, c.ordinal""",
    "words": """
        SELECT d.content_hash, c.ordinal, to_jsonb(w) - ARRAY['tenant_id', 'document_id', 'chunk_id'] AS word
        FROM chunk_words AS w JOIN document_chunks AS c ON c.id = w.chunk_id JOIN documents AS d ON d.id = c.document_id
        WHERE w.tenant_id = %s ORDER BY 1, 2, 3""",
    "bands": """
        SELECT d.content_hash, b.band FROM document_bands AS b JOIN documents AS d ON d.id = b.document_id
        WHERE b.tenant_id = %s ORDER BY 1, 2""",
    "usage": """
        SELECT operation, model, sum(input_tokens) AS input, sum(output_tokens) AS output, sum(searches) AS searches,
               sum(cost_microusd) AS cost
        FROM api_usage WHERE tenant_id = %s GROUP BY operation, model ORDER BY 1, 2""",
}


def state_of(installation: Installation, tenant: Tenant) -> dict[str, list[Json]]:
    """Return all that a tenant has, apart from ids and times."""
    return {name: installation.query(statement, (tenant.id,)) for name, statement in _STATE.items()}


def calls_of(installation: Installation, tenant: Tenant) -> int:
    return len(installation.query("SELECT 1 FROM api_usage WHERE tenant_id = %s", (tenant.id,)))


def test_whenever_the_way_of_a_file_is_killed_the_database_and_the_usage_are_those_of_an_undisturbed_run(
    cloud: Cloud, files: dict[str, bytes]
) -> None:
    installation, chance = cloud.installation, random.Random(11)
    names = [*files] * (AT_ONCE // len(files))
    undisturbed = {name: installation.new_tenant() for name in files}
    in_parallel([partial(ended, installation, tenant, name, files[name]) for name, tenant in undisturbed.items()])
    runners = [partial(ended, installation, installation.new_tenant(), name, files[name]) for name in names]
    seconds = max(in_parallel(runners, AT_ONCE))
    expected = {name: state_of(installation, tenant) for name, tenant in undisturbed.items()}
    assert all(state["documents"] and state["chunks"] and state["words"] for state in expected.values())
    assert len(expected["archive.zip"]["files"]) == 4

    kills, runs = 0, list[tuple[str, Tenant]]()
    while kills < KILLS:
        begun = [(name, installation.new_tenant()) for name in names]
        is_repeated = len(runs) % (2 * AT_ONCE) == 0
        job_of = {t.id: begin(installation, t, name, files[name]) for name, t in begun}
        time.sleep(chance.uniform(0, seconds))
        if is_repeated:
            kills += kill_processes()  # Windmill repeats the steps
        else:
            for _, tenant in begun:
                job = installation.job(job_of[tenant.id])
                kills += not job.get("success") and job["type"] != "CompletedJob"
                installation.cancel(job_of[tenant.id])
        for _, tenant in begun:
            installation.wait(job_of[tenant.id], seconds=300)
        expire_leases(installation)
        again = [
            (name, tenant)
            for name, tenant in begun
            # Who got no answer hands the file in again, if it did not arrive; half of the others do so too.
            if not installation.query("SELECT 1 FROM files WHERE tenant_id = %s", (tenant.id,)) or chance.random() < 0.3
        ]
        in_parallel([partial(ended, installation, tenant, name, files[name]) for name, tenant in again], AT_ONCE)
        runs += begun
        work_off(installation)

    for name, tenant in runs:
        found = state_of(installation, tenant)
        for part, rows in expected[name].items():
            assert found[part] == rows, (name, part)
        assert 1 <= calls_of(installation, tenant) <= calls_of(installation, undisturbed[name])
    assert processes_of_jobs() == []
