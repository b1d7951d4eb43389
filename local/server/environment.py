"""The environment of jobs: little of the server's own, and what Windmill tells a job about itself.

Module of the stand-in for Windmill.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

# What a job inherits from the server's environment; the rest is none of its business.
_INHERITED = (
    *("PATH", "HOME", "TZ", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"),
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"),
)
_COVERAGE = "COVERAGE_"
_LOOPBACK = "127.0.0.1,localhost"


@dataclass(frozen=True, slots=True)
class JobEnvironment:
    """Makes the environment of a job.

    Attributes:
        bytecode: Where jobs keep their compiled modules, so that the next one starts faster.
        extra: Added to every job's environment, and stronger than everything else.
    """

    bytecode: Path
    extra: Mapping[str, str]

    def of_job(self, contextual: Mapping[str, str]) -> dict[str, str]:
        """Give the whole environment of a job that has these variables of its own."""
        measuring = {name: value for name, value in os.environ.items() if name.startswith(_COVERAGE)}
        return {**self._common(), **measuring, **contextual, **self.extra}

    def of_template(self) -> dict[str, str]:
        """Give the environment of the process that jobs are forked from, which is not measured itself."""
        return {**self._common(), **self.extra}

    def _common(self) -> dict[str, str]:
        # A proxy of this machine must not stand between a job and the server beside it.
        excepted = ",".join(filter(None, (os.environ.get("NO_PROXY") or os.environ.get("no_proxy"), _LOOPBACK)))
        return {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "NO_PROXY": excepted,
            "no_proxy": excepted,
            "PYTHONPYCACHEPREFIX": str(self.bytecode),
            "PYTHONIOENCODING": "utf-8",
        }


def is_measured() -> bool:
    """Tell whether coverage is measured, of jobs too."""
    return any(name.startswith(_COVERAGE) for name in os.environ)
