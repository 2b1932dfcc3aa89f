"""Trained runs that the tests of this folder share."""

import pytest

from tests.support.tone_folder import INSTANCES, SOUND, train_on, write_folder


@pytest.fixture(scope="session")
def recordings(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("recordings"))


@pytest.fixture(scope="session")
def of_instances(recordings, tmp_path_factory):
    """A run of ATT on log-mel instances."""
    return train_on(recordings, tmp_path_factory.mktemp("att"), *INSTANCES)


@pytest.fixture(scope="session")
def of_sound(recordings, tmp_path_factory):
    """A run of an encoder of sound whose chunks last half a second."""
    return train_on(recordings, tmp_path_factory.mktemp("crnn"), *SOUND)
