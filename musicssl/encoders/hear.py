"""Any model with the HEAR API as an encoder of sound."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from musicssl.batch import valid_instances
from musicssl.encoders.pretrained.hear import HearModule, frozen_module
from musicssl.errors import InputError

_KINDS = ("scene", "timestamps")
_DIGEST = "weights_digest"


class HearEncoder(nn.Module):
    """Embed whole clips by a HEAR module; see `musicssl.encoders.pretrained.hear`.

    The module gets clips as long as they are, never padded: clips of different lengths are embedded
    one length at a time. How it deals with long and short ones is its own affair.

    A frozen model is no part of this module: its weights are neither copied nor kept in
    checkpoints, which have only their SHA-256 and load them again. A trainable model is a part like
    any other. Whatever `load_model` draws at random is drawn in the same way each time.

    Args:
        num_features: Not used; sound has no features.
        num_instances: Not used; clips may have any length.
        module: Name by which the HEAR module is imported.
        weights: File or folder that its `load_model` is given; None to call it without.
        embeddings: "scene": one embedding of a clip; "timestamps": embeddings over time, which the
            pooling combines.
        trainable: Train the model on, with the modes and gradients that its functions leave to it.
        sample_rate: Sample rate of the sound, in Hz; None for that of the module.

    Attributes:
        embed_dim: Width of an embedding, D.
        digest: SHA-256 of the weights that were loaded.
        code: SHA-256 of the file of the module, which may be edited while its weights stay.

    Raises:
        InputError: If the module is missing or does not keep to the API, reads another sample rate,
            or cannot be trained although it should.
    """

    of_sound = True
    weights_digest: Tensor

    def __init__(
        self,
        num_features: int | None = None,
        num_instances: int | None = None,
        *,  # settings of a checkpoint can name a module here only by `module`, which is looked at
        module: str | None = None,
        weights: str | None = None,
        embeddings: str = "scene",
        trainable: bool = False,
        sample_rate: int | None = None,
    ) -> None:
        super().__init__()
        if embeddings not in _KINDS:
            raise InputError(f"encoder.embeddings must be scene or timestamps, got {embeddings}.")
        named = _named(module)
        self.embeddings, self.trainable = embeddings, trainable
        self._hear = HearModule(named, weights) if trainable else frozen_module(named, weights)
        self._hear.move(torch.device("cpu"))
        _check_rate(self._hear, sample_rate)
        self._hear.check(embeddings)
        of_scenes = embeddings == "scene"
        self.embed_dim = self._hear.scene_size if of_scenes else self._hear.timestamp_size
        self.digest, self.code = self._hear.digest(), self._hear.code()
        self.model: nn.Module | None = None
        if trainable:
            self.model = _trainable(self._hear)
            self._check_gradients()
        else:
            of_weights = torch.tensor(list(bytes.fromhex(self.digest)), dtype=torch.uint8)
            self.register_buffer(_DIGEST, of_weights)

    @staticmethod
    def rate_of(module: str | None, weights: str | None) -> int:
        """Return the sample rate that a module reads, in Hz.

        Args:
            module: See `HearEncoder`.
            weights: As well.

        Raises:
            InputError: If it cannot be loaded.
        """
        return frozen_module(_named(module), weights).sample_rate

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed clips, (B, S), whose first samples, `valid` (B, S) bool, are not padding.

        Returns:
            Embeddings, (B, T, D), zero for padding, and the mask of those that are not padding,
            (B, T) bool, or None if there is no padding. T is 1 with `embeddings="scene"`.

        Raises:
            InputError: If the batch has instances instead of sound, or the module fails.
        """
        if x.ndim != 2:
            raise InputError(
                "encoder=hear reads sound, but the data are instances; add features=waveform."
            )
        lengths = [x.shape[1]] * len(x) if valid is None else valid.sum(dim=1).tolist()
        if len(set(lengths)) == 1:
            return self._embedded(x[:, : lengths[0]])[0], None
        rows = {n: [row for row, m in enumerate(lengths) if m == n] for n in set(lengths)}
        parts = {n: self._embedded(x[of_length, :n])[0] for n, of_length in rows.items()}
        longest = max(part.shape[1] for part in parts.values())
        counts = torch.tensor([parts[n].shape[1] for n in lengths], device=x.device)
        h = x.new_zeros(len(x), longest, self.embed_dim)
        for n, of_length in rows.items():
            h[of_length, : parts[n].shape[1]] = parts[n]
        known = valid_instances(counts, longest)
        return h, None if bool(known.all()) else known

    def located(self, x: Tensor) -> tuple[Tensor, NDArray[np.float64]]:
        """Embed one clip, (1, S), and say where its embeddings are.

        Returns:
            Embeddings, (1, T, D), and begin and end of each in s, (T, 2): what is nearest to its
            timestamp; all of the clip with `embeddings="scene"`.
        """
        h, centres = self._embedded(x)
        seconds = x.shape[1] / self._hear.sample_rate
        inner = np.zeros(0)
        if centres is not None:
            times = centres[0].double().cpu().numpy() / 1000
            inner = (times[1:] + times[:-1]) / 2
        edges = np.concatenate([[0.0], inner, [seconds]])
        return h, np.stack([edges[:-1], edges[1:]], axis=1)

    def _embedded(self, x: Tensor) -> tuple[Tensor, Tensor | None]:
        """Embed clips of one length, (B, S) -> (B, T, D), with their centres in ms, (B, T)."""
        if self.model is None:
            self._hear.move(x.device)
        with torch.set_grad_enabled(self.trainable and torch.is_grad_enabled()):
            if self.embeddings == "scene":
                return self._hear.scenes(x, self.model).float()[:, None], None
            h, centres = self._hear.over_time(x, self.model)
            return h.float(), centres

    def _check_gradients(self) -> None:
        noise = torch.rand(1, 2 * self._hear.sample_rate, generator=torch.Generator()) - 0.5
        with torch.enable_grad():
            h, _ = self._embedded(noise)
        if not h.requires_grad:
            raise InputError(
                f"{self._hear.name} embeds without gradients, as under torch.no_grad, so that it "
                "cannot be trained; leave encoder.trainable out."
            )

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *more: Any) -> None:
        """Refuse the state of an encoder with other frozen weights."""
        theirs = state_dict.get(f"{prefix}{_DIGEST}")
        ours = list(bytes.fromhex(self.digest))
        if not self.trainable and isinstance(theirs, Tensor) and theirs.tolist() != ours:
            raise InputError(
                f"the weights that {self._hear.name} loads are not those of the run, their SHA-256 "
                "differs; put the file that the run had at encoder.weights."
            )
        super()._load_from_state_dict(state_dict, prefix, *more)


def _named(module: str | None) -> str:
    if module is None:
        raise InputError(
            "encoder=hear needs the name of a HEAR module; say encoder.module=NAME, such as "
            "hear21passt.base."
        )
    return module


def _check_rate(hear: HearModule, sample_rate: int | None) -> None:
    if sample_rate is not None and sample_rate != hear.sample_rate:
        raise InputError(
            f"{hear.name} reads sound at {hear.sample_rate} Hz, got {sample_rate}; leave "
            "features.sample_rate and encoder.sample_rate out."
        )


def _trainable(hear: HearModule) -> nn.Module:
    model = hear.model
    if not isinstance(model, nn.Module) or not any(p.requires_grad for p in model.parameters()):
        raise InputError(
            f"{hear.name}.load_model returns no torch module with weights to train; leave "
            "encoder.trainable out."
        )
    return model
