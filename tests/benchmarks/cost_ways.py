"""The ways of asking whose cost is compared, and providers on loopback that count what they are asked: for ``cost``."""

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import httpx
import yaml

from evaluation.data import EvaluationSet, Passage, Question
from f.core.ai_settings import AiSettings, ModelSettings, ProviderKeys, parse_ai_settings
from f.core.asking import Asked, Asker
from f.core.database import Database
from f.core.identity import Caller
from f.core.question_cache import SPACE_AND_KNOWN_VECTOR, folded, places_of
from f.core.retrieval import SearchFilter
from f.core.searching import Searcher
from f.core.usage import UsageEvent, cost_microusd
from f.core.words import count_tokens
from local.stack import REPOSITORY
from tests.database.sight_stage import in_a_job
from tests.support.provider_servers import CohereServer, OpenAiServer
from tests.support.reading_model import read_passages

DOCUMENTS = 10
"""Whole documents that the usual way reranks."""
RERANK_DOCUMENT_TOKENS, RERANK_SEARCH_DOCUMENTS = 500, 100
AROUND = 40
"""Characters on both sides of the right answer that the prompt must hold too, or the place would be another."""

_RULES = "Answer the question from the passages alone, and cite them as [n]. If they do not hold the answer, say so."
Ask = Callable[[Question], tuple[str, str]]
"""Asks a question; gives the prompt that the model had, and the answer."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What a way of asking took, over all its questions, and how often it was right."""

    questions: int
    calls: int
    input_tokens: int
    output_tokens: int
    searches: int
    cost_microusd: float
    reranking_microusd: float
    shown: float
    answered: float


@dataclass(slots=True)
class Providers:
    """The two providers, what was asked of them, and what it costs.

    Attributes:
        said: What the chat model answered, in the order of the requests to it.
        settings: The models and their prices.
        marks: What is right, by the question.
    """

    cohere: CohereServer
    groq: OpenAiServer
    said: list[str]
    settings: AiSettings
    marks: dict[str, "Marked"]

    def forget(self) -> None:
        """Begin to count."""
        for server in (self.cohere, self.groq):
            server.requests.clear()
        self.said.clear()

    def spent(self, questions: Sequence[tuple[Question, str, str]]) -> Spent:
        """Count and price what was asked since ``forget``; the questions come with their prompts and their answers."""
        events = [event for request in [*self.cohere.requests, *self.groq.requests] for event in _events(request.body)]
        events += [UsageEvent("", "chat", self.settings.chat.model, output_tokens=count_tokens(s)) for s in self.said]
        prices = {event.model: self.settings.prices_of(event.model) or ModelSettings("") for event in events}
        costs = [(event.operation, cost_microusd(event, prices[event.model])) for event in events]
        return Spent(
            len(questions),
            len(self.cohere.requests) + len(self.groq.requests),
            sum(event.input_tokens for event in events),
            sum(event.output_tokens for event in events),
            sum(event.searches for event in events),
            sum(cost for _, cost in costs),
            sum(cost for operation, cost in costs if operation == "rerank"),
            statistics.mean(self.marks[one.text].around in _flat(prompt) for one, prompt, _ in questions),
            statistics.mean(self.marks[one.text].right in _flat(answer) for one, _, answer in questions),
        )


@dataclass(frozen=True, slots=True)
class Marked:
    """What of a question's right answer is looked for."""

    right: str
    around: str


def ask_all(providers: Providers, questions: Sequence[Question], ask: Ask) -> Spent:
    """Ask every question in one way."""
    providers.forget()
    return providers.spent([(question, *ask(question)) for question in questions])


def our_way(database: Database, caller: Caller, settings: AiSettings, providers: Providers) -> Ask:
    """Give a way to ask as ``chat`` does; a repeated question that no model is asked has the prompt that it had."""
    prompts: dict[str, str] = {}

    def ask(question: Question) -> tuple[str, str]:
        found: list[str] = []

        def work() -> None:
            places = places_of(caller.tenant_id, caller.member_id, question.text, settings.embed.model, None)
            searcher = Searcher(
                database.admit(caller, SPACE_AND_KNOWN_VECTOR, places), caller, settings, ProviderKeys("key", "key")
            )
            if searcher.database.beside["vector"] is not None:
                searcher.vectors[folded(question.text)] = searcher.database.beside["vector"]
            asker = Asker(searcher, None)
            data = asker.ask(Asked(question.text, None, SearchFilter(), None))
            if not data["cached"]:
                prompts[question.text] = str(providers.groq.requests[-1].body["messages"][-1]["content"])
            found.append(data["answer"])

        in_a_job(work)
        return prompts[question.text], found[0]

    return ask


