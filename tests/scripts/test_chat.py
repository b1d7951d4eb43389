# ruff: noqa: RUF001 -- Greek letters are meant here
"""Chat over HTTP: citations, abstention, languages, sessions, what is kept and counted, events."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.support.cloud import Cloud, document, in_parallel, insert_documents, messages, repeat_job, usage
from tests.support.installation import Installation, Json, Tenant
from tests.support.provider_faults import Fault, cut, cut_stream, hang, html, status

CHAT = "f/chatbot/chat"
NO_SESSION = "00000000-0000-4000-8000-000000000000"
CAR = (
    "# Car policy 🚗\n\nInsurer: Meridian Mutual.\n\n## Excess\n\nThe excess for glass damage is 75 euros. "
    "The excess for theft is 400 euros.\f## Renewal\n\nThe policy renews on 3 March 2027, unless it is cancelled.\n"
)
LEASE = "Το μισθωτήριο της Αθήνας λήγει στις 30 Ιουνίου 2027. Το ενοίκιο είναι 650 ευρώ τον μήνα."


@pytest.fixture(scope="module")
def home(installation: Installation) -> tuple[Installation, Tenant, dict[str, int]]:
    tenant = installation.new_tenant()
    car = installation.add_document(
        tenant, CAR, "Car policy", visibility="adults_only", source_url="https://example.org/car", tags=["car"],
        category="insurance",
    )  # fmt: skip
    lease = installation.add_document(tenant, LEASE, "Μισθωτήριο")
    return installation, tenant, {"car": car, "lease": lease}


Home = tuple[Installation, Tenant, dict[str, int]]


def ask(installation: Installation, tenant: Tenant, question: str, member: str = "adult", **more: object) -> Json:
    caller = {"tenant_id": tenant.id, "user_member_id": tenant.types[member]}
    return dict(installation.run(CHAT, question=question, **caller, **more).data)


def test_every_citation_is_an_exact_quote_of_its_document(home: Home) -> None:
    installation, tenant, ids = home
    answer = ask(installation, tenant, "What is the excess for theft?")

    assert answer["answered"] is True
    assert "400 euros" in answer["answer"]
    assert answer["citations"]
    for citation in answer["citations"]:
        content = document(installation, citation["document_id"])["content"]
        assert content[citation["start"] : citation["end"]] == citation["quote"]
        assert f"[{citation['n']}]" in answer["answer"]
    first = answer["citations"][0]
    assert (first["document_id"], first["title"], first["page"]) == (ids["car"], "Car policy", 1)
    assert first["heading"].startswith("Car policy")
    assert first["source_url"] == "https://example.org/car"
    assert 0 < answer["confidence"] <= 1
    assert (answer["degraded"], answer["notice"]) == (False, None)
    assert (answer["model"], answer["provider"]) == ("offline-sentences", "offline")
    assert answer["usage"]["input_tokens"] > answer["usage"]["output_tokens"] > 0


def test_a_citation_on_the_second_page_says_so(home: Home) -> None:
    installation, tenant, _ = home
    answer = ask(installation, tenant, "When does the policy renew?")

    assert "3 March 2027" in answer["answer"]
    assert [citation["page"] for citation in answer["citations"]] == [2]


def test_a_greek_question_gets_a_greek_answer_or_a_greek_refusal(home: Home) -> None:
    installation, tenant, ids = home
    answer = ask(installation, tenant, "Πότε λήγει το μισθωτήριο;")
    unknown = ask(installation, tenant, "Πόσο ζυγίζει ο ελέφαντας του ζωολογικού κήπου;")

    assert "30 Ιουνίου 2027" in answer["answer"]
    assert {citation["document_id"] for citation in answer["citations"]} == {ids["lease"]}
    assert LEASE[answer["citations"][0]["start"] : answer["citations"][0]["end"]] == answer["citations"][0]["quote"]
    assert (unknown["answered"], unknown["citations"], unknown["confidence"]) == (False, [], 0)
    assert "έγγραφ" in unknown["answer"].lower()


def test_what_the_documents_do_not_hold_is_not_guessed(home: Home) -> None:
    installation, tenant, _ = home
    for question in ("Who won the chess championship in 1972?", "What is the dental excess of the elephant?"):
        answer = ask(installation, tenant, question)

        assert (answer["answered"], answer["citations"], answer["confidence"]) == (False, [], 0), answer
        assert answer["answer"]


def test_without_any_document_no_model_is_asked(installation: Installation) -> None:
    tenant = installation.new_tenant()
    answer = ask(installation, tenant, "When are the bins emptied?")

    assert (answer["answered"], answer["citations"], answer["confidence"]) == (False, [], 0)
    assert (answer["model"], answer["provider"]) == (None, None)
    assert answer["usage"] == {"input_tokens": 0, "output_tokens": 0}
    assert [message["role"] for message in messages(installation, tenant)] == ["user", "assistant"]


def test_only_what_the_filters_leave_is_used(home: Home) -> None:
    installation, tenant, ids = home
    question = "What is the excess for theft?"
    chosen: Json
    for chosen in (
        {"category": "contracts"},
        {"tags": ["boat"]},
        {"document_ids": [ids["lease"]]},
        {"document_ids": []},
    ):
        assert "400" not in ask(installation, tenant, question, **chosen)["answer"], chosen
    for chosen in ({"category": "insurance"}, {"tags": ["CAR"]}, {"document_ids": [ids["car"]]}):
        assert "400 euros" in ask(installation, tenant, question, **chosen)["answer"], chosen


def test_passages_that_are_named_are_read_under_the_callers_sight(home: Home) -> None:
    installation, tenant, ids = home
    rows = installation.query("SELECT id FROM document_chunks WHERE document_id = %s ORDER BY ordinal", (ids["car"],))
    passages = [row["id"] for row in rows]
    question = "What is the excess for theft?"

    for member in ("adult", "admin"):
        assert "400 euros" in ask(installation, tenant, question, member, chunk_ids=passages)["answer"]
    for member in ("teen", "child"):
        assert "400" not in ask(installation, tenant, question, member, chunk_ids=passages)["answer"]
    other = installation.new_tenant()
    assert "400" not in ask(installation, other, question, "admin", chunk_ids=passages)["answer"]
    assert ask(installation, tenant, question, chunk_ids=[])["answered"] is False
    assert ask(installation, tenant, question, chunk_ids=[2_147_483_647])["answered"] is False


def test_what_is_kept_of_an_exchange_is_complete_and_quotes_nothing(home: Home) -> None:
    installation, _, _ = home
    tenant = installation.new_tenant()
    installation.add_document(tenant, CAR, "Car policy")
    answer = ask(installation, tenant, "What is the excess for theft?")

    question, reply = messages(installation, tenant)
    assert (question["role"], question["content"]) == ("user", "What is the excess for theft?")
    assert (reply["role"], reply["content"]) == ("assistant", answer["answer"])
    assert (reply["model"], reply["provider"]) == (answer["model"], answer["provider"])
    assert reply["confidence"] == pytest.approx(answer["confidence"])
    assert {"input_tokens": reply["input_tokens"], "output_tokens": reply["output_tokens"]} == answer["usage"]
    kept = ("n", "document_id", "version", "chunk_id", "start", "end")
    assert reply["citations"] == [{key: citation[key] for key in kept} for citation in answer["citations"]]
    assert {str(question["session_id"]), str(reply["session_id"])} == {answer["session_id"]}
    counted = usage(installation, tenant, "chat")
    assert [(str(row["session_id"]), row["member_id"]) for row in counted] == [(answer["session_id"], tenant.adult)]


def test_a_session_is_its_members_own(home: Home) -> None:
    installation, tenant, _ = home
    session = ask(installation, tenant, "What is the excess for theft?")["session_id"]
    nameless = installation.run(CHAT, tenant_id=tenant.id, question="Πότε λήγει το μισθωτήριο;").data["session_id"]
    other = installation.new_tenant()
    before = len(messages(installation, tenant))
    strangers: list[Json] = [
        {"tenant_id": tenant.id, "user_member_id": tenant.admin, "session_id": session},
        {"tenant_id": tenant.id, "user_member_id": tenant.teen, "session_id": session},
        {"tenant_id": tenant.id, "session_id": session},
        {"tenant_id": tenant.id, "user_member_type": "admin", "session_id": session},
        {"tenant_id": tenant.id, "user_member_id": tenant.adult, "session_id": nameless},
        {"tenant_id": other.id, "user_member_id": other.adult, "session_id": session},
        {"tenant_id": tenant.id, "user_member_id": tenant.adult, "session_id": NO_SESSION},
    ]

    replies = in_parallel([partial(installation.run, CHAT, question="And for glass?", **who) for who in strangers])

    sentences = {reply.refused(404, "not_found") for reply in replies}
    assert len(sentences) == 1
    assert len(messages(installation, tenant)) == before
    assert messages(installation, other) == []
    assert ask(installation, tenant, "And for glass?", session_id=session)["session_id"] == session


def test_a_session_that_has_expired_is_not_found(home: Home) -> None:
    installation, tenant, _ = home
    session = ask(installation, tenant, "What is the excess for theft?")["session_id"]
    installation.query("UPDATE conversation_sessions SET expires_at = now() WHERE id = %s", (session,))

    installation.run(
        CHAT, tenant_id=tenant.id, user_member_id=tenant.adult, question="And for glass?", session_id=session
    ).refused(404)  # fmt: skip


def test_a_job_that_is_repeated_answers_again_and_is_kept_and_counted_once(home: Home) -> None:
    installation, _, _ = home
    tenant = installation.new_tenant()
    installation.add_document(tenant, CAR)
    first = ask(installation, tenant, "What is the excess for theft?")
    arguments: Json = {
        "tenant_id": tenant.id, "user_member_id": tenant.adult, "session_id": first["session_id"],
        "question": "What is the excess for glass damage?",
    }  # fmt: skip
    job = installation.start(CHAT, **arguments)
    once = installation.wait(job)["result"]
    kept, counted = messages(installation, tenant), usage(installation, tenant)

    again = repeat_job(installation, job, arguments)

    assert again["data"]["session_id"] == once["data"]["session_id"]
    assert messages(installation, tenant) == kept
    assert usage(installation, tenant) == counted


def test_a_repeated_job_that_began_a_conversation_goes_on_in_the_same_one(home: Home) -> None:
    installation, _, _ = home
    tenant = installation.new_tenant()
    installation.add_document(tenant, CAR)
    arguments: Json = {"tenant_id": tenant.id, "question": "What is the excess for glass damage?"}
    job = installation.start(CHAT, **arguments)
    once = installation.wait(job)["result"]

    again = repeat_job(installation, job, arguments)

    assert again["data"]["session_id"] == once["data"]["session_id"]
    assert [message["role"] for message in messages(installation, tenant)] == ["user", "assistant"]


def test_long_and_odd_questions_are_answered(home: Home) -> None:
    installation, tenant, _ = home
    odd = [
        "x" * 4_000,
        "🎉",
        "\u202eשלום",
        "a & ! | ' \\ :* <->",
        "the of and",
        "%s {} $1",
        "theft\n\n\texcess?",
        "[0]",
    ]

    for question, reply in zip(
        odd,
        in_parallel([partial(installation.run, CHAT, tenant_id=tenant.id, question=one) for one in odd]),
        strict=True,
    ):
        assert reply.status == 200, f"{question!a}: {reply.text}"


def answer_of(events: list[Json]) -> str:
    return "".join(event["text"] for event in events if event["type"] == "answer")


def test_events_come_in_order_and_make_up_the_answer(home: Home) -> None:
    installation, tenant, ids = home
    job = installation.start(
        CHAT, tenant_id=tenant.id, user_member_id=tenant.adult, question="What is the excess for theft?", stream=True
    )
    events = installation.events(job)
    data = installation.wait(job)["result"]["data"]

    kinds = [event["type"] for event in events]
    assert kinds[:2] == ["thinking", "search"]
    assert kinds[-1] == "complete"
    assert set(kinds[2:-1]) == {"answer"}
    assert len(kinds) > 6
    assert events[0]["session_id"] == data["session_id"]
    assert {"document_id": ids["car"], "title": "Car policy"} in events[1]["documents"]
    assert answer_of(events).strip() == data["answer"]
    assert {key: value for key, value in events[-1].items() if key != "type"} == data


def test_without_stream_there_are_no_events(home: Home) -> None:
    installation, tenant, _ = home
    job = installation.start(CHAT, tenant_id=tenant.id, question="Πότε λήγει το μισθωτήριο;")

    assert installation.events(job) == []


@pytest.fixture
def family(cloud: Cloud) -> Tenant:
    """A tenant of the cloud with the car policy."""
    tenant = cloud.installation.new_tenant()
    cloud.installation.add_document(tenant, CAR, "Car policy", visibility="adults_only")
    cloud.groq.answer = lambda _: "The excess for theft is 400 euros [1]."
    cloud.cohere.requests.clear()
    return tenant


def said_to(cloud: Cloud, number: int = -1) -> str:
    """Return all that Groq was told in one of its requests."""
    return "\n".join(str(message["content"]) for message in cloud.groq.requests[number].body["messages"])


def is_rewriting(messages: list[Json]) -> bool:
    return "<passage" not in messages[-1]["content"]


def test_a_streamed_text_of_any_kind_arrives_to_the_letter(cloud: Cloud, family: Tenant) -> None:
    said = (
        'The "excess" for theft\nis 400 euros [1].\n\n'
        "- C:\\new\\table \\\\n \\u0041\n- Η κλοπή: 400 ευρώ 🚗👨‍👩‍👧 [1].\n"
        '\tA tab, a ‘quote’, {"json": [1]} and WM_STREAM: x.'
    )
    cloud.groq.answer = lambda _: said
    for stream in (True, False):
        job = cloud.installation.start(
            CHAT,
            tenant_id=family.id,
            user_member_id=family.adult,
            question="What is the excess for theft?",
            stream=stream,
        )
        events = cloud.installation.events(job)
        data = cloud.installation.wait(job)["result"]["data"]
        assert data["answer"] == said
        assert answer_of(events) == (said if stream else "")


def test_the_costs_of_an_answer_are_exact(cloud: Cloud, family: Tenant) -> None:
    before = len(usage(cloud.installation, family))
    answer = ask(cloud.installation, family, "What is the excess for theft?")

    rows = {row["operation"]: row for row in usage(cloud.installation, family)[before:]}
    assert rows.keys() == {"embed", "rerank", "chat"}
    chat = rows["chat"]
    assert {key: chat[key] for key in ("input_tokens", "output_tokens")} == answer["usage"]
    assert chat["cost_microusd"] == -(-(chat["input_tokens"] * 15 + chat["output_tokens"] * 75) // 100)
    assert rows["embed"]["cost_microusd"] == -(-rows["embed"]["input_tokens"] * 12 // 100)
    assert rows["rerank"]["cost_microusd"] == 2_000
    assert (answer["model"], answer["provider"]) == ("openai/gpt-oss-120b", "groq")


def test_a_citation_that_names_no_passage_is_removed(cloud: Cloud, family: Tenant) -> None:
    cloud.groq.answer = lambda _: "The excess for theft is 400 euros [9][1]. It is paid once [12]."
    answer = ask(cloud.installation, family, "What is the excess for theft?")

    assert "[9]" not in answer["answer"]
    assert "[12]" not in answer["answer"]
    assert [citation["n"] for citation in answer["citations"]] == [1]


def test_an_answer_that_cites_nothing_says_so_and_has_no_confidence(cloud: Cloud, family: Tenant) -> None:
    cloud.groq.answer = lambda _: "The excess for theft is 400 euros, I think."
    answer = ask(cloud.installation, family, "What is the excess for theft?")

    assert answer["citations"] == []
    assert answer["confidence"] == 0
    assert "cites no passage" in answer["notice"]


def test_a_model_that_abstains_is_taken_at_its_word(cloud: Cloud, family: Tenant) -> None:
    cloud.groq.answer = lambda _: "[0] Your documents do not hold the answer to this question."
    answer = ask(cloud.installation, family, "What is the excess for theft?")

    assert (answer["answered"], answer["citations"], answer["confidence"]) == (False, [], 0)
    assert not answer["answer"].startswith("[0]")


def test_a_follow_up_is_rewritten_with_the_history_and_searched_for_as_rewritten(cloud: Cloud, family: Tenant) -> None:
    rewritten = "What is the excess for glass damage of the car?"
    cloud.groq.answer = lambda said: rewritten if is_rewriting(said) else "It is 75 euros [1]."
    first = ask(cloud.installation, family, "What is the excess for theft?")
    cloud.groq.requests.clear()
    cloud.cohere.requests.clear()

    second = ask(cloud.installation, family, "And for glass?", session_id=first["session_id"])

    assert len(cloud.groq.requests) == 2
    assert "What is the excess for theft?" in said_to(cloud, 0)
    assert "And for glass?" in said_to(cloud, 0)
    [embedded] = cloud.cohere.requests_to("/embed")
    assert embedded.body["texts"] == [rewritten]
    [reranked] = cloud.cohere.requests_to("/rerank")
    assert reranked.body["query"] == rewritten
    assert "And for glass?" in said_to(cloud, 1)
    assert "What is the excess for theft?" in said_to(cloud, 1)
    assert second["session_id"] == first["session_id"]
    kept = [message["content"] for message in messages(cloud.installation, family)]
    assert kept[2] == "And for glass?"
    assert [row["operation"] for row in usage(cloud.installation, family)][-4:].count("rewrite") == 1


def test_a_follow_up_is_understood_without_the_rewriting_model(cloud: Cloud, family: Tenant) -> None:
    first = ask(cloud.installation, family, "What is the excess for theft?")
    for provider in (cloud.groq, cloud.cohere):
        provider.fail(status(404), on="/chat", times=2)  # a model that is not served is tried twice

    second = ask(cloud.installation, family, "And for glass damage?", session_id=first["session_id"])

    assert (second["answered"], second["provider"]) == (True, "groq")
    assert "together with the one before" in second["notice"]


def test_what_was_said_with_an_admins_sight_is_not_told_to_who_sees_less(cloud: Cloud, family: Tenant) -> None:
    cloud.groq.answer = lambda said: "And for glass?" if is_rewriting(said) else "The secret excess is 400 euros [1]."
    caller: Json = {"tenant_id": family.id, "user_member_id": family.admin}
    session = cloud.installation.run(CHAT, question="What is the secret plan Zebra?", **caller).data["session_id"]
    for narrowed, sees in ((None, True), ("adult", False), ("teen", False), ("child", False)):
        cloud.groq.requests.clear()
        cloud.cohere.requests.clear()
        follow_up = caller | {"question": "And for glass?", "session_id": session, "user_member_type": narrowed}
        assert cloud.installation.run(CHAT, **follow_up).data["session_id"] == session
        told = "\n".join(said_to(cloud, number) for number in range(len(cloud.groq.requests)))
        told += "\n".join(str(request.body) for request in cloud.cohere.requests)
        assert ("Zebra" in told) is sees, narrowed
        assert ("secret excess" in told) is sees, narrowed
        if narrowed in ("teen", "child"):
            assert "Meridian" not in told


def test_a_members_lowered_rights_hide_their_own_earlier_answers(cloud: Cloud, family: Tenant) -> None:
    installation = cloud.installation
    session = ask(installation, family, "What is the secret plan Zebra?", "adult")["session_id"]
    installation.query("UPDATE family_members SET member_type = 'teen' WHERE id = %s", (family.adult,))
    cloud.groq.requests.clear()

    ask(installation, family, "And for glass?", "adult", session_id=session)

    assert all("Zebra" not in said_to(cloud, number) for number in range(len(cloud.groq.requests)))


@pytest.mark.parametrize(
    "fault",
    [status(404), status(410), status(429, "30"), status(500), status(503), html(), cut(), hang(), cut_stream(0)],
    ids=["404", "410", "429", "500", "503", "HTML", "cut", "silence", "cut before the first word"],
)
def test_when_groq_does_not_answer_cohere_does_and_the_answer_says_who(
    cloud: Cloud, family: Tenant, fault: Fault
) -> None:
    cloud.use(deadline_seconds=3)
    cloud.groq.fail(fault, times=None)
    cloud.cohere.answer = lambda _: "The excess for theft is 400 euros [1], says the other."

    job = cloud.installation.start(
        CHAT, tenant_id=family.id, user_member_id=family.adult, question="What is the excess for theft?", stream=True
    )
    events = cloud.installation.events(job)
    data = cloud.installation.wait(job)["result"]["data"]

    assert data["answer"].endswith("says the other.")
    assert (data["model"], data["provider"]) == ("command-a-03-2025", "cohere")
    assert answer_of(events).strip() == data["answer"]
    [chat] = usage(cloud.installation, family, "chat")
    assert chat["model"] == "command-a-03-2025"
    assert chat["cost_microusd"] == -(-(chat["input_tokens"] * 25 + chat["output_tokens"] * 100) // 10)
    assert messages(cloud.installation, family)[-1]["provider"] == "cohere"


def test_a_stream_that_breaks_after_its_first_words_is_503_and_keeps_nothing(cloud: Cloud, family: Tenant) -> None:
    cloud.groq.fail(cut_stream(2))
    before = len(usage(cloud.installation, family))
    reply = cloud.installation.run(
        CHAT, tenant_id=family.id, user_member_id=family.adult, question="What is the excess for theft?", stream=True
    )

    reply.refused(503, "provider_unavailable")
    assert cloud.cohere.requests_to("/chat") == []
    assert messages(cloud.installation, family) == []
    assert [row["operation"] for row in usage(cloud.installation, family)[before:]] == ["embed", "rerank"]


def make_down(cloud: Cloud) -> None:
    cloud.groq.fail(status(503), times=None)
    cloud.cohere.fail(status(500), on="/chat", times=None)


def make_slow(cloud: Cloud) -> None:
    cloud.groq.fail(hang(), times=None)
    cloud.cohere.fail(hang(), on="/chat", times=None)


@pytest.mark.parametrize("break_models", [make_down, make_slow])
def test_when_no_model_answers_it_says_503_and_counts_what_was_spent(
    cloud: Cloud, family: Tenant, break_models: Callable[[Cloud], None]
) -> None:
    cloud.use(deadline_seconds=2)
    break_models(cloud)
    before = len(usage(cloud.installation, family))
    for stream in (False, True):
        reply = cloud.installation.run(
            CHAT,
            tenant_id=family.id,
            user_member_id=family.adult,
            question="What is the excess for theft?",
            stream=stream,
        )
        sentence = reply.refused(503, "provider_unavailable")
        assert "try again" in sentence
        assert "SECRET" not in sentence
        assert "theft" not in sentence

    assert [row["operation"] for row in usage(cloud.installation, family)[before:]] == ["embed", "rerank", "rerank"]
    assert messages(cloud.installation, family) == []
    sessions = cloud.installation.query("SELECT 1 FROM conversation_sessions WHERE tenant_id = %s", (family.id,))
    assert sessions == []


def test_a_key_that_groq_refuses_is_an_error_and_not_hidden_by_the_fallback(cloud: Cloud, family: Tenant) -> None:
    cloud.installation.set_variable("f/chatbot/groq_key", "gsk-SECRET-wrong")
    reply = cloud.installation.run(
        CHAT, tenant_id=family.id, user_member_id=family.adult, question="What is the excess for theft?"
    )

    message = reply.crashed()
    assert "f/chatbot/groq_api_key" in message
    assert "SECRET" not in reply.text
    assert cloud.cohere.requests_to("/chat") == []
    assert messages(cloud.installation, family) == []


def test_without_embeddings_chat_answers_from_words_and_says_so(cloud: Cloud, family: Tenant) -> None:
    cloud.cohere.fail(status(404), on="/embed", times=None)

    answer = ask(cloud.installation, family, "What is the excess for theft?")

    assert answer["answered"] is True
    assert answer["degraded"] is True
    assert "words" in answer["notice"]
    assert [row["operation"] for row in usage(cloud.installation, family)][-2:] == ["rerank", "chat"]


def test_the_model_is_given_passages_as_data_and_only_those_that_the_member_sees(cloud: Cloud, family: Tenant) -> None:
    insert_documents(cloud.installation, family, ["Theft is told to the police."])
    cloud.installation.run("f/chatbot/embed", tenant_id=family.id)
    cloud.groq.requests.clear()
    ask(cloud.installation, family, "What is the excess for theft?", "teen")

    assert "Theft is told to the police." in said_to(cloud)
    assert "Meridian" not in said_to(cloud)
    assert "400 euros" not in said_to(cloud)
    system, user = cloud.groq.requests[-1].body["messages"]
    assert (system["role"], user["role"]) == ("system", "user")
    assert "police" not in system["content"]
