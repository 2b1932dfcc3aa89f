"""How long a run trains and how large its batches are, if nothing else was typed."""

import pytest

from musicssl.cli.run_data import build_datamodule
from tests.support.composing import composed


def limits(*words):
    config = composed(*words)
    return config.trainer.max_epochs, config.trainer.max_steps, config.data.steps_per_epoch


def test_a_run_is_4000_steps_unless_epochs_are_typed():
    assert limits() == (None, 4000, 100)
    assert limits("trainer.max_steps=600") == (None, 600, 100)
    assert limits("trainer.max_epochs=7") == (7, -1, None)
    assert limits("trainer=debug") == (2, -1, None)
    assert limits("trainer.max_epochs=7", "trainer.max_steps=50") == (7, 50, None)


@pytest.mark.parametrize(
    ("words", "labelled", "size"),
    [
        ((), 32, 32),
        (("method=mean_teacher",), 32, 96),
        (("method=mean_teacher", "data.b_s=0.5"), 32, 64),
        (("encoder=crnn",), 16, 16),
        (("method=fixmatch", "encoder=crnn"), 16, 48),
        (("data.labelled_clips=8",), 8, 8),
        (("method=supervised", "data.batch_size=30"), 10, 30),
    ],
)
def test_methods_see_equally_many_labelled_clips_in_a_step(words, labelled, size):
    module = build_datamodule(composed(*words))
    assert (module.labelled_in_batch, module.batch_size) == (labelled, size)


@pytest.mark.parametrize("p_s", [0.05, 1.0])
@pytest.mark.parametrize("num_clips", [60, 240])
def test_a_number_of_steps_is_the_same_at_every_p_s_and_size_of_a_corpus(p_s, num_clips):
    words = ("hydra.searchpath=[file://tests/conf]", "dataset=tiny")
    config = composed(*words, f"data.p_s={p_s}", f"dataset.num_clips={num_clips}")
    module = build_datamodule(config)
    assert module.steps_per_epoch == len(list(module.train_dataloader())) == 100
