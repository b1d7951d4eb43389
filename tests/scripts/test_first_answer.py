"""The main job over HTTP: a document in, found, answered from and cited, and hidden from whom it is not for."""

from tests.support.installation import Installation

POLICY = """# Car policy

Insurer: Meridian Mutual. The policy number is MM-48213.

## Excess

The excess for glass damage is 75 euros. The excess for theft is 400 euros.
"""


def test_a_document_is_found_answered_from_and_cited_exactly(installation: Installation) -> None:
    tenant = installation.new_tenant()
    document = installation.add_document(tenant, POLICY, "Car policy", visibility="adults_only", tags=["Car"])

    answer = installation.run(
        "f/chatbot/chat", tenant_id=tenant.id, user_member_id=tenant.adult, question="What is the excess for theft?"
    ).data

    assert "400 euros" in answer["answer"]
    assert answer["answered"] is True
    [citation] = answer["citations"]
    assert citation["document_id"] == document
    assert POLICY[citation["start"] : citation["end"]] == citation["quote"]
    assert "400 euros" in citation["quote"]


def test_a_teen_and_another_tenant_get_nothing_of_it(installation: Installation) -> None:
    tenant, other = installation.new_tenant(), installation.new_tenant()
    installation.add_document(tenant, POLICY, "Car policy", visibility="adults_only")

    for tenant_id, member in ((tenant.id, tenant.teen), (other.id, other.admin)):
        caller = {"tenant_id": tenant_id, "user_member_id": member}
        found = installation.run("f/chatbot/search", query="excess for theft MM-48213", **caller).data
        answer = installation.run("f/chatbot/chat", question="What is the excess for theft?", **caller).data

        assert found["documents"] == []
        assert found["total"] == 0
        assert answer["answered"] is False
        assert "400" not in answer["answer"]


def test_a_text_that_windmill_would_rewrite_comes_back_to_the_letter(installation: Installation) -> None:
    tenant = installation.new_tenant()
    text = "The wall of the Infinity pool was repaired in May. The NaN bakery delivers bread on Mondays."
    document = installation.add_document(tenant, text, "Infinity and NaN")

    found = installation.run("f/chatbot/search", tenant_id=tenant.id, query="Infinity pool").data["documents"]
    answer = installation.run(
        "f/chatbot/chat", tenant_id=tenant.id, question="When was the wall of the Infinity pool repaired?"
    ).data

    assert [(hit["document_id"], hit["title"]) for hit in found] == [(document, "Infinity and NaN")]
    assert "Infinity pool was repaired in May" in answer["answer"]
    assert all(text[citation["start"] : citation["end"]] == citation["quote"] for citation in answer["citations"])
