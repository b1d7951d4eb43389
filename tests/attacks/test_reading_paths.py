"""Every way of reading, for every kind of member and every visibility: what is not for them is as if it did not exist.

Who may see what is written down once, in ``reading_stage.may``; each test compares one way of reading with it, for
documents of one's own and of others, in a tenant whose admins see private documents and in one where they do not.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

import httpx
import pytest

from tests.attacks.every_script import SCRIPTS
from tests.attacks.other_tenant import NOBODYS, masked, without
from tests.attacks.reading_stage import SHARED, Paper, Stage, Viewer, converse, may, may_delete, set_stage, store
from tests.conftest import InstallationMaker
from tests.support.cloud import COHERE_KEY, GROQ_KEY, cloud_of, in_parallel
from tests.support.installation import Installation, Json, Reply, autocommit_cursor

READING = {
    "f/chatbot/search": "passages, totals, filters",
    "f/chatbot/chat": "answers, citations, what was said before",
    "f/chatbot/read_session": "conversations with their citations",
    "f/chatbot/read_audit_log": "the log, for admins",
    "f/chatbot/ingest": "whether the same text is there",
    "f/chatbot/embed": "a document's status",
    "f/chatbot/log_usage": "a document's status",
    "f/chatbot/delete_document": "whether there is such a document",
    "f/chatbot/restore_document": "whether there is such a document, deleted or not",
    "f/chatbot/update_document": "whether there is such a document, and another with the same text",
    "f/chatbot/get_document": "a document, and what it was",
    "f/chatbot/list_documents": "lists of documents, their totals and facets",
    "f/chatbot/list_versions": "what a document was",
    "f/chatbot/compare_versions": "what differs between what it was and what it is",
    "f/chatbot/restore_version": "whether there is such a version",
    "f/chatbot/find_duplicates": "titles, and texts where they differ",
    "f/chatbot/related_documents": "titles, tags, categories",
    "f/chatbot/list_tags": "tags and how many documents have them",
    "f/chatbot/suggest_tags": "tags, and which documents have them",
    "f/chatbot/suggest_category": "categories, and which documents have them",
    "f/chatbot/find_dates": "a document's dates",
    "f/chatbot/read_calendar_feed": "titles, categories and when they expire",
    "f/chatbot/serve_calendar_feed": "the same",
    "f/chatbot/list_expiring": "titles and when they expire",
    "f/chatbot/parse_file": "whether the same file is there",
    "f/chatbot/get_ingest_status": "how far files and documents are, and their names",
    "f/chatbot/report_files": "how many files of a batch are how far",
    "f/chatbot/retry_document": "whether there is such a file or document",
}
NOT_READING = {
    "f/chatbot/create_calendar_feed": "it makes an address; what is read there is below",
    "f/chatbot/revoke_calendar_feed": "it ends one, and looks at feeds alone",
    "f/chatbot/report_failure": "it looks nothing up",
    "f/chatbot/prepare_files": "it looks at its arguments alone",
}
"""A new script of members belongs into one of the two, and into a test below if it reads."""

WORDS, MISSPELT = "harbour mooring paper", "harbourx mooringx paperx lighthousex keeperx sailorsx"


@pytest.fixture(scope="module")
def staged(make_installation: InstallationMaker) -> Installation:
    """An installation of its own, because some scripts work for all tenants."""
    return make_installation(measured=False)


@pytest.fixture(scope="module", params=[True, False], ids=["admins see private", "admins do not see private"])
def unembedded(staged: Installation, request: pytest.FixtureRequest) -> Stage:
    return set_stage(staged, admins_see_private=request.param)


@pytest.fixture(scope="module")
def stage(unembedded: Stage) -> Stage:
    """The same when its documents have their vectors."""
    unembedded.installation.run("f/chatbot/embed", tenant_id=unembedded.tenant.id).done()
    return unembedded


def test_every_script_of_members_is_known_to_read_or_not() -> None:
    assert {path for path in SCRIPTS if path.startswith("f/chatbot/")} == READING.keys() | NOT_READING.keys()


def found(reply: Reply) -> set[int]:
    return {hit["document_id"] for hit in reply.data["documents"]}


def check_searches(stage: Stage, query: str, viewer: Viewer, **more: object) -> None:
    """Search in every way, and compare hits, snippets, totals, pages and filters with what may be seen."""
    visible = stage.visible(viewer)
    run = partial(stage.installation.run, "f/chatbot/search", query=query, **viewer.identity, **more)
    mine = {paper.id for paper in stage.papers if paper.assigned_to == viewer.member} & visible
    filters: list[tuple[Json, set[int]]] = [
        ({}, visible),
        ({"category": SHARED["category"], "source": SHARED["source"], "expiring_before": "2101-01-01"}, visible),
        ({"tags": [paper.word for paper in stage.papers]}, visible),
        ({"document_ids": [paper.id for paper in stage.papers]}, visible),
        ({"tags": [paper.word for paper in stage.papers if paper.id not in visible] or ["none"]}, set()),
        ({"document_ids": [paper.id for paper in stage.papers if paper.id not in visible]}, set()),
        ({"assigned_to": viewer.member or NOBODYS}, mine),
    ]
    for chosen, expected in filters:
        reply = run(limit=100, **chosen)
        assert found(reply) == expected, (viewer, chosen)
        assert (reply.data["total"], reply.data["has_more"]) == (len(expected), False), (viewer, chosen)
        assert set(reply.data["chunk_ids"]) <= {paper.chunk for paper in stage.papers if paper.id in expected}
        assert stage.told(viewer, reply.text) == [], (viewer, chosen)
    first = run(limit=1).data
    assert (len(first["documents"]), first["total"], first["has_more"]) == (1, len(visible), len(visible) > 1), viewer
    beyond = run(limit=1, offset=len(visible)).data
    assert (beyond["documents"], beyond["total"], beyond["has_more"]) == ([], len(visible), False), viewer


def test_a_search_by_words_finds_what_may_be_seen(unembedded: Stage) -> None:
    in_parallel([partial(check_searches, unembedded, WORDS, viewer) for viewer in unembedded.viewers()])


@pytest.fixture
def no_vector_too_far(staged: Installation) -> Iterator[None]:
    """Let every vector count as found: the drawn words turn one far away from the question now and then."""
    workspace = staged.stack.server.workspace
    before = workspace.resources["f/chatbot/ai_settings"]["value"]
    staged.set_ai_settings({**before, "minimum_similarity": -1})
    yield
    staged.set_ai_settings(before)


@pytest.mark.usefixtures("no_vector_too_far")
@pytest.mark.parametrize("rerank", [True, False])
def test_a_search_by_vectors_finds_what_may_be_seen(stage: Stage, rerank: bool) -> None:
    [row] = stage.installation.query(
        "SELECT count(*) AS n FROM chunk_words WHERE lexeme = ANY (tsvector_to_array(words_of('english', %s)))",
        (MISSPELT,),
    )
    assert row["n"] == 0, "it is found by words"
    in_parallel([partial(check_searches, stage, MISSPELT, viewer, rerank=rerank) for viewer in stage.viewers()])


def test_what_is_hidden_does_not_even_change_the_order_or_a_score(stage: Stage) -> None:
    """The same search while what is hidden from the viewer is deleted gives the same answer, to the letter."""
    for viewer in stage.viewers():
        hidden = [paper.id for paper in stage.papers if paper.id not in stage.visible(viewer)]
        search = partial(stage.installation.run, "f/chatbot/search", query=WORDS, limit=100, **viewer.identity)
        with_hidden = search().text
        stage.installation.query("UPDATE documents SET deleted_at = now() WHERE id = ANY (%s)", (hidden,))
        without_hidden = search().text
        stage.installation.query("UPDATE documents SET deleted_at = NULL WHERE id = ANY (%s)", (hidden,))
        assert with_hidden == without_hidden, viewer


def check_answers(stage: Stage, viewer: Viewer) -> None:
    """Ask in every way; the model is given what may be seen, and nothing else is said, cited or streamed."""
    question = {"question": "What does the harbour paper say about the mooring?", **viewer.identity}
    halves = stage.papers[::2], stage.papers[1::2]  # so many passages as a question is answered from
    for papers in halves:
        expected = stage.visible(viewer, papers)
        job = stage.installation.start(
            "f/chatbot/chat", stream=True, chunk_ids=[paper.chunk for paper in papers], **question
        )
        events = stage.installation.events(job)
        given = next(event["documents"] for event in events if event["type"] == "search")
        assert {document["document_id"] for document in given} == expected, viewer
        answer = next(event for event in events if event["type"] == "complete")
        assert answer["answered"] is bool(expected), viewer
        assert {citation["document_id"] for citation in answer["citations"]} <= expected, viewer
        assert stage.told(viewer, str(events)) == [], viewer
    for run, path in (
        (stage.installation.run, "f/chatbot/chat"), (stage.installation.flow, "f/chatbot/answer_question"),
    ):  # fmt: skip
        reply = run(path, **question)
        assert reply.data["citations"], viewer
        assert stage.told(viewer, reply.text) == [], viewer
        hidden = [paper.id for paper in stage.papers if paper.id not in stage.visible(viewer)]
        nothing = run(path, document_ids=hidden, **question).data
        assert (nothing["answered"], nothing["citations"], nothing["confidence"]) == (False, [], 0.0), viewer


def test_an_answer_and_its_citations_rest_on_what_may_be_seen(stage: Stage) -> None:
    in_parallel([partial(check_answers, stage, viewer) for viewer in stage.viewers()])


def check_conversation(
    stage: Stage, viewer: Viewer, session: str, papers: tuple[Paper, ...], *, sees_less: bool = False
) -> None:
    """Read a conversation about each document; what rests on one that may not be seen now is withheld."""
    reply = stage.installation.run("f/chatbot/read_session", session_id=session, limit=100, **viewer.identity)
    questions, answers = ([m for m in reply.data["messages"] if m["role"] == role] for role in ("user", "assistant"))
    visible = stage.visible(viewer, papers)
    assert [question["removed"] for question in questions] == [sees_less] * len(papers), viewer
    for paper, answer in zip(reversed(papers), answers, strict=True):
        [citation] = answer["citations"]
        is_read = paper.id in visible and not sees_less
        assert (answer["removed"], answer["content"] is None) == (not is_read, not is_read), (viewer, paper)
        assert not is_read or paper.word in answer["content"], (viewer, paper)
        is_cited = paper.id in visible
        assert (citation["removed"], citation["quote"]) == (not is_cited, paper.text if is_cited else None), (
            viewer,
            paper,
        )
    text = reply.text
    for paper in papers:  # the questions are one's own, and say the documents' numbers
        text = text.replace(f"number {paper.id}?", "")
    assert stage.told(viewer, text, papers) == [], viewer


def in_all_conversations(stage: Stage, sessions: dict[Viewer, str], papers: tuple[Paper, ...]) -> None:
    in_parallel([partial(check_conversation, stage, viewer, session, papers) for viewer, session in sessions.items()])


def test_an_old_conversation_shows_at_once_what_may_be_seen_now(stage: Stage) -> None:
    """After each of: a visibility is changed, documents are given to others, deleted, and restored."""
    sessions = {viewer: converse(stage, viewer) for viewer in stage.viewers()}
    query, papers = stage.installation.query, stage.papers
    in_all_conversations(stage, sessions, papers)
    after = {"everyone": "adults_only", "adults_only": "admins_only", "admins_only": "everyone", "private": "private"}
    changed = tuple(replace(paper, visibility=after[paper.visibility]) for paper in papers)
    members = [*stage.tenant.types.values()]
    given = tuple(
        replace(paper, assigned_to=members[(members.index(paper.assigned_to or 0) + 1) % 4]) for paper in papers
    )
    try:
        for state in (changed, given):
            for paper in state:
                query(
                    "UPDATE documents SET visibility = %s, assigned_to = %s WHERE id = %s",
                    (paper.visibility, paper.assigned_to, paper.id),
                )
            in_all_conversations(stage, sessions, state)
    finally:
        for paper in papers:
            query(
                "UPDATE documents SET visibility = %s, assigned_to = %s WHERE id = %s",
                (paper.visibility, paper.assigned_to, paper.id),
            )
    query("UPDATE documents SET deleted_at = now() WHERE tenant_id = %s", (stage.tenant.id,))
    nobodys = tuple(replace(paper, visibility="private", assigned_to=None) for paper in papers)
    blind = replace(stage, admins_see_private=False)
    in_all_conversations(blind, sessions, nobodys)
    query("UPDATE documents SET deleted_at = NULL WHERE tenant_id = %s", (stage.tenant.id,))
    in_all_conversations(stage, sessions, papers)


def test_a_member_who_is_lowered_or_removed_reads_the_less_at_once(stage: Stage) -> None:
    sessions = {viewer: converse(stage, viewer) for viewer in stage.viewers()}
    run = stage.installation.run
    for viewer, session in sessions.items():
        if viewer.member is None:
            continue
        member = {"tenant_id": stage.tenant.id, "user_member_id": viewer.member}
        for lower in ("adult", "teen"):
            if viewer.kind in ("admin", "adult") and viewer.kind != lower:
                run("f/operations/change_member", **member, member_type=lower).done()
                lowered = replace(viewer, kind=lower)
                check_conversation(stage, lowered, session, stage.papers, sees_less=True)
                check_searches(stage, WORDS, lowered)
        run("f/operations/change_member", **member, member_type=viewer.kind).done()
        check_conversation(stage, viewer, session, stage.papers)
        run("f/operations/remove_member", **member).done()
        for path in ("f/chatbot/search", "f/chatbot/chat", "f/chatbot/read_session"):
            reply = run(path, query="a", question="a", session_id=session, **viewer.identity)
            assert reply.refused(404, "not_found") == "There is no such member.", (viewer, path)
        stage.installation.query("UPDATE family_members SET removed_at = NULL WHERE id = %s", (viewer.member,))
        check_conversation(stage, viewer, session, stage.papers)


def test_a_conversation_is_its_own_members_alone(stage: Stage) -> None:
    sessions = {viewer: converse(stage, viewer) for viewer in stage.viewers()}
    calls = [
        (viewer, partial(told, stage.installation, path, {"question": "a", "session_id": session, **viewer.identity}))
        for owner, session in sessions.items()
        for viewer in sessions
        if owner != viewer
        for path in ("f/chatbot/read_session", "f/chatbot/chat")
    ]
    nobodys = [
        told(stage.installation, path, {"question": "a", "session_id": str(NOBODYS_SESSION), **viewer.identity})
        for viewer in sessions
        for path in ("f/chatbot/read_session", "f/chatbot/chat")
    ]
    assert {*in_parallel([call for _, call in calls]), *nobodys} == {nobodys[0]}
    assert nobodys[0][0] == 404


NOBODYS_SESSION = "00000000-0000-4000-8000-000000000000"


def told(installation: Installation, path: str, arguments: Json) -> tuple[int, str]:
    """Call, and return the status and the answer without ids and what the caller said."""
    reply = installation.run(path, **arguments)
    return reply.status, masked(without(reply.text, arguments))


def test_the_model_is_told_of_old_answers_what_may_be_seen_now(stage: Stage) -> None:
    with cloud_of(stage.installation) as cloud:
        before = stage.installation.stack.server.workspace.resources["f/chatbot/ai_settings"]["value"]
        cloud.reset()
        try:
            for viewer in stage.viewers():
                session = converse(stage, viewer, stage.papers[3::4])  # one of each visibility, and no more are told
                cloud.groq.requests.clear()
                stage.installation.run(
                    "f/chatbot/chat", question="And the mooring?", session_id=session, chunk_ids=[], **viewer.identity
                ).done()
                prompts = "".join(str(request.body) for request in cloud.groq.requests)
                assert any(f"It says {paper.word}" in prompts for paper in stage.papers), "no history was told"
                for paper in stage.papers:
                    prompts = prompts.replace(f"number {paper.id}?", "")
                assert stage.told(viewer, prompts) == [], viewer
                assert COHERE_KEY not in prompts
                assert GROQ_KEY not in prompts
        finally:
            stage.installation.set_ai_settings(before)


def check_again(stage: Stage, paper: Paper) -> None:
    """Store a text again as each viewer: only who may see the first one is told of it."""
    for viewer in stage.viewers():
        if not stage.concerns(paper, viewer):
            continue
        data = stage.installation.run("f/chatbot/ingest", title="Again", content=paper.text, **viewer.identity).data
        is_told = paper.id in stage.visible(viewer)
        assert data["duplicate_of"] == (paper.id if is_told else None), (viewer, paper)
        assert (data["document_id"] == paper.id) is is_told, (viewer, paper)
        if not is_told:
            stage.installation.query("DELETE FROM documents WHERE id = %s", (data["document_id"],))


def test_only_who_may_see_a_text_is_told_that_it_is_there_already(stage: Stage) -> None:
    in_parallel([partial(check_again, stage, paper) for paper in stage.papers])


def test_a_key_is_its_own_callers_alone(stage: Stage) -> None:
    run = partial(stage.installation.run, "f/chatbot/ingest", title="Key", idempotency_key="the same key")
    stored = [
        run(
            content=f"The text of {viewer.kind}.",
            visibility="private",
            assigned_to=viewer.member or stage.tenant.child,
            **viewer.identity,
        ).data
        for viewer in stage.viewers()
    ]
    assert len({data["document_id"] for data in stored}) == len(stored)
    assert [data["duplicate_of"] for data in stored] == [None] * len(stored)
    stage.installation.query("DELETE FROM documents WHERE id = ANY (%s)", ([data["document_id"] for data in stored],))


def check_status(stage: Stage, viewer: Viewer) -> None:
    """Ask for each document's status: of what may not be seen it is that of none. The back end may know all."""
    for paper in stage.papers:
        if not stage.concerns(paper, viewer):
            continue
        for path, arguments in (
            ("f/chatbot/embed", {"document_id": paper.id}),
            ("f/chatbot/log_usage", {"events": [], "document": {"document_id": paper.id}}),
            ("f/chatbot/get_ingest_status", {"document_id": paper.id}),
        ):
            reply = stage.installation.run(path, **arguments, **viewer.identity)
            if viewer.member is None or paper.id in stage.visible(viewer):
                told = reply.data["items"][0] if "items" in reply.data else reply.data
                assert (told["document_id"], told["status"]) == (paper.id, "completed"), (viewer, paper)
                assert stage.told(viewer, reply.text.replace(str(paper.id), "")) == [], (viewer, paper)
            else:
                assert reply.refused(404, "not_found") == "There is no such document.", (viewer, paper)


