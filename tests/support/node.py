"""Whether Windmill's own tools can be run here."""

import shutil

import pytest

from deploy.tools import NODE_MODULES

needs_node = pytest.mark.skipif(
    shutil.which("node") is None or not (NODE_MODULES / "windmill-cli").is_dir(),
    reason="Windmill's own tools need Node.js 20 and `npm ci`",
)
"""Marks tests that run Windmill's parsers, validators or command line."""
