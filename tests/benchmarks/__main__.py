"""``make bench``: all benchmarks, or those that are named (``python -m tests.benchmarks guards``)."""

import sys

from tests.benchmarks import (
    cost,
    files,
    guards,
    ingest,
    load,
    neighbours,
    peers_side_by_side,
    search_at_scale,
    search_by_size,
    start_of_job,
)

BENCHMARKS = {
    "search_by_size": search_by_size.main,
    "search_at_scale": search_at_scale.main,
    "guards": guards.main,
    "neighbours": neighbours.main,
    "load": load.main,
    "cost": cost.main,
    "start_of_job": start_of_job.main,
    "peers": peers_side_by_side.main,
    "ingest": ingest.main,
    "files": files.main,
}


def main(names: list[str]) -> int:
    """Run benchmarks one after the other."""
    unknown = [name for name in names if name not in BENCHMARKS]
    if unknown:
        print(f"There is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.", file=sys.stderr)
        return 2
    for name in names or BENCHMARKS:
        print(f"== {name} ==")
        BENCHMARKS[name]()
        print()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
