"""Whole recordings are judged alike, however they are put into batches."""

from functools import partial

import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.encoders.samplecnn import SampleCNN
from musicssl.evaluation.predictions import predict_clips
from musicssl.methods.att import AttentionMIL
from musicssl.networks.pooling import AttentionPooling, MaxPooling, MeanPooling
from tests.support.tiny_sound import TinySound
from tests.support.training import supervised_parts

CHUNK = 729  # 3^6 samples: a clip of 2 to 4 s has 3 to 5 chunks, the last one cut short


def scores(method, batch_size):
    module = SemiSupervisedDataModule(TinySound(variable_lengths=True), batch_size=batch_size)
    module.setup()
    corpus, rows = module.corpus, module.rows("train")
    return predict_clips(
        method, module.batches("train"), corpus.classes, corpus.clip_ids[rows]
    ).scores


@pytest.mark.parametrize("pooling", [AttentionPooling, MeanPooling, MaxPooling])
def test_the_answer_is_the_same_in_any_batch_size(pooling):
    torch.manual_seed(0)
    encoder = partial(SampleCNN, chunk_samples=CHUNK, num_blocks=5, width=32)
    method = AttentionMIL(**supervised_parts(encoder=encoder, pooling=pooling, num_features=1))
    method.eval()
    alone = torch.from_numpy(scores(method, 1))
    for batch_size in (4, 42):
        together = torch.from_numpy(scores(method, batch_size))
        torch.testing.assert_close(together, alone, atol=1e-5, rtol=1e-5)


def test_with_mean_pooling_a_clip_is_the_mean_of_its_chunks():
    """The slow way: chunk after chunk, the last one ending with the clip if half of it is new."""
    torch.manual_seed(0)
    encoder = partial(SampleCNN, chunk_samples=CHUNK, num_blocks=5, width=32)
    method = AttentionMIL(**supervised_parts(encoder=encoder, pooling=MeanPooling, num_features=1))
    method.eval()
    together = scores(method, 50)
    recordings = TinySound(variable_lengths=True).load()
    rows = [row for row in range(60) if recordings.split[row] == "train"]
    for row, expected in zip(rows[:8], together[:8], strict=True):
        sound = torch.from_numpy(recordings.x.recordings[row])
        starts = list(range(0, len(sound) - CHUNK + 1, CHUNK))
        if len(sound) - (starts[-1] + CHUNK) >= CHUNK / 2:
            starts.append(len(sound) - CHUNK)
        with torch.no_grad():
            chunks = torch.stack([sound[start : start + CHUNK] for start in starts])
            h = method.classifier.encoder.embed(chunks).mean(dim=(0, 1))
            logits = method.classifier.pooling.classifier(h)
        torch.testing.assert_close(logits.sigmoid(), torch.from_numpy(expected), atol=1e-5, rtol=0)
