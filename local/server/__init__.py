"""A stand-in for a Windmill server and its workers, for developing and trying on one machine.

It answers the part of Windmill's HTTP API that ``wmill``, the CLI and this project's clients use, and runs each
script in a fresh process with Windmill's treatment of arguments, results, errors and streams. It keeps jobs in
memory, knows one workspace, one user and no permissions between folders, and is never the engine in production.
"""
