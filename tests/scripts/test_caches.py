"""What is not bought twice: a question's embedding, and, where an installation wants it, an answer; over HTTP."""

import pytest

from f.core.offline_embedding import embed
from tests.support.cloud import Cloud, insert_documents, messages, usage
from tests.support.installation import Json, Tenant
from tests.support.provider_faults import status
from tests.support.reading_model import read_passages

CHAT, SEARCH = "f/chatbot/chat", "f/chatbot/search"
QUESTION = "What is the excess for theft?"
KEPT = 3600


@pytest.fixture
def home(cloud: Cloud) -> Tenant:
    """A tenant of an installation that keeps answers, with a document for admins alone and one for everybody."""
    tenant = cloud.installation.new_tenant()
    cloud.installation.add_document(tenant, "The excess for theft is 400 euros.", "Car")
    cloud.installation.add_document(tenant, "The excess for floods is 900 euros.", "Home", visibility="admins_only")
    cloud.cohere.requests.clear()
    cloud.groq.answer = read_passages
    cloud.use(answer_cache_seconds=KEPT)
    return tenant


def ask(cloud: Cloud, tenant: Tenant, member: str = "adult", question: str = QUESTION, **more: object) -> Json:
    caller = {"tenant_id": tenant.id, "user_member_id": tenant.types[member]}
    return dict(cloud.installation.run(CHAT, question=question, **caller, **more).data)


def asked(cloud: Cloud) -> list[str]:
    """List what the providers were asked for since the last look."""
    paths = [request.path.rsplit("/", 1)[-1] for request in [*cloud.cohere.requests, *cloud.groq.requests]]
    cloud.cohere.requests.clear()
    cloud.groq.requests.clear()
    return sorted(paths)