def test_a_documents_status_is_told_to_who_may_see_it(stage: Stage) -> None:
    in_parallel([partial(check_status, stage, viewer) for viewer in stage.viewers()])


def check_lists(stage: Stage, viewer: Viewer) -> None:
    """List all pages and facets, in a filter that fits all, and read each document with what it was."""

    def run(path: str, **arguments: object) -> Reply:
        return stage.installation.run(path, **arguments, **viewer.identity)

    visible = stage.visible(viewer)
    listed: list[int] = []
    cursor, more = None, True
    while more:
        reply = run("f/chatbot/list_documents", tags=SHARED["tags"], facets=True, limit=7, sort="title", cursor=cursor)
        assert stage.told(viewer, reply.text) == [], viewer
        listed += [document["document_id"] for document in reply.data["documents"]]
        assert reply.data["total"] == len(visible), viewer
        facets = {name: sum(item["documents"] for item in found) for name, found in reply.data["facets"].items()}
        assert facets == {**dict.fromkeys(("categories", "members", "months"), len(visible)), "tags": 2 * len(visible)}
        cursor = reply.data["next_cursor"]
        more = cursor is not None
    assert (set(listed), len(listed)) == (visible, len(visible)), viewer
    for paper in stage.papers:
        if not stage.concerns(paper, viewer):
            continue
        hidden = run("f/chatbot/list_documents", title=paper.word, deleted=paper.id not in visible)
        assert hidden.data["total"] == (paper.id in visible), (viewer, paper)
        readings: list[tuple[str, Json]] = [
            ("get_document", {}), ("list_versions", {}), ("compare_versions", {"version": 1}),
            ("get_document", {"version": 1}),
        ]  # fmt: skip
        changes: list[tuple[str, Json]] = [
            ("update_document", {"version": 1, "title": "Mine"}), ("restore_document", {}),
            ("restore_version", {"version": 1, "current_version": 1}),
        ]  # fmt: skip
        for path, arguments in readings:
            reply = run(f"f/chatbot/{path}", document_id=paper.id, **arguments)
            if paper.id in visible:
                assert path != "get_document" or reply.data["text"] == paper.text, (viewer, paper)
            else:
                assert reply.refused(404, "not_found") == "There is no such document.", (viewer, paper, path)
        if paper.id in visible or viewer.member is None:  # a back end that names nobody may change all
            continue
        for path, arguments in changes:
            reply = run(f"f/chatbot/{path}", document_id=paper.id, **arguments)
            assert reply.refused(404, "not_found") == "There is no such document.", (viewer, paper, path)


