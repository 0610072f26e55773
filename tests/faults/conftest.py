"""Faults in the suite: the daemons that are started again and again have imported everything already."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests import preloaded
from tests.faults import service


@pytest.fixture(autouse=True, scope="package")
def preloaded_daemons() -> Iterator[None]:
    """Start the daemons of these tests preloaded."""
    preloaded.warm_up()
    service.Service.starting = staticmethod(preloaded.start)
    yield
    service.Service.starting = staticmethod(service.start_anew)
