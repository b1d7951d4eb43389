"""The questions of the demonstration, and what must be true of their answers.

Module of the demonstration.
"""

from collections.abc import Sequence
from typing import Any

from local.demo import page
from local.demo.client import Client, Data, DemoFailed
from local.demo.world import Person, World

THESSALONIKI, MELBOURNE, SCHOOL = "papadopoulos-thessaloniki", "papadopoulos-melbourne", "harbour-hill-school"
_RANKS = ("child", "teen", "adult", "admin")
_SIGHT_NEEDED = {"everyone": "child", "adults_only": "adult", "admins_only": "admin"}


def tell(client: Client, world: World) -> None:
    """Ask everything, print it, and check it.

    Raises:
        DemoFailed: With the first thing that does not hold.
    """
    story = _Story(client, world)
    maria, eleni, nikos = (
        world.person(THESSALONIKI, name) for name in ("Maria Papadopoulos", "Eleni Papadopoulou", "Nikos Papadopoulos")
    )
    voula = world.person(MELBOURNE, "Voula Anagnostou")
    leila = world.person(SCHOOL, "Leila Haddad")

    page.heading("Answers with citations")
    page.scene(str(maria))
    first = story.ask(maria, "What is the excess for water damage in our home insurance?", ["250 euro"])
    page.scene(str(maria), "A follow-up in the same session:")
    story.ask(maria, "And for an earthquake?", ["3,360 euro"], session_id=first["session_id"])
    page.scene(str(eleni), "In Greek:")
    story.ask(eleni, "Πόσο κοστίζει η πενθήμερη εκδρομή;", ["345 ευρώ"])
    page.scene(str(leila), "Streamed, the answer appears as it is written. The handbook has 29 pages:")
    story.ask_streamed(
        leila, "For how many days of illness is a parent's note enough in the Middle School?", ["three school days"]
    )

    page.heading("Who may not see it does not get it")
    salary = "What is Maria's gross monthly salary?"
    page.scene(str(maria), "An adult asks for something that is for adults only:")
    story.ask(maria, salary, ["2,729.60"])
    page.scene(str(eleni), "A teen asks the same:")
    story.ask_in_vain(eleni, salary, ["2,729.60", "2,180"])
    story.search_in_vain(eleni, "gross monthly salary", world.ids(THESSALONIKI, "salary-maria.md"))
    will = "Who is the executor of the will?"
    page.scene(str(nikos), "An admin asks for something that is for admins only:")
    story.ask(nikos, will, ["Anastasia"])
    page.scene(str(maria), "An adult asks the same:")
    story.ask_in_vain(maria, will, ["Anastasia"])

    page.heading("Two families with the same names")
    number = "What is the policy number of our home insurance?"
    page.scene(str(maria))
    story.ask(maria, number, ["TM-HOME-4471-0926"])
    page.scene(str(voula))
    story.ask(voula, number, ["BB-HC-208817"])
    page.scene(str(voula), "She asks for what only the other family's documents hold, and names them by their ids:")
    story.ask_in_vain(voula, "What is the booking code of the ferry to Thassos?", ["FKL-88213"])
    story.search_in_vain(voula, "ferry to Thassos booking code", world.ids(THESSALONIKI))

    page.heading("What the documents do not say")
    page.scene(str(maria))
    story.ask_in_vain(maria, "Which telescope did the astronomers of Andromeda recommend?", [])