def test_documents_are_listed_and_read_by_who_may_see_them(stage: Stage) -> None:
    in_parallel([partial(check_lists, stage, viewer) for viewer in stage.viewers()])


def hand_in(stage: Stage) -> list[Paper]:
    """Hand in, as an admin, a file for each visibility and member; none can be read, and each has its word as name."""
    admin = stage.tenant.admin
    for paper in stage.papers:
        stage.installation.query(
            "INSERT INTO files (tenant_id, name, batch, size_bytes, content, visibility, assigned_to, created_by,"
            " status, failure_code) VALUES (%s, %s, 'papers', 1, '1', %s, %s, %s, 'failed', 'damaged')",
            (stage.tenant.id, paper.word, paper.visibility, paper.assigned_to, admin),
        )
    rows = stage.installation.query("SELECT id, name FROM files WHERE tenant_id = %s", (stage.tenant.id,))
    ids = {row["name"]: row["id"] for row in rows}
    return [replace(paper, id=ids[paper.word], created_by=admin) for paper in stage.papers]


def check_files(stage: Stage, viewer: Viewer, files: list[Paper]) -> None:
    """Ask for a batch, for each file, and to have each worked on again."""

    def run(path: str, **arguments: object) -> Reply:
        return stage.installation.run(path, **arguments, **viewer.identity)

    visible = stage.visible(viewer, files)
    batch = run("f/chatbot/get_ingest_status", batch="papers", limit=200)
    assert {item["file_id"] for item in batch.data["items"]} == visible, viewer
    assert batch.data["totals"]["failed"] == len(visible), viewer
    assert stage.told(viewer, batch.text, files) == [], viewer
    report = run("f/chatbot/report_files", batch="papers", names=[], outcomes=[]).data
    assert report["totals"]["failed"] == len(visible), viewer
    own = run("f/chatbot/get_ingest_status", limit=200)
    assert stage.told(viewer, own.text, files) == [], viewer
    for file in files:
        if not stage.concerns(file, viewer):
            continue
        if file.id in visible:
            assert run("f/chatbot/get_ingest_status", file_id=file.id).data["items"], (viewer, file)
            continue
        paths = ["f/chatbot/get_ingest_status"]
        if viewer.member is not None:  # a back end that names nobody works for the whole tenant
            paths += ["f/chatbot/parse_file", "f/chatbot/ingest", "f/chatbot/retry_document"]
        for path in paths:
            assert run(path, file_id=file.id).refused(404, "not_found") == "There is no such file.", (viewer, path)


