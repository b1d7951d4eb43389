"""A database alone, for attacks in SQL."""

from collections.abc import Iterator

import pytest

from local.database import Server
from local.settings import Credentials
from tests.database.worlds import World


@pytest.fixture(scope="module")
def world(postgres: Server, credentials: Credentials, template: str) -> Iterator[World]:
    """A database with the schema that the tests of one file share."""
    name = postgres.create_database(template=template)
    yield World(postgres, credentials, name)
    postgres.drop_database(name)
