"""Methods that learn embeddings, on the tiny corpus of sound."""

from functools import partial

import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.samplecnn import SampleCNN
from tests.support.tiny_sound import TinySound
from tests.support.training import UNCHANGED, quiet_trainer, representation_parts


def trained_on_sound(folder, kind, data, **changes):
    """Take two steps; return what was trained, and the names of what has not moved."""
    sound = {
        "encoder": partial(SampleCNN, chunk_samples=729, num_blocks=5, width=16),
        "num_features": 1,
        "num_instances": 800,
        "views": UNCHANGED,
    }
    torch.manual_seed(0)
    subject = kind(**representation_parts(**sound | changes))
    start = {name: p.detach().clone() for name, p in trainable(subject).items()}
    clips = SemiSupervisedDataModule(
        TinySound(), batch_size=14, num_crops=2, crop_seconds=1.0, **data
    )
    quiet_trainer(folder, max_steps=2).fit(subject, clips)
    moved = trainable(subject)
    return subject, [name for name in start if torch.equal(moved[name], start[name])]


def trainable(subject):
    return {name: p for name, p in subject.named_parameters() if p.requires_grad}
