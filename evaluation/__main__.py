"""``python -m evaluation --data DIR``: how good search and answers are. See evaluation/README.md."""

import argparse
import os
import sys
import time
from pathlib import Path

from evaluation import answers, dates, duplicates, hybrid, suggestions, words_alone
from evaluation.data import DataError, EvaluationSet, read_sets
from evaluation.jobs import JobFailed
from evaluation.judge import Judge
from evaluation.models import PROVIDERS, ModelError, chosen_models
from evaluation.report import Results, results_folder
from evaluation.run import Run
from evaluation.stage import open_stage
from f.core.ai_settings import ModelSettings
from f.core.errors import KnowledgeError

PARTS = ("words", "hybrid", "chunking", "answers", "duplicates", "suggestions", "ocr", "dates")
_ANSWERED = 100
_REFUSED = 2


def main(arguments: list[str] | None = None) -> int:
    """Measure what was asked for, and return the exit code."""
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        _measure(chosen)
    except (DataError, ModelError, JobFailed, KnowledgeError) as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return _REFUSED
    return 0


def _measure(chosen: argparse.Namespace) -> None:
    """Read the data, put it on the stage, and run the parts."""
    folder = chosen.out or results_folder()
    whole = read_sets(chosen.data)
    sets = [found.first(chosen.questions) for found in whole]
    if "chunking" in chosen.parts and (chosen.data / "chunking").is_dir():
        _measure_chunking(chosen.data, folder)
    if "ocr" in chosen.parts:
        _measure_ocr(whole, folder)
    if "dates" in chosen.parts:
        dates.measure(folder)
    chat = ModelSettings(chosen.chat_model, chosen.chat_base_url or chosen.base_url) if chosen.chat_model else None
    models = chosen_models(chosen.provider, chosen.model, chosen.base_url, chosen.cache, chat)
    parts = [part for part in PARTS if part in chosen.parts and part not in ("chunking", "ocr", "dates")]
    if not parts:
        return
    with open_stage() as stage, stage.members() as database:
        results = Results(folder, "quality", **stage.versions())
        run = Run(stage, database, sets, whole, models, folder)
        for part in parts:
            begun = time.monotonic()
            if part == "words":
                words_alone.measure(run, results)
            elif part == "hybrid":
                hybrid.measure(run, results)
            elif part == "duplicates":
                duplicates.measure(run, results)
            elif part == "suggestions":
                suggestions.measure(run, results)
            elif models.own:
                answers.measure(run, results, chosen.answers, _judge(chosen))
            else:
                print(f"\nanswers: left out, because chat embeds questions itself and does not know {models.provider}.")
            print(f"\n{part}: {time.monotonic() - begun:.0f} seconds")
        print(f"\nresults: {results.save()}, with plots beside it")


def _measure_chunking(data: Path, folder: Path) -> None:
    """Compare ways of cutting; its libraries are imported here alone."""
    from evaluation import chunking  # noqa: PLC0415

    chunking.main(data, folder)


def _measure_ocr(sets: list[EvaluationSet], folder: Path) -> None:
    """Measure OCR; what draws its pages is imported here alone."""
    from evaluation import ocr  # noqa: PLC0415

    ocr.measure(sets, folder)


def _judge(chosen: argparse.Namespace) -> Judge | None:
    """Return the judge, where one is configured."""
    if not chosen.judge_model:
        return None
    if not chosen.judge_base_url:
        raise ModelError("--judge-model needs --judge-base-url, such as http://localhost:11434/v1.")
    return Judge(ModelSettings(chosen.judge_model, chosen.judge_base_url), os.environ.get("JUDGE_API_KEY", ""))


def _parser() -> argparse.ArgumentParser:
    """Describe the arguments."""
    parser = argparse.ArgumentParser(prog="python -m evaluation", description="How good search and answers are.")
    parser.add_argument("--data", type=Path, required=True, help="a folder as evaluation/README.md describes it")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, help="what to measure (all)")
    parser.add_argument("--provider", choices=PROVIDERS, default="offline", help="who embeds, reranks and answers")
    parser.add_argument("--model", help="the embedding model; offline and cohere have a default")
    parser.add_argument("--base-url", help="where openai_compatible is served, such as http://localhost:11434/v1")
    parser.add_argument("--chat-model", help="the model that answers; openai_compatible and cohere")
    parser.add_argument("--chat-base-url", help="where it is served, if elsewhere")
    parser.add_argument("--judge-model", help="a model that grades answers (JUDGE_API_KEY, if its server wants one)")
    parser.add_argument("--judge-base-url", help="where the judge is served, over OpenAI's protocol")
    parser.add_argument("--questions", type=int, help="so many questions of each set, evenly spread (all)")
    parser.add_argument("--answers", type=int, default=_ANSWERED, help=f"how many of each set to answer ({_ANSWERED})")
    parser.add_argument("--cache", type=Path, help="a folder in which vectors are kept, to be made once only")
    parser.add_argument("--out", type=Path, help="where results and plots go ($RESULTS, else .build/results)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
