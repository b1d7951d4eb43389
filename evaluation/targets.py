"""What is aimed at, and whether it was reached. Pure."""

from dataclasses import dataclass

from evaluation.report import Row

_NAMES = {"xquad/en": "XQuAD English", "xquad/el": "XQuAD Greek", "policyqa": "PolicyQA"}


@dataclass(frozen=True, slots=True)
class Target:
    """A figure that a set's words alone should reach.

    Attributes:
        set_name: Which set.
        measure: ``R@1`` or ``R@5``.
        above_bm25: How much above plain BM25 in the same run; None where ``least`` counts.
        least: The least value itself.
    """

    set_name: str
    measure: str
    above_bm25: float | None = None
    least: float | None = None

    def row(self, ours: Row, bm25: Row) -> Row:
        """Say how far it was reached."""
        reached, base = float(ours[self.measure] or 0), float(bm25[self.measure] or 0)
        wanted = self.least if self.above_bm25 is None else base + self.above_bm25
        assert wanted is not None
        means = f"at least {self.least}" if self.above_bm25 is None else f"BM25 + {self.above_bm25}"
        return {
            "set": _NAMES.get(self.set_name, self.set_name),
            "measure": self.measure,
            "wanted": means,
            "which is": wanted,
            "measured": reached,
            "reached": "yes" if reached >= wanted else "NO",
        }


TARGETS = (
    Target("xquad/en", "R@1", above_bm25=0.015),
    Target("xquad/en", "R@5", least=0.985),
    Target("xquad/el", "R@1", above_bm25=0.03),
    Target("policyqa", "R@5", above_bm25=0.03),
)


def target_rows(ours: dict[str, Row], bm25: dict[str, Row], foreign: int) -> list[Row]:
    """Compare what was measured, by set, with what is aimed at; sets that no target names have none.

    Args:
        ours: The scores of words alone, by set.
        bm25: The yardstick's, by set.
        foreign: Rows of other tenants in all searches, of which there must be none.
    """
    rows = [target.row(ours[target.set_name], bm25[target.set_name]) for target in TARGETS if target.set_name in ours]
    return [*rows, _none_foreign(foreign)]


def _none_foreign(foreign: int) -> Row:
    """Say whether every row was of the tenant that asked."""
    return {
        "set": "all",
        "measure": "rows of other tenants",
        "wanted": "0",
        "which is": 0,
        "measured": foreign,
        "reached": "NO" if foreign else "yes",
    }


def hybrid_rows(ablations: list[Row]) -> list[Row]:
    """Say for each set whether words and vectors together are at least as good as words alone."""
    rows: list[Row] = []
    for name in dict.fromkeys(row["set"] for row in ablations):
        methods = {str(row["method"]): row for row in ablations if row["set"] == name}
        words = methods.pop("words")
        methods.pop("vectors", None)
        for method, row in methods.items():
            for measure in ("R@1", "R@5"):
                wanted, reached = float(words[measure] or 0), float(row[measure] or 0)
                rows.append(
                    {
                        "set": _NAMES.get(str(name), name),
                        "measure": f"{method}: {measure}",
                        "wanted": "words alone",
                        "which is": wanted,
                        "measured": reached,
                        "reached": "yes" if reached >= wanted else "NO",
                    }
                )
    return rows