def test_the_same_question_again_asks_no_model_and_says_the_same(cloud: Cloud, home: Tenant) -> None:
    first = ask(cloud, home)
    assert asked(cloud) == ["completions", "embed", "rerank"]
    counted = usage(cloud.installation, home)
    again = ask(cloud, home)

    assert asked(cloud) == []
    assert usage(cloud.installation, home) == counted
    assert (first["cached"], again["cached"]) == (False, True)
    assert again["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert first["citations"]
    new = {"session_id", "cached", "usage"}
    assert {key: again[key] for key in again.keys() - new} == {key: first[key] for key in first.keys() - new}


def test_it_is_kept_in_a_conversation_of_its_own_and_counts_as_a_call(cloud: Cloud, home: Tenant) -> None:
    calls = "SELECT spent_until FROM rate_states WHERE tenant_id = %s AND subject = 0 AND kind = 'requests'"
    ask(cloud, home)
    before = cloud.installation.query(calls, (home.id,))
    again = ask(cloud, home)

    first, second = [row for row in messages(cloud.installation, home) if row["role"] == "assistant"]
    assert (str(second["session_id"]), second["content"]) == (again["session_id"], first["content"])
    assert (second["sources"], second["citations"]) == (first["sources"], first["citations"])
    assert (second["input_tokens"], second["output_tokens"]) == (0, 0)
    [after] = cloud.installation.query(calls, (home.id,))
    assert after["spent_until"] > before[0]["spent_until"]
    assert cloud.installation.query("SELECT 1 FROM chat_slots WHERE tenant_id = %s", (home.id,)) == []


def test_it_is_told_piece_by_piece_as_any_answer(cloud: Cloud, home: Tenant) -> None:
    caller: Json = {"tenant_id": home.id, "user_member_id": home.adult, "question": QUESTION, "stream": True}
    told = []
    for _ in range(2):
        job = cloud.installation.start(CHAT, **caller)
        told.append(cloud.installation.events(job))
    first, again = told

    assert (first[-1]["cached"], again[-1]["cached"]) == (False, True)
    assert [event["type"] for event in again[:2]] == ["thinking", "search"]
    assert again[1] == first[1]
    texts = ["".join(event["text"] for event in events if event["type"] == "answer") for events in told]
    assert texts[0] == texts[1] != ""


def test_reading_what_is_guarded_is_noted_each_time(cloud: Cloud, home: Tenant) -> None:
    noted = "SELECT 1 FROM audit_log WHERE tenant_id = %s AND action = 'read_document' AND member_id = %s"
    counts = []
    for _ in range(3):
        ask(cloud, home, "admin", "What is the excess for floods?")
        counts.append(len(cloud.installation.query(noted, (home.id, home.admin))))

    assert counts[0] > 0
    assert counts == [counts[0], 2 * counts[0], 3 * counts[0]]


def test_an_installation_that_says_nothing_keeps_no_answer(cloud: Cloud, home: Tenant) -> None:
    cloud.use()
    for _ in range(2):
        assert ask(cloud, home)["cached"] is False
        assert "completions" in asked(cloud)
    assert cloud.installation.query("SELECT 1 FROM cached_answers WHERE tenant_id = %s", (home.id,)) == []


def test_what_is_added_edited_deleted_or_asked_otherwise_is_answered_anew(cloud: Cloud, home: Tenant) -> None:
    run = cloud.installation.run
    ask(cloud, home)
    assert ask(cloud, home)["cached"]

    added = cloud.installation.add_document(home, "The excess for theft of bicycles is 50 euros.", "Bicycle")
    assert not ask(cloud, home)["cached"]
    cloud.installation.query("UPDATE documents SET title = 'The bicycle' WHERE id = %s", (added,))
    assert not ask(cloud, home)["cached"]
    assert ask(cloud, home)["cached"]
    run("f/chatbot/delete_document", tenant_id=home.id, user_member_id=home.admin, document_id=added).done()
    gone = ask(cloud, home)
    assert (gone["cached"], "50 euros" in str(gone)) == (False, False)

    assert ask(cloud, home)["cached"]
    assert not ask(cloud, home, question="What is the excess for theft, please?")["cached"]
    assert not ask(cloud, home, document_ids=[added])["cached"]
    assert not ask(cloud, home, user_member_type="teen")["cached"]
    cloud.use(answer_cache_seconds=KEPT, minimum_similarity=0.05)
    assert not ask(cloud, home)["cached"]


def test_a_question_in_a_conversation_is_answered_anew(cloud: Cloud, home: Tenant) -> None:
    session = ask(cloud, home)["session_id"]
    follow_up = ask(cloud, home, session_id=session)

    assert not follow_up["cached"]
    assert ask(cloud, home)["cached"]


def test_an_answer_with_a_notice_is_not_given_again(cloud: Cloud, home: Tenant) -> None:
    cloud.cohere.fail(status(503), on="/rerank", times=None)
    assert ask(cloud, home)["degraded"]
    cloud.cohere.recover()

    whole = ask(cloud, home)
    assert (whole["cached"], whole["degraded"]) == (False, False)


def test_a_repeated_question_is_not_embedded_again(cloud: Cloud, home: Tenant) -> None:
    caller: Json = {"tenant_id": home.id, "user_member_id": home.adult, "rerank": False}
    first = cloud.installation.run(SEARCH, query="excess  for theft", **caller).data
    assert asked(cloud) == ["embed"]
    again = cloud.installation.run(SEARCH, query=" excess for\u200b theft ", **caller).data

    assert asked(cloud) == []
    assert [hit["relevance"] for hit in again["documents"]] == [hit["relevance"] for hit in first["documents"]]
    assert first["documents"]
    assert len(usage(cloud.installation, home, "embed")) == 1 + 2  # two were documents
    cloud.use(embed={"model": "embed-next", "base_url": cloud.cohere.base_url})
    cloud.installation.run(SEARCH, query="excess for theft", **caller).done()
    assert asked(cloud) == ["embed"]


ANIMALS = ("otter", "badger", "heron", "marten", "lynx", "ibex", "stork", "newt", "vole", "hare")


def test_an_answer_is_reranked_only_where_that_can_change_what_the_model_is_given(cloud: Cloud, home: Tenant) -> None:
    in_doubt = {**cloud.settings()["rerank"], "answers_only_in_doubt": True}
    cloud.use(rerank=in_doubt)
    ask(cloud, home)
    assert asked(cloud) == ["completions", "embed"]  # the model is given both passages anyway

    insert_documents(cloud.installation, home, [f"The {animal} sleeps by the {animal} den." for animal in ANIMALS])
    cloud.installation.run("f/chatbot/embed", tenant_id=home.id).done()
    asked(cloud)
    ask(cloud, home, question="Where does the otter sleep?")
    assert asked(cloud) == ["completions", "embed"]  # words and vectors agree
    cloud.cohere.embed = lambda texts: embed(["The lynx sleeps by the lynx den." for _ in texts])
    ask(cloud, home, question="Where does the heron sleep?")
    assert asked(cloud) == ["completions", "embed", "rerank"]

    cloud.installation.run(SEARCH, query="otter den", tenant_id=home.id, user_member_id=home.adult).done()
    assert asked(cloud) == ["embed", "rerank"]  # who is shown the order is shown the best there is
    cloud.use()
    ask(cloud, home, question="Where does the otter sleep?")
    assert asked(cloud) == ["completions", "rerank"]