def test_how_far_files_are_is_told_to_who_may_see_them(stage: Stage) -> None:
    files = hand_in(stage)
    in_parallel([partial(check_files, stage, viewer, files) for viewer in stage.viewers()])
    stage.installation.query("DELETE FROM files WHERE tenant_id = %s", (stage.tenant.id,))


def file_with(stage: Stage, creator: int | None, name: str, parent: int | None, document: int | None) -> int:
    """Put a file in that was handed in for everyone and is completed; its document may be for fewer by now."""
    [row] = stage.installation.query(
        "INSERT INTO files (tenant_id, name, batch, size_bytes, created_by, parent_id, document_id, status, step)"
        " VALUES (%s, %s, %s, 1, %s, %s, %s, 'completed', %s) RETURNING id",
        (stage.tenant.id, name, f"by {creator}", creator, parent, document, "store" if document else "parse"),
    )
    return int(row["id"])


def check_narrowed(stage: Stage, viewer: Viewer, creator: int | None, whole: int, singles: dict[int, Paper]) -> None:
    """Ask for an archive and for single files, whose documents are no longer for everyone."""

    def run(path: str, **arguments: object) -> Reply:
        return stage.installation.run(path, **arguments, **viewer.identity)

    def check(reply: Reply, told: list[Json]) -> None:
        assert {each["document_id"] for each in told} == known, (viewer, creator)
        assert {each["name"] for each in told} - {None} == names, (viewer, creator)
        assert not [paper.word for paper in stage.papers if paper.id not in visible and paper.word in reply.text]

    visible = stage.visible(viewer)
    names = {paper.word for paper in stage.papers if paper.id in visible}
    both_nobody = viewer.member is None and creator is None
    known = {paper.id for paper in stage.papers} if both_nobody else visible
    archive = run("f/chatbot/get_ingest_status", file_id=whole)
    check(archive, archive.data["items"][1:])
    assert archive.data["items"][0]["inside"]["completed"] == len(known), (viewer, creator)
    batch = run("f/chatbot/get_ingest_status", batch=f"by {creator}", limit=200)
    check(batch, [item for item in batch.data["items"] if item["file_id"] != whole])
    if creator is None or viewer.member in (None, creator):
        parsed = run("f/chatbot/parse_file", file_id=whole)
        check(parsed, parsed.data["files"])
    for file, paper in singles.items():
        if paper.id not in known and stage.concerns(paper, viewer):
            run("f/chatbot/get_ingest_status", file_id=file).refused(404, "not_found")


