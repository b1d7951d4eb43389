"""A database alone, for attacks in SQL, and an installation with providers that obey, for those in documents."""

from collections.abc import Iterator

import pytest

from local.database import Server
from local.settings import Credentials
from tests.conftest import InstallationMaker
from tests.database.worlds import World
from tests.support.cloud import Cloud, cloud_of
from tests.support.installation import Installation


@pytest.fixture(scope="module")
def world(postgres: Server, credentials: Credentials, template: str) -> Iterator[World]:
    """A database with the schema that the tests of one file share."""
    name = postgres.create_database(template=template)
    yield World(postgres, credentials, name)
    postgres.drop_database(name)


@pytest.fixture(scope="session")
def installation(make_installation: InstallationMaker) -> Installation:
    """The installation that attacks share; thousands of jobs run in it, and are quicker when they are not measured."""
    return make_installation(measured=False)


@pytest.fixture(scope="module")
def cloud(make_installation: InstallationMaker) -> Iterator[Cloud]:
    """An installation with its providers that the tests of one file share."""
    with cloud_of(make_installation(measured=False)) as made:
        made.reset()
        yield made
