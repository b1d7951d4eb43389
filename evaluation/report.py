"""What evaluations and benchmarks print and keep: tables, plots, and results as JSON lines.

Results name the machine by its cores and memory, never by a host name or a path, so that they can be published.
"""

import json
import os
import platform
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from textwrap import fill
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Row = dict[str, str | int | float | None]

DEFAULT_FOLDER = ".build/results"  # git ignores it
PROJECT_FILE = Path(__file__).resolve().parent.parent / "pyproject.toml"
LEAST_DIGITS_FROM = 100
WIDTH_INCHES, HEIGHT_INCHES, DOTS_PER_INCH = 8.0, 4.5, 120
LETTERS_ACROSS = 110
GROUP_WIDTH = 0.8


def results_folder() -> Path:
    """The folder for results: what the environment's ``RESULTS`` names, else `DEFAULT_FOLDER`."""
    return Path(os.environ.get("RESULTS") or DEFAULT_FOLDER)


def about(*, postgres: str | None = None, pgvector: str | None = None) -> Row:
    """What was measured with: date, cores, memory, and versions.

    Args:
        postgres: The server's version, where a database took part.
        pgvector: The extension's version, likewise.
    """
    row: Row = {
        "date": datetime.now(UTC).date().isoformat(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gb": _memory_gb(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "project": tomllib.loads(PROJECT_FILE.read_text("utf-8"))["project"]["version"],
    }
    if postgres:
        row["postgresql"] = postgres
    if pgvector:
        row["pgvector"] = pgvector
    return row


def print_table(title: str, rows: Sequence[Row], columns: Sequence[str] | None = None) -> None:
    """Print rows under a title, aligned: numbers to the right, text to the left.

    Args:
        title: One line above the table.
        rows: What to print; a column that a row lacks is left empty.
        columns: Which columns, in this order; all that occur, in the order of their occurrence, when it is missing.
    """
    names = list(columns) if columns is not None else list(dict.fromkeys(name for row in rows for name in row))
    cells = [[readable(row.get(name)) for name in names] for row in rows]
    widths = [max([len(name), *(len(line[place]) for line in cells)]) for place, name in enumerate(names)]
    rights = [all(not isinstance(row.get(name), str) for row in rows) for name in names]
    print(f"\n{title}")
    for line in [names, ["-" * width for width in widths], *cells]:
        print("  ".join(_aligned(*cell) for cell in zip(line, widths, rights, strict=True)).rstrip())


def readable(value: str | int | float | None) -> str:
    """A cell as people read it: nothing for None, and as many decimals as tell something."""
    if value is None:
        return ""
    if not isinstance(value, float):
        return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else str(value)
    if abs(value) >= LEAST_DIGITS_FROM:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3f}"


class Results:
    """Rows of several tables, kept in one file of JSON lines."""

    def __init__(self, folder: Path, name: str, *, postgres: str | None = None, pgvector: str | None = None) -> None:
        """Begin a file.

        Args:
            folder: Where `save` writes; it is made when it is missing.
            name: The file's name without ``.jsonl``.
            postgres: See `about`.
            pgvector: See `about`.
        """
        self._folder = folder
        self._name = name
        self._lines: list[dict[str, Any]] = [{"table": "about", **about(postgres=postgres, pgvector=pgvector)}]

    def add(self, table: str, row: Row) -> None:
        """Keep one row of a table."""
        self._lines.append({"table": table, **row})

    def save(self) -> Path:
        """Write all rows, the line that says what was measured with first; what was there is replaced."""
        self._folder.mkdir(parents=True, exist_ok=True)
        target = self._folder / f"{self._name}.jsonl"
        target.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in self._lines), "utf-8")
        return target


def save_plot(figure: "Figure", folder: Path, name: str) -> None:
    """Write a figure as ``<name>.png`` and ``<name>.svg``, and close it."""
    import matplotlib.pyplot as plt  # noqa: PLC0415  # a table alone needs no plotting

    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.png", dpi=DOTS_PER_INCH)
    figure.savefig(folder / f"{name}.svg", metadata={"Date": None})  # the same figure gives the same file
    plt.close(figure)


def bar_plot(
    title: str,
    labels: Sequence[str],
    series: Mapping[str, Sequence[float]],
    ylabel: str,
    *,
    least: float | None = None,
) -> "Figure":
    """Bars in groups: one group per label, in it one bar per series.

    Args:
        title: Above the plot.
        labels: The groups' names.
        series: By name, one number per label.
        ylabel: What the bars' height is, with its unit.
        least: Where the axis begins, when not at zero.
    """
    figure, axes = _axes(title, ylabel)
    width = GROUP_WIDTH / max(1, len(series))
    for place, (name, values) in enumerate(series.items()):
        shift = (place - (len(series) - 1) / 2) * width
        bars = axes.bar([group + shift for group in range(len(labels))], list(values), width, label=name)
        axes.bar_label(bars, labels=[readable(float(value)) for value in values], fontsize=7, padding=1)
    width_in_letters = max(8, LETTERS_ACROSS // max(1, len(labels)))
    lines = [label if "\n" in label else fill(label, width_in_letters) for label in labels]
    axes.set_xticks(range(len(labels)), lines, fontsize=8 if any("\n" in line for line in lines) else None)
    if least is not None:
        axes.set_ylim(bottom=least)
    _legend(axes, len(series))
    return figure


def line_plot(
    title: str, x: Sequence[float], series: Mapping[str, Sequence[float]], xlabel: str, ylabel: str
) -> "Figure":
    """Lines over common places of the x axis, one per series; see `bar_plot`."""
    figure, axes = _axes(title, ylabel)
    for name, values in series.items():
        axes.plot(list(x), list(values), marker="o", label=name)
    axes.set_xlabel(xlabel)
    _legend(axes, len(series))
    return figure


def _axes(title: str, ylabel: str) -> Any:
    """A new figure and its axes; drawn without a screen, with a fixed salt so that an SVG is the same each time."""
    import matplotlib as mpl  # noqa: PLC0415  # a table alone needs no plotting

    mpl.use("Agg")
    mpl.rcParams["svg.hashsalt"] = "family-brain"
    import matplotlib.pyplot as plt  # noqa: PLC0415

    figure, axes = plt.subplots(figsize=(WIDTH_INCHES, HEIGHT_INCHES), layout="constrained")
    axes.set_title(title)
    axes.set_ylabel(ylabel)
    axes.grid(axis="y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    return figure, axes


def _legend(axes: Any, entries: int) -> None:
    """A legend under the plot, where there is more than one thing to tell apart."""
    if entries > 1:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.12), ncol=min(entries, 4), frameon=False)


def _aligned(cell: str, width: int, right: bool) -> str:
    """A cell in its column's width."""
    return cell.rjust(width) if right else cell.ljust(width)


def _memory_gb() -> int | None:
    """The machine's memory, where the system tells it."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1024**3)
    except (AttributeError, ValueError, OSError):
        return None