def test_of_files_whose_documents_became_narrower_only_who_sees_these_is_told(stage: Stage) -> None:
    ids = [paper.id for paper in stage.papers]
    for creator in (None, stage.tenant.admin):
        stage.installation.query("UPDATE documents SET created_by = %s WHERE id = ANY (%s)", (creator, ids))
        whole = file_with(stage, creator, "whole.zip", None, None)
        for paper in stage.papers:
            file_with(stage, creator, paper.word, whole, paper.id)
        singles = {file_with(stage, creator, paper.word, None, paper.id): paper for paper in stage.papers}
        in_parallel([partial(check_narrowed, stage, viewer, creator, whole, singles) for viewer in stage.viewers()])
    stage.installation.query("DELETE FROM files WHERE tenant_id = %s", (stage.tenant.id,))
    stage.installation.query("UPDATE documents SET created_by = NULL WHERE id = ANY (%s)", (ids,))


def check_dates(stage: Stage, viewer: Viewer) -> None:
    """List what expires, page by page, and look for dates in each document."""
    visible = stage.visible(viewer)
    listed: list[int] = []
    cursor, more = None, True
    while more:
        reply = stage.installation.run(
            "f/chatbot/list_expiring", within_days=36_500, limit=7, cursor=cursor, **viewer.identity
        )
        assert stage.told(viewer, reply.text) == [], viewer
        listed += [document["document_id"] for document in reply.data["documents"]]
        cursor = reply.data["next_cursor"]
        more = cursor is not None
    assert sorted(listed) == sorted(visible), viewer
    for paper in stage.papers:
        if stage.concerns(paper, viewer):
            reply = stage.installation.run("f/chatbot/find_dates", document_id=paper.id, **viewer.identity)
            if paper.id in visible:
                assert reply.data["dates"] == [], (viewer, paper)
            else:
                assert reply.refused(404, "not_found") == "There is no such document.", (viewer, paper)


