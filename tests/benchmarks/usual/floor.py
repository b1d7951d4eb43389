"""The least that a job in Python does here: Python, Windmill's client, the driver, a resource and a connection."""

import psycopg2
import wmill


def main() -> dict[str, object]:
    """Connect."""
    psycopg2.connect(**wmill.get_resource("f/usual/postgres_db")).close()
    return {}
