"""Where the evaluation data lies, for tests and benchmarks on real texts; tests are skipped where it is not there."""

import os
from pathlib import Path

import pytest

DATA = (Path(__file__).resolve().parents[2] / (os.environ.get("DATA") or "../shared/evaluation")).resolve()
"""The folder that the variable DATA names, from the repository, or the one beside the repository."""


def needs_data(*names: str) -> pytest.MarkDecorator:
    """Mark a test that needs some of the data.

    Args:
        names: Files or folders in it.
    """
    missing = [str(DATA / name) for name in names if not (DATA / name).exists()]
    reason = f"there is no {', '.join(missing)}; evaluation/README.md says what it is, and DATA names another folder"
    return pytest.mark.skipif(bool(missing), reason=reason)