def test_what_expires_and_a_documents_dates_are_told_to_who_may_see_it(stage: Stage) -> None:
    in_parallel([partial(check_dates, stage, viewer) for viewer in stage.viewers()])


def check_likeness(stage: Stage, viewer: Viewer) -> None:
    """Ask what is like a document, and what tags there are; all of these documents are nearly the same."""
    visible, run = stage.visible(viewer), stage.installation.run
    tags = run("f/chatbot/list_tags", **viewer.identity)
    expected = {paper.word: 1 for paper in stage.papers if paper.id in visible} | {"paper": len(visible)}
    assert {one["tag"]: one["documents"] for one in tags.data["tags"]} == expected, viewer
    own = viewer.member or stage.tenant.admin
    for paper in stage.papers:
        if not stage.concerns(paper, viewer) or (paper.assigned_to != own and paper.visibility != "private"):
            continue
        reply = run("f/chatbot/find_duplicates", document_id=paper.id, limit=20, **viewer.identity)
        if paper.id in visible:
            assert {one["document_id"] for one in reply.data["near"]} == visible - {paper.id}, viewer
            assert stage.told(viewer, reply.text) == [], viewer
        else:
            assert reply.refused(404, "not_found") == "There is no such document.", viewer
    about = {"document_id": min(visible), **viewer.identity}
    related = run("f/chatbot/related_documents", limit=50, **about)
    assert {one["document_id"] for one in related.data["documents"]} == visible - {min(visible)}, viewer
    suggested = [run(f"f/chatbot/suggest_{kind}", limit=20, **about) for kind in ("tags", "category")]
    rests_on = {id for reply in suggested for one in reply.data["suggestions"] for id in one["document_ids"]}
    assert rests_on <= visible - {min(visible)}, viewer
    assert [one["label"] for one in suggested[1].data["suggestions"]] == ["papers"], viewer
    assert stage.told(viewer, "".join(reply.text for reply in (tags, related, *suggested))) == [], viewer


def test_what_is_like_a_document_is_told_of_what_may_be_seen(stage: Stage) -> None:
    in_parallel([partial(check_likeness, stage, viewer) for viewer in stage.viewers()])


