from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.publisher import Publisher, publishing


@pytest.fixture
def publisher(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publisher]:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    folder: Path = tmp_path_factory.mktemp("published")
    with publishing(folder) as published:
        yield published