class _Story:
    """Asks, prints and checks."""

    def __init__(self, client: Client, world: World) -> None:
        """Take whom to ask, and what is known of the answers."""
        self._client = client
        self._world = world

    def ask(self, person: Person, question: str, expected: Sequence[str], session_id: str | None = None) -> Data:
        """Ask through the flow, or in a session through the script, and print the answer with its citations."""
        page.labelled("Q", question)
        if session_id is None:
            answered = self._client.flow("f/chatbot/answer_question", question=question, **person.identity)
        else:
            answered = self._client.script(
                "f/chatbot/chat", question=question, session_id=session_id, **person.identity
            )
            if answered["session_id"] != session_id:
                raise DemoFailed("A follow-up question began a new session.")
        page.labelled("A", answered["answer"])
        self._finish(person, question, expected, answered)
        return answered

    def ask_streamed(self, person: Person, question: str, expected: Sequence[str]) -> None:
        """Ask with ``stream`` and print the answer as it arrives, then its citations."""
        page.labelled("Q", question)
        written = ""
        answered: Data | None = None
        page.type_out("A  ")
        for event in self._client.stream("f/chatbot/chat", question=question, stream=True, **person.identity):
            if event["type"] == "answer":
                written += event["text"]
                page.type_out(event["text"])
            elif event["type"] == "complete":
                answered = event["data"]
        page.type_out("\n")
        if answered is None or written.strip() != answered["answer"].strip():
            raise DemoFailed("What was streamed is not the answer.")
        self._finish(person, question, expected, answered)

    def ask_in_vain(self, person: Person, question: str, secrets: Sequence[str]) -> None:
        """Ask, print, and check that there is no answer in it and none of the secrets."""
        page.labelled("Q", question)
        answered = self._client.flow("f/chatbot/answer_question", question=question, **person.identity)
        page.labelled("A", answered["answer"])
        self._check_citations(person, answered)
        if answered["answered"] or answered["citations"]:
            raise DemoFailed(f"{person} got an answer to: {question}")
        if any(secret in str(answered) for secret in secrets):
            raise DemoFailed(f"{person} was told a secret in the answer to: {question}")
        print(f"   answered: no, citations: {len(answered['citations'])}")

    def search_in_vain(self, person: Person, query: str, document_ids: list[int]) -> None:
        """Search in documents that the person may not see, named by their ids, and check that nothing is found."""
        found = self._client.script("f/chatbot/search", query=query, document_ids=document_ids, **person.identity)
        named = f"{len(document_ids)} document ids" if len(document_ids) > 1 else f"document id {document_ids[0]}"
        print(f'   search "{query}" with {named}: total {found["total"]}')
        if not document_ids or found["total"] or found["documents"]:
            raise DemoFailed(f"{person} found something that they may not see.")

    def _finish(self, person: Person, question: str, expected: Sequence[str], answered: Data) -> None:
        """Print the citations of an answer and check it."""
        for cited in answered["citations"]:
            page.citation(cited)
        print(f"   {answered['provider']}, {answered['model']}, confidence {answered['confidence']:.2f}")
        if not answered["answered"] or not answered["citations"]:
            raise DemoFailed(f"{person} got no answer to: {question}")
        missing = [text for text in expected if text not in answered["answer"]]
        if missing:
            raise DemoFailed(f"The answer to '{question}' does not say {missing[0]}.")
        self._check_citations(person, answered)

    def _check_citations(self, person: Person, answered: Data) -> None:
        """Check that every citation is of a document that the person may see, and quotes it exactly."""
        for cited in answered["citations"]:
            self._check_citation(person, answered["answer"], cited)

    def _check_citation(self, person: Person, answer: str, cited: dict[str, Any]) -> None:
        """Check one citation."""
        document = self._world.documents.get((person.tenant.slug, cited["document_id"]))
        if document is None:
            raise DemoFailed(f"{person} got a citation of another tenant's document.")
        own = document.visibility == "private" and document.assigned_to == person.name
        least = _SIGHT_NEEDED.get(document.visibility, "admin")
        if not own and _RANKS.index(person.member_type) < _RANKS.index(least):
            raise DemoFailed(f"{person} got a citation of a document that they may not see.")
        if document.content[cited["start"] : cited["end"]] != cited["quote"] or not cited["quote"].strip():
            raise DemoFailed(f"The quote of citation [{cited['n']}] is not at its place in {document.title}.")
        if cited["title"] != document.title or f"[{cited['n']}]" not in answer:
            raise DemoFailed(f"Citation [{cited['n']}] does not belong to the answer.")
        before = document.content.count("\f", 0, cited["start"])
        if "\f" in document.content and cited["page"] != before + 1:
            raise DemoFailed(f"Citation [{cited['n']}] names page {cited['page']} instead of {before + 1}.")
