"""An installation with providers on loopback, for tests that change what the providers do."""

from collections.abc import Iterator

import pytest

from tests.conftest import InstallationMaker
from tests.support.cloud import Cloud, cloud_of


@pytest.fixture(scope="session")
def running_cloud(make_installation: InstallationMaker) -> Iterator[Cloud]:
    """The installation and its providers, as the tests before left them."""
    with cloud_of(make_installation()) as cloud:
        yield cloud


@pytest.fixture
def cloud(running_cloud: Cloud) -> Cloud:
    """The installation, with providers that do as they are told."""
    running_cloud.reset()
    return running_cloud