def usual_way(articles: Sequence[Passage], vectors: list[list[float]], providers: Providers, kept: int) -> Ask:
    """Give a way to ask as is usual: nearest documents, reranked whole, given whole."""
    settings, http = providers.settings, httpx.Client(timeout=60)

    def post(model: ModelSettings, path: str, body: dict[str, Any]) -> Any:
        answer = http.post(f"{model.base_url}{path}", json={"model": model.model, **body})
        return answer.raise_for_status().json()

    def ask(question: Question) -> tuple[str, str]:
        wanted = {"texts": [question.text], "input_type": "search_query", "embedding_types": ["float"]}
        made = post(settings.embed, "/v2/embed", {**wanted, "output_dimension": 1024})["embeddings"]["float"][0]
        near = sorted(range(len(articles)), key=lambda n: -sum(a * b for a, b in zip(made, vectors[n], strict=True)))
        documents = [articles[n] for n in near[:DOCUMENTS]]
        assert settings.rerank is not None
        texts = [f"{document.title}\n{document.text}" for document in documents]
        ranked = post(settings.rerank, "/v2/rerank", {"query": question.text, "documents": texts, "top_n": kept})
        best = [documents[result["index"]] for result in ranked["results"]]
        blocks = [
            f"<passage {n} x>\ndocument: {one.title}\n\n{one.text}\n</passage {n} x>" for n, one in enumerate(best, 1)
        ]
        prompt = "\n\n".join([*blocks, f"<question x>\n{question.text}\n</question x>"])
        messages = [{"role": "system", "content": _RULES}, {"role": "user", "content": prompt}]
        written = post(settings.chat, "/openai/v1/chat/completions", {"messages": messages})
        return prompt, str(written["choices"][0]["message"]["content"])

    return ask


def counting_providers(cohere: CohereServer, groq: OpenAiServer, chosen: EvaluationSet) -> Providers:
    """Give the providers a chat model that reads, and the settings that lead to them at the shipped prices."""
    shipped = yaml.safe_load((REPOSITORY / "resources/chatbot/ai_settings.resource.yaml").read_text("utf-8"))["value"]
    for name, server in (("embed", cohere), ("rerank", cohere), ("chat", groq), ("fallback_chat", cohere)):
        shipped[name]["base_url"] = server.base_url
    providers = Providers(cohere, groq, [], parse_ai_settings(shipped), _marks(chosen))

    def read(messages: list[dict[str, Any]]) -> str:
        providers.said.append(read_passages(messages))
        return providers.said[-1]

    groq.answer = read
    return providers


def _events(body: dict[str, Any]) -> list[UsageEvent]:
    """Tell what a request to a provider takes, as the provider bills it."""
    if "texts" in body:
        return [UsageEvent("", "embed", body["model"], input_tokens=sum(map(count_tokens, body["texts"])))]
    if "documents" in body and "query" in body:
        pieces = sum(-(-count_tokens(text) // RERANK_DOCUMENT_TOKENS) for text in body["documents"])
        return [UsageEvent("", "rerank", body["model"], searches=-(-pieces // RERANK_SEARCH_DOCUMENTS))]
    tokens = sum(count_tokens(str(message["content"])) for message in body["messages"])
    return [UsageEvent("", "chat", body["model"], input_tokens=tokens)]


def _marks(chosen: EvaluationSet) -> dict[str, Marked]:
    """Say of each question what is right, and where that stands."""
    texts = {passage.id: passage.text for passage in chosen.passages}
    marks = {}
    for question in chosen.questions:
        text, right = texts[question.passages[0]], question.answers[0]
        start = text.index(right)
        around = text[max(0, start - AROUND) : start + len(right) + AROUND]
        marks[question.text] = Marked(_flat(right), _flat(around))
    return marks


def _flat(text: str) -> str:
    """Fold white space."""
    return " ".join(text.split())
