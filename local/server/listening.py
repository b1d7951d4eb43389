"""Opens the port of the server, and says clearly when that cannot be.

Module of the stand-in for Windmill.
"""

import socket

HOST = "127.0.0.1"


class PortTaken(RuntimeError):
    """Another program listens on the port."""


def listen(port: int | None) -> socket.socket:
    """Listen on 127.0.0.1; without a port, on any free one.

    Raises:
        PortTaken: When the port is not free.
    """
    # With the protocol named, asyncio sends small packets at once; otherwise answers wait 40 ms for one another.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port or 0))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise PortTaken(
            f"Port {port} on {HOST} is taken by another program, perhaps by an earlier `make serve`. "
            "Stop that one, or choose another port with the environment variable PORT."
        ) from error
    return listener
