"""Ports of the loopback address that stay a test's own: nobody is given one between its choice and its use."""

import socket

_KEPT: list[socket.socket] = []


def bound_socket() -> socket.socket:
    """Open a socket on a port of the system's choice, without listening."""
    opened = socket.socket()
    opened.bind(("127.0.0.1", 0))
    return opened


def port_of(opened: socket.socket) -> int:
    """Return the port of a socket."""
    return int(opened.getsockname()[1])


def deaf_port() -> int:
    """Find a port that nobody listens on, and nobody will: it is kept for as long as the tests run."""
    _KEPT.append(bound_socket())
    return port_of(_KEPT[-1])
