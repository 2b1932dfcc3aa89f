"""A trained network as a module with the HEAR API, for programs that evaluate such modules.

`hear-eval-kit` and similar programs import it by name and give it a path:

    python -m heareval.embeddings.runner musicssl.hear --model model/

The API: https://hearbenchmark.com/hear-api.html (Turian et al. 2022,
https://arxiv.org/abs/2203.03022). Neither Hydra nor Lightning is imported, except for checkpoints
of methods that build their network themselves; see `musicssl.load`.
"""

from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musicssl.errors import InputError
from musicssl.inference.loading import load
from musicssl.inference.model import Model


class HearModel(nn.Module):
    """A trained network that is moved to a device as others are.

    Args:
        model: Loaded, on the CPU.

    Attributes:
        sample_rate: Sample rate of the sound that it reads, in Hz.
        scene_embedding_size: Width of an embedding, D.
        timestamp_embedding_size: The same.
    """

    def __init__(self, model: Model) -> None:
        super().__init__()
        self.network = model.network
        self._model = model
        self.sample_rate = model.sample_rate
        self.scene_embedding_size = int(model.network.encoder.embed_dim)
        self.timestamp_embedding_size = self.scene_embedding_size

    def embed(self, audio: Tensor) -> tuple[Tensor, Tensor]:
        """Embed clips one by one, so that none depends on the others of its batch.

        Args:
            audio: (N, S) at `sample_rate`, in [-1, 1].

        Returns:
            Embeddings of instances, (N, T, D), and their centres in ms, (N, T), float32, on the
            device of `audio`.

        Raises:
            InputError: If samples have another shape or are not finite, or are too few.
        """
        if audio.ndim != 2:
            raise InputError(f"audio must be (clips, samples), got {tuple(audio.shape)}.")
        placed = chain(self.network.parameters(), self.network.buffers())
        self._model.device = next((tensor.device for tensor in placed), torch.device("cpu"))
        embedded = [
            self._model.embed(clip, self.sample_rate) for clip in audio.detach().cpu().numpy()
        ]
        h = torch.from_numpy(np.stack([one.h for one in embedded]))
        centres = torch.from_numpy(np.stack([_centres(one.times) for one in embedded]))
        return h.to(audio.device), (1000 * centres).float().to(audio.device)


def load_model(model_file_path: str = "") -> HearModel:
    """Load a trained network.

    Args:
        model_file_path: Of a folder that `musicssl export` wrote, a checkpoint, or the folder of a
            run.

    Raises:
        InputError: If there is no model, or nothing is named.
    """
    if not model_file_path:
        raise InputError(
            "musicssl.hear needs a trained model; name an exported folder or a checkpoint, such as "
            'load_model("model/").'
        )
    return HearModel(load(model_file_path))


def get_scene_embeddings(audio: Tensor, model: HearModel) -> Tensor:
    """Return the mean embedding of the instances of each clip, (N, S) -> (N, D).

    Args:
        audio: See `HearModel.embed`.
        model: Model of `load_model`.
    """
    return model.embed(audio)[0].mean(dim=1)


def get_timestamp_embeddings(audio: Tensor, model: HearModel) -> tuple[Tensor, Tensor]:
    """Return the embeddings of the instances of each clip, (N, T, D), and their centres in ms.

    Instances last as long as the network was trained for, such as a second; hear-validator suggests
    50 ms. Where an encoder of sound embeds chunks that do not divide the clip, its last chunk ends
    with the clip, so that one interval between timestamps is shorter or longer than the others.

    Args:
        audio: See `HearModel.embed`.
        model: Model of `load_model`.
    """
    return model.embed(audio)


def _centres(times: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the centres of instances, (T,), from begin and end of each in s, (T, 2).

    The last one may end after the clip, where its end is cut off; its centre is where that of a
    whole instance would be, unless it is alone.
    """
    begin, end = times.T
    alone = len(begin) == 1
    centres = begin + (end - begin if alone else end[0] - begin[0]) / 2
    earlier: NDArray[np.float64] = np.minimum(centres, end)
    return earlier
