"""Databases for the tests of the schema: cloned from the installed template, one for each file of tests or one each."""

from collections.abc import Iterator

import pytest

from local.database import Server
from local.settings import Credentials
from tests.database.worlds import Filled, World, fill


@pytest.fixture(scope="module")
def world(postgres: Server, credentials: Credentials, template: str) -> Iterator[World]:
    """A database with the schema that the tests of one file share; each makes tenants of its own."""
    name = postgres.create_database(template=template)
    yield World(postgres, credentials, name)
    postgres.drop_database(name)


@pytest.fixture(scope="module")
def two_tenants(world: World) -> tuple[Filled, Filled]:
    """Two tenants of the shared database, each with rows in every table. Tests change nothing in them."""
    return fill(world), fill(world)


@pytest.fixture
def empty(postgres: Server, credentials: Credentials) -> Iterator[World]:
    """A database of the test's own without the schema."""
    name = postgres.create_database()
    yield World(postgres, credentials, name)
    postgres.drop_database(name)


@pytest.fixture
def own(postgres: Server, credentials: Credentials, template: str) -> Iterator[World]:
    """A database of the test's own with the schema, for what would disturb others."""
    name = postgres.create_database(template=template)
    yield World(postgres, credentials, name)
    postgres.drop_database(name)
