"""Timing pairs of actions in turn, and printing them as ratios."""

import statistics
import time
from collections.abc import Callable, Mapping

Action = Callable[[], object]


def milliseconds(action: Action) -> float:
    """Time an action."""
    began = time.perf_counter()
    action()
    return (time.perf_counter() - began) * 1000


def paired(pairs: Mapping[str, tuple[Action, Action]], rounds: int) -> dict[str, list[tuple[float, float]]]:
    """Time each pair's two actions one after the other, the first one first in every other round.

    Returns:
        For each name the milliseconds of both, a pair a round. The first two rounds are not counted.
    """
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in pairs}
    for number in range(rounds + 2):
        for name, (one, other) in pairs.items():
            if number % 2:
                second = milliseconds(other)
                taken = (milliseconds(one), second)
            else:
                first = milliseconds(one)
                taken = (first, milliseconds(other))
            if number >= 2:
                times[name].append(taken)
    return times


def print_ratios(title: str, times: Mapping[str, list[tuple[float, float]]], columns: tuple[str, str]) -> None:
    """Print each pair's medians, the ratio of the medians, and the spread of the rounds' ratios (10 % to 90 %)."""
    print(f"\n{title:<52}{columns[0]:>12}{columns[1]:>12}{'ratio':>8}{'10-90 %':>14}")
    for name, taken in times.items():
        ones, others = [one for one, _ in taken], [other for _, other in taken]
        one, other = statistics.median(ones), statistics.median(others)
        ratios = sorted(first / second for first, second in taken)
        low, high = ratios[len(ratios) // 10], ratios[-1 - len(ratios) // 10]
        print(f"{name:<52}{one:>9.3f} ms{other:>9.3f} ms{one / other:>8.2f}{low:>8.2f}-{high:.2f}")


def percentile(values: list[float], share: float) -> float:
    """Return the value below which a share of the values lies."""
    ordered = sorted(values)
    return ordered[round(share * (len(ordered) - 1))]