def test_what_is_hidden_does_not_even_change_how_alike_documents_are(stage: Stage) -> None:
    """The same answers, to the letter, while what is hidden from the viewer is deleted."""
    for viewer in (viewer for viewer in stage.viewers() if viewer.kind in ("admin", "teen")):
        seen = stage.visible(viewer)
        hidden = [paper.id for paper in stage.papers if paper.id not in seen]
        calls = [
            partial(stage.installation.run, f"f/chatbot/{name}", document_id=min(seen), **viewer.identity)
            for name in ("find_duplicates", "related_documents", "suggest_tags", "suggest_category", "list_tags")
        ]
        with_hidden = [call().text for call in calls]
        stage.installation.query("UPDATE documents SET deleted_at = now() WHERE id = ANY (%s)", (hidden,))
        without_hidden = [call().text for call in calls]
        stage.installation.query("UPDATE documents SET deleted_at = NULL WHERE id = ANY (%s)", (hidden,))
        assert with_hidden == without_hidden, viewer


def test_who_stores_what_is_nearly_there_is_told_of_what_may_be_seen(stage: Stage) -> None:
    for viewer in stage.viewers():
        text = f"The harbour paper says that the mooring is {viewer.kind}."
        data = stage.installation.run("f/chatbot/ingest", title="Near", content=text, **viewer.identity).data
        stage.installation.query("DELETE FROM documents WHERE id = %s", (data["document_id"],))
        told = {one["document_id"] for one in data["near_duplicates"]}
        assert told <= stage.visible(viewer), viewer
        assert len(told) == 3, viewer


def check_deleting(stage: Stage, paper: Paper) -> None:
    """Delete a document as each viewer, who may or not, and restore it."""
    for viewer in stage.viewers():
        if not stage.concerns(paper, viewer):
            continue
        reply = stage.installation.run("f/chatbot/delete_document", document_id=paper.id, **viewer.identity)
        sees = viewer.member is None or may(viewer, paper, admins_see_private=stage.admins_see_private)
        if not sees:
            assert reply.refused(404, "not_found") == "There is no such document.", (viewer, paper)
        elif may_delete(viewer, paper):
            assert reply.data["document_id"] == paper.id, (viewer, paper)
            stage.installation.query("UPDATE documents SET deleted_at = NULL WHERE id = %s", (paper.id,))
        else:
            reply.refused(403, "forbidden")
        [row] = stage.installation.query("SELECT deleted_at FROM documents WHERE id = %s", (paper.id,))
        assert row["deleted_at"] is None, (viewer, paper)


def test_a_document_is_deleted_by_whose_it_is_and_by_admins_who_see_it(stage: Stage) -> None:
    own = [
        store(stage, f"{stage.papers[0].word}by{kind}", "everyone", None, created_by=member)
        for kind, member in stage.tenant.types.items()
    ]
    in_parallel([partial(check_deleting, stage, paper) for paper in (*stage.papers, *own)])
    stage.installation.query("DELETE FROM documents WHERE id = ANY (%s)", ([paper.id for paper in own],))


def test_a_calendar_feed_tells_its_member_of_what_that_member_may_see_and_of_nothing_else(stage: Stage) -> None:
    def check(viewer: Viewer) -> None:
        feed = stage.installation.run("f/chatbot/create_calendar_feed", **viewer.identity).data
        read = stage.installation.run("f/chatbot/read_calendar_feed", secret=feed["secret"])
        fetched = httpx.get(f"{stage.installation.stack.base_url}{feed['path']}", timeout=60).text
        assert read.data["calendar"].replace("\r\n", "\n") == fetched.replace("\r\n", "\n"), viewer
        assert fetched.count("BEGIN:VEVENT") == len(stage.visible(viewer)), viewer
        assert stage.told(viewer, fetched) == [], viewer

    in_parallel([partial(check, viewer) for viewer in stage.viewers() if viewer.member is not None])


def test_the_log_is_read_by_admins_alone(stage: Stage) -> None:
    claims: list[Json] = [{}, {"user_member_type": "adult"}, {"user_member_type": "child"}]
    for viewer in stage.viewers():
        for claim in claims:
            reply = stage.installation.run("f/chatbot/read_audit_log", **viewer.identity, **claim)
            if viewer.kind == "admin" and not claim:
                assert reply.data["entries"], viewer
                assert "harbour" not in reply.text
            else:
                reply.refused(403, "forbidden")


def test_notices_of_expiry_are_for_members_who_may_see_the_document(stage: Stage) -> None:
    query = stage.installation.query
    query("UPDATE documents SET expires_at = now() + interval '3 days' WHERE tenant_id = %s", (stage.tenant.id,))
    stage.installation.run("f/operations/notify_expiring").done()
    rows = query("SELECT member_id, document_id FROM expiry_notices WHERE tenant_id = %s", (stage.tenant.id,))
    query("UPDATE documents SET expires_at = %s WHERE tenant_id = %s", (SHARED["expires_at"], stage.tenant.id))

    for viewer in stage.viewers():
        noticed = {row["document_id"] for row in rows if row["member_id"] == viewer.member}
        assert noticed == (stage.visible(viewer) if viewer.member else set()), viewer


