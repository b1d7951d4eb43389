"""The input transforms of flows: fixed values, and JavaScript run by V8.

Module of the stand-in for Windmill. An expression sees ``flow_input``, ``results``, ``previous_result``, ``result``,
``error`` and ``params``; it may be one expression or several statements, whose last value counts. ``variable()`` and
``resource()`` are not offered: flows hand references (``$var:``) to the step instead.
"""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from py_mini_racer import JSEvalException, MiniRacer

TIMEOUT_SECONDS = 10.0
_MAX_BYTES = 512 * 1024 * 1024

_PRELUDE = """
globalThis.__evaluate = function (source, names, values) {
  'use strict';
  const unsupported = (name) => () => { throw new Error(name + '() is not in the local stand-in for Windmill'); };
  const scope = ['variable', 'resource', ...names];
  const given = [unsupported('variable'), unsupported('resource'), ...values];
  let body;
  try {
    body = new Function(...scope, 'return (\\n' + source + '\\n)');
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    body = new Function(...scope, 'return eval(' + JSON.stringify(source) + ')');
  }
  const value = body(...given);
  return JSON.stringify(value) ?? 'null';
};
"""


class TransformFailed(Exception):
    """An expression could not be evaluated."""


class Transforms:
    """A JavaScript engine for the expressions of flows; one evaluation runs at a time, in a thread of its own."""

    def __init__(self, timeout_seconds: float = TIMEOUT_SECONDS) -> None:
        """Set up nothing yet: the engine starts with the first expression."""
        self._timeout_seconds = timeout_seconds
        self._engine: MiniRacer | None = None
        self._lock = asyncio.Lock()

    async def evaluate(self, expression: str, scope: Mapping[str, Any]) -> Any:
        """Evaluate an expression.

        Args:
            expression: JavaScript.
            scope: What it can name; each value is copied into the engine as JSON.

        Returns:
            Its value as plain JSON data; ``undefined`` is None.

        Raises:
            TransformFailed: When it throws, takes too long, or is no JavaScript.
        """
        used = {name: value for name, value in scope.items() if name in expression}
        call = f"__evaluate({json.dumps(expression)}, {json.dumps(list(used))}, {json.dumps(list(used.values()))})"
        async with self._lock:
            try:
                return json.loads(await asyncio.to_thread(self._run, call))
            except JSEvalException as error:
                raise TransformFailed(
                    f"Error during isolated evaluation of expression `{expression}`:\n{error}"
                ) from error

    async def value_of(self, transform: object, scope: Mapping[str, Any]) -> Any:
        """Give the value of an input transform, ``{"type": "static" | "javascript", ...}``.

        Raises:
            TransformFailed: When it is malformed or its expression fails.
        """
        if not isinstance(transform, dict):
            raise TransformFailed(f"not an input transform: {transform!r}")
        if transform.get("type") == "static":
            return transform.get("value")
        if transform.get("type") == "javascript" and isinstance(transform.get("expr"), str):
            return await self.evaluate(transform["expr"], scope)
        raise TransformFailed(f"unknown type of input transform: {transform.get('type')!r}")

    async def is_true(self, expression: str, scope: Mapping[str, Any]) -> bool:
        """Evaluate a condition; any value of JavaScript counts as true or false."""
        return bool(await self.evaluate(f"Boolean({expression})", scope))

    def close(self) -> None:
        """End the engine."""
        if self._engine is not None:
            self._engine.close()
            self._engine = None

    def _run(self, call: str) -> str:
        if self._engine is None:
            self._engine = MiniRacer()
            self._engine.eval(_PRELUDE)
        return str(self._engine.eval(call, timeout_sec=self._timeout_seconds, max_memory=_MAX_BYTES))
