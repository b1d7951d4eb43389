"""What a question costs: calls, tokens and micro-USD, ours against the usual way, at equal quality of the answer.

Documents are whole articles: the passages of ``xquad/en`` in the folder that the environment's ``DATA`` names, put
together by their titles. The usual way embeds the question, takes the ten nearest documents by their vectors, reranks
them whole, and gives them to the model whole; ours is ``chat`` itself, with its database, its prompt and its checks.
Both ask the same providers on loopback, which keep what they were sent: calls and tokens (UTF-8 bytes / 4) are counted
there, and priced as ``resources/chatbot/ai_settings.resource.yaml`` says. Their embeddings and scores are the offline
models'; their chat model answers from the passages of whatever prompt it is sent, with the sentences that fit best.

Quality is measured, not assumed: whether the prompt holds the words around the right answer, and whether the answer
holds it. One search of the reranker is a question with up to 100 documents, each of them cut after 500 tokens into
several (Cohere's rule). One run takes about a minute and a half.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace

from evaluation.data import DataError, EvaluationSet, Passage, Question, read_sets
from evaluation.report import Results, Row, bar_plot, print_table, results_folder, save_plot
from evaluation.stage import Stage, embed_stored, open_stage
from f.core.ai_settings import AiSettings
from f.core.database import Database
from f.core.identity import Caller
from f.core.offline_embedding import embed
from tests.benchmarks.cost_ways import DOCUMENTS, Providers, Spent, ask_all, counting_providers, our_way, usual_way
from tests.support.evaluation_data import DATA
from tests.support.provider_servers import cohere_server, groq_server

SET = "xquad/en"
QUESTIONS = 120
REPEATED_EVERY = 5
"""Of the questions with repeats every fifth is one that the same member has asked before: 20 %."""
TARGET = 0.5
USUAL, OURS, REPEATED = "usual: 10 whole documents", "ours", "20 % repeated"
USUAL_REPEATED = f"{REPEATED}, usual"


def main() -> None:
    """Measure, print, and keep the results; without the data say where it is to come from."""
    try:
        [chosen] = [one for one in read_sets(DATA) if one.name == SET]
    except (DataError, ValueError):
        print(f"Nothing was measured: {DATA} has no set {SET}; DATA names another folder.", file=sys.stderr)
        return
    with open_stage() as stage, stage.members() as database, cohere_server() as cohere, groq_server() as groq:
        providers = counting_providers(cohere, groq, chosen)
        rows = _measure(stage, database, chosen, providers)
    _report(rows)


def _measure(stage: Stage, database: Database, chosen: EvaluationSet, providers: Providers) -> dict[str, Spent]:
    """Ask in every way, and return what each took."""
    questions = chosen.first(QUESTIONS).questions
    again = [*questions[: QUESTIONS - QUESTIONS // REPEATED_EVERY], *questions[: QUESTIONS // REPEATED_EVERY]]
    articles = _articles(chosen)
    vectors = embed([article.text for article in articles])
    settings = providers.settings
    keeping = replace(settings, answer_cache_seconds=3600.0)
    always = replace(settings, answers_rerank_in_doubt=False)
    never = replace(settings, rerank_by_default=False)

    def ours(asked: Sequence[Question], settings: AiSettings) -> Spent:
        caller = _stored(stage, database, articles, settings.embed.model)
        return ask_all(providers, asked, our_way(database, caller, settings, providers))

    def usual(asked: Sequence[Question], kept: int) -> Spent:
        return ask_all(providers, asked, usual_way(articles, vectors, providers, kept))

    return {
        USUAL: usual(questions, DOCUMENTS),
        "usual, the 5 best of them shown": usual(questions, DOCUMENTS // 2),
        OURS: ours(questions, settings),
        "ours, always reranked": ours(questions, always),
        "ours, never reranked": ours(questions, never),
        USUAL_REPEATED: usual(again, DOCUMENTS),
        f"{REPEATED}, ours": ours(again, settings),
        f"{REPEATED}, ours keeping answers": ours(again, keeping),
    }


def _articles(chosen: EvaluationSet) -> tuple[Passage, ...]:
    """Put the passages of a title together into one document."""
    texts: dict[str, list[str]] = {}
    for passage in chosen.passages:
        texts.setdefault(passage.title, []).append(passage.text)
    return tuple(Passage(title, "all", title.replace("_", " "), "\n\n".join(parts)) for title, parts in texts.items())


def _stored(stage: Stage, database: Database, articles: tuple[Passage, ...], model: str) -> Caller:
    """Store the articles for a new tenant, which has asked nothing yet, and return a member of it."""
    stored = stage.store(database, EvaluationSet(SET, articles, ()))
    embed_stored(stored, embed, model)
    [tenant] = stored.tenants.values()
    return tenant.caller


def _report(spent: dict[str, Spent]) -> None:
    """Print a row for each way, with its share of what the usual way costs, and keep them."""
    results, rows = Results(results_folder(), "cost"), []
    for name, way in spent.items():
        usual = spent[USUAL_REPEATED if name.startswith(REPEATED) else USUAL]
        row: Row = {
            "way": name,
            "calls": way.calls / way.questions,
            "tokens in": way.input_tokens / way.questions,
            "tokens out": way.output_tokens / way.questions,
            "searches": way.searches / way.questions,
            "micro-USD": way.cost_microusd / way.questions,
            "of it reranking": way.reranking_microusd / way.questions,
            "of usual": way.cost_microusd / usual.cost_microusd,
            "prompt holds": way.shown,
            "answer holds": way.answered,
        }
        rows.append(row)
        results.add("cost per question", row)
    print_table(f"Cost per question ({spent[OURS].questions} questions of {SET})", rows)
    ours = spent[OURS].cost_microusd / spent[USUAL].cost_microusd
    print(f"ours / usual: {ours:.2f} (at most {TARGET:.2f}: {'reached' if ours <= TARGET else 'NOT reached'})")
    figure = bar_plot(
        "Cost per question", [str(row["way"]) for row in rows],
        {"micro-USD": [float(row["micro-USD"] or 0) for row in rows]}, "micro-USD",
    )  # fmt: skip
    save_plot(figure, results_folder(), "cost")
    results.save()