def seen_usage(stage: Stage, viewer: Viewer) -> set[Any]:
    """Read the members in the rows of usage that a viewer is shown by the policies."""
    with autocommit_cursor(stage.installation.app_dsn) as cursor:
        cursor.execute("BEGIN; SELECT * FROM enter_tenant(%s, %s, NULL)", (stage.tenant.id, viewer.member))
        cursor.execute("SELECT DISTINCT member_id FROM api_usage")
        seen = {row["member_id"] for row in cursor.fetchall()}
        cursor.execute("ROLLBACK")
    return seen


def test_usage_is_shown_to_the_member_it_is_of_and_to_admins(stage: Stage) -> None:
    for viewer in stage.viewers():
        stage.installation.run("f/chatbot/search", query=WORDS, **viewer.identity).done()
    everybodys = {viewer.member for viewer in stage.viewers()}
    for viewer in stage.viewers():
        assert seen_usage(stage, viewer) == (everybodys if viewer.kind == "admin" else {viewer.member}), viewer


def everywhere(stage: Stage, paper: Paper, viewer: Viewer, session: str) -> list[Reply]:
    """Look for a document in every way there is."""
    run, who = stage.installation.run, viewer.identity
    return [
        run("f/chatbot/search", query=WORDS, limit=100, **who),
        run("f/chatbot/search", query=WORDS, tags=[paper.word], document_ids=[paper.id], **who),
        run("f/chatbot/chat", question=f"What is {paper.word[:7]}?", chunk_ids=[paper.chunk], **who),
        run("f/chatbot/chat", question="What does the harbour paper say?", document_ids=[paper.id], **who),
        stage.installation.flow(
            "f/chatbot/answer_question", question="The harbour paper?", document_ids=[paper.id], **who
        ),
        run("f/chatbot/read_session", session_id=session, limit=100, **who),
        run("f/chatbot/embed", document_id=paper.id, **who),
        run("f/chatbot/log_usage", events=[], document={"document_id": paper.id}, **who),
        run("f/chatbot/find_duplicates", document_id=paper.id, **who),
        run("f/chatbot/related_documents", document_id=paper.id, **who),
        run("f/chatbot/suggest_tags", document_id=paper.id, **who),
        run("f/chatbot/delete_document", document_id=paper.id, **who),
    ]


def test_a_document_that_is_deleted_is_gone_from_every_way_of_reading_until_it_is_restored(stage: Stage) -> None:
    paper, admin = stage.papers[0], stage.viewers()[0]
    session, query = converse(stage, admin), stage.installation.query
    stage.installation.run("f/chatbot/delete_document", document_id=paper.id, tenant_id=stage.tenant.id).done()

    replies = everywhere(stage, paper, admin, session)

    assert [reply.text for reply in replies if paper.word in reply.text] == []
    assert [reply.status for reply in replies] == [200] * 6 + [404] * (len(replies) - 6)
    assert [reply.data["total"] for reply in replies[:2]] == [15 if stage.admins_see_private else 12, 0]
    assert [reply.data["answered"] for reply in replies[2:5]] == [False] * 3
    query("UPDATE documents SET deleted_at = NULL WHERE id = %s", (paper.id,))
    assert {reply.status for reply in everywhere(stage, paper, admin, session)} == {200}
    query("UPDATE documents SET deleted_at = NULL WHERE id = %s", (paper.id,))


def test_what_is_purged_is_nowhere_any_more(make_installation: InstallationMaker) -> None:
    """Not in any column of any table: text, chunk, vector, word, notice, answer."""
    installation = make_installation(measured=False)
    stage = set_stage(installation, admins_see_private=True)
    installation.run("f/chatbot/embed", tenant_id=stage.tenant.id).done()
    paper, kept = stage.papers[:2]
    viewer = stage.viewers()[0]
    asked = installation.run(
        "f/chatbot/chat", question="What does it say?", chunk_ids=[paper.chunk], **viewer.identity
    ).data
    assert paper.word in asked["answer"]
    installation.query("UPDATE documents SET expires_at = now() WHERE tenant_id = %s", (stage.tenant.id,))
    installation.run("f/operations/notify_expiring").done()
    installation.query("UPDATE tenants SET retention_days = 0 WHERE id = %s", (stage.tenant.id,))
    assert places_of(installation, paper)
    installation.run("f/chatbot/delete_document", document_id=paper.id, **viewer.identity).done()

    assert installation.run("f/operations/purge_documents").data["documents"] == 1

    assert places_of(installation, paper) == []
    assert "document_chunks" in places_of(installation, kept)


def places_of(installation: Installation, paper: Paper) -> list[str]:
    """List the tables in which a row holds a document's word, or is a row of the document."""
    tables = installation.query(
        "SELECT relname AS name,"
        " EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = 'document_id') AS own"
        " FROM pg_class AS c WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'"
    )
    return [
        table["name"]
        for table in tables
        if installation.query(
            f"SELECT 1 FROM {table['name']} AS t WHERE t::text ILIKE %s"
            + (" OR document_id = %s" if table["own"] and table["name"] != "api_usage" else " OR %s IS NULL")
            + " LIMIT 1",
            (f"%{paper.word}%", paper.id),
        )
    ]
