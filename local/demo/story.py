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
    page.scene(str(maria), "A follow-up question in the same session:")
    story.chat(maria, "And for an earthquake?", ["3,360 euro"], first["session_id"])
    page.scene(str(eleni), "A question in Greek, answered in Greek:")
    story.chat(eleni, "Πόσο κοστίζει η πενθήμερη εκδρομή;", ["345 ευρώ"])
    pages = 1 + max(document.content.count("\f") for document in world.documents.values())
    page.scene(str(leila), f"Streamed: the answer appears as it is written. The handbook has {pages} pages.")
    story.stream(leila, "For how many days of illness is a parent's note enough in the Middle School?", ["three"])

    page.heading("Who may not see it does not get it")
    salary = "What is Maria's gross monthly salary?"
    statement = world.ids(THESSALONIKI, "salary-maria.md")
    page.scene(str(maria), "An adult asks for something that is for adults only:")
    story.ask(maria, salary, ["2,729.60"])
    story.search(maria, "gross monthly salary", statement)
    page.scene(str(eleni), "A teen asks the same, and names the document by its id:")
    story.ask_in_vain(eleni, salary, ["2,729.60", "2,180"])
    story.search_in_vain(eleni, "gross monthly salary", statement)
    will = "Who is the executor of the will?"
    page.scene(str(nikos), "An admin asks for something that is for admins only:")
    story.ask(nikos, will, ["Anastasia"])
    page.scene(str(maria), "An adult asks the same:")
    story.ask_in_vain(maria, will, ["Anastasia"])
    session = "What does one session with Ioanna cost?"
    page.scene(str(maria), "She asks for something in a private note of hers:")
    story.chat(maria, session, ["55 euro"])
    page.scene(str(nikos), "Her husband asks the same. He is an admin, but this family keeps private what is private:")
    story.ask_in_vain(nikos, session, ["55 euro"])

    page.heading("Two families with the same names")
    appointment = "When is the next appointment of Nikos?"
    page.scene(str(nikos))
    story.ask(nikos, appointment, ["15 April 2027"])
    page.scene(str(voula), "The same question in the other family:")
    story.ask(voula, appointment, ["16 February 2027"])
    ferry = "What does the ferry to Thassos cost?"
    page.scene(str(eleni))
    story.ask(eleni, ferry, ["47.60 euro"])
    story.search(eleni, "ferry to Thassos", world.ids(THESSALONIKI))
    page.scene(str(voula), "The other family asks for it, and names all the first family's documents by their ids:")
    story.ask_in_vain(voula, ferry, ["47.60", "FKL-88213"])
    story.search_in_vain(voula, "ferry to Thassos", world.ids(THESSALONIKI))

    page.heading("What the documents do not say")
    page.scene(str(maria))
    story.ask_in_vain(maria, "Which telescope did the astronomers of Andromeda recommend?", [])


def tell_of_files(client: Client, world: World) -> None:
    """Ask what only stands in files of other types, and check the answers against the text that was read out of them.

    Raises:
        DemoFailed: With the first thing that does not hold.
    """
    story = _Story(client, world)
    voula, sophie = (world.person(MELBOURNE, name) for name in ("Voula Anagnostou", "Sophie Papadopoulos"))
    eleni, leila = world.person(THESSALONIKI, "Eleni Papadopoulou"), world.person(SCHOOL, "Leila Haddad")
    rates = "When is the third instalment of the council rates due?"
    page.scene(str(voula), "The answer stands on the second page of a PDF:")
    story.ask(voula, rates, ["28 February 2027"], on_page=2)
    page.scene(str(sophie), "A child asks the same. The PDF is for adults only:")
    story.ask_in_vain(sophie, rates, ["28 February 2027", "488.15"])
    if world.ids(THESSALONIKI, "lift-notice-photo.jpg"):
        page.scene(str(eleni), "The answer was read out of a photo of a notice in the stairwell, in Greek:")
        story.ask(eleni, "Πότε θα γίνει η συντήρηση του ανελκυστήρα;", ["11 Μαρτίου 2027"])
    page.scene(str(leila), "A Word document has no pages; its citation is as exact:")
    story.ask(leila, "What deposit does the robotics club ask for each kit?", ["85 euro"])


class _Story:
    """Asks, prints and checks."""

    def __init__(self, client: Client, world: World) -> None:
        """Take whom to ask, and what is known of the answers."""
        self._client = client
        self._world = world

    def ask(self, person: Person, question: str, expected: Sequence[str], on_page: int | None = None) -> Data:
        """Ask through the flow: it searches and answers from what was found, on this page if one is given."""
        page.labelled("Q", question)
        answered = self._client.flow("f/chatbot/answer_question", question=question, **person.identity)
        page.labelled("A", answered["answer"])
        self._finish(person, question, expected, answered)
        if on_page not in (None, answered["citations"][0]["page"]):
            raise DemoFailed(f"The first citation names another page than {on_page}.")
        return answered

    def chat(self, person: Person, question: str, expected: Sequence[str], session_id: str | None = None) -> None:
        """Ask the script, which searches by itself and goes on with a session if there is one."""
        page.labelled("Q", question)
        answered = self._client.script("f/chatbot/chat", question=question, session_id=session_id, **person.identity)
        page.labelled("A", answered["answer"])
        self._finish(person, question, expected, answered)
        if session_id not in (None, answered["session_id"]):
            raise DemoFailed("A follow-up question began a new session.")

    def stream(self, person: Person, question: str, expected: Sequence[str]) -> None:
        """Ask with ``stream`` and print what arrives, as it arrives, then the citations."""
        page.labelled("Q", question)
        written = ""
        answered: Data = {}
        typewriter = page.Typewriter("A")
        for event in self._client.stream("f/chatbot/chat", question=question, stream=True, **person.identity):
            if event["type"] == "search":
                titles = dict.fromkeys(str(document["title"]) for document in event["documents"])
                page.labelled("..", f"passages found in: {', '.join(titles)}")
            elif event["type"] == "answer":
                written += event["text"]
                typewriter.write(event["text"])
            elif event["type"] == "complete":
                answered = event
        typewriter.finish()
        if written.strip() != str(answered.get("answer")).strip():
            raise DemoFailed("What was streamed is not the answer.")
        self._finish(person, question, expected, answered)

    def search(self, person: Person, query: str, document_ids: list[int]) -> None:
        """Search in documents that the person may see, and check that something is found."""
        if not self._total(person, query, document_ids):
            raise DemoFailed(f"{person} did not find a document that they may see.")

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
        if self._total(person, query, document_ids):
            raise DemoFailed(f"{person} found something that they may not see.")

    def _total(self, person: Person, query: str, document_ids: list[int]) -> int:
        """Search, print how much was found, and return it."""
        found = self._client.script("f/chatbot/search", query=query, document_ids=document_ids, **person.identity)
        named = f"{len(document_ids)} document ids" if len(document_ids) > 1 else f"document id {document_ids[0]}"
        print(f'   search "{query}" with {named}: total {found["total"]}')
        if found["total"] != len(found["documents"]) and not found["has_more"]:
            raise DemoFailed("A search tells of more than it shows.")
        return int(found["total"])

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
