"""The layers of an encoder: the outputs of its blocks for each instance, and its embedding.

K chunks, or one recording, T' instances of each, D features, L layers.
"""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool1d

from musicssl.encoders.base.audio import AudioEncoder
from musicssl.errors import InputError

OUTPUT = "output"  # the name of the last layer, the embedding itself
_CONTAINERS = (nn.Sequential, nn.ModuleList)
_ACTIVATIONS = (nn.ReLU, nn.LeakyReLU, nn.ELU, nn.GELU, nn.SiLU)
_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d)
_FEATURES_LAST = (nn.Linear, nn.LayerNorm, nn.RNNBase, nn.TransformerEncoderLayer)


def block_names(encoder: nn.Module) -> list[str]:
    """Return the names of the blocks of an encoder, from its input to its output.

    These are the parts of each `Sequential` or `ModuleList` that is a child of the encoder: those
    that have parts of their own, or else its activations. Recurrent layers are blocks as well.
    """
    names = []
    for name, child in encoder.named_children():
        if isinstance(child, nn.RNNBase):
            names.append(name)
        if not isinstance(child, _CONTAINERS):
            continue
        parts = list(child.named_children())
        composed = [key for key, part in parts if any(part.children())]
        activations = [key for key, part in parts if isinstance(part, _ACTIVATIONS)]
        names += [f"{name}.{key}" for key in composed or activations]
    return names


class Layers:
    """Reads the outputs of some modules of an encoder while it embeds.

    Args:
        encoder: The encoder.
        names: Names of its modules, as in `named_modules`; none for `block_names`.

    Attributes:
        names: Names of the layers: the modules, then "output".
        widths: Features of each layer, known after the first embedding.

    Raises:
        InputError: If there is no such module, or the encoder has no blocks.
    """

    def __init__(self, encoder: nn.Module, names: Sequence[str] = ()) -> None:
        modules = dict(encoder.named_modules())
        chosen = list(names) or block_names(encoder)
        known = ", ".join(name for name in modules if name)
        for name in chosen:
            if not name or name not in modules:
                raise InputError(f"the encoder has no layer {name!r}; it has {known}.")
        if not chosen:
            raise InputError(f"the encoder has no blocks; name layers of it, --layers {known}.")
        self.names = [*chosen, OUTPUT]
        self.widths: list[int] = []
        self._found: dict[str, Tensor] = {}
        for name in chosen:
            last = _has_features_last(modules[name], modules[name.rpartition(".")[0]])
            modules[name].register_forward_hook(self._hook(name, last))

    def joined(self, h: Tensor) -> Tensor:
        """Return the outputs of the last embedding side by side, (K, T', sum of widths).

        Args:
            h: The embedding, (K, T', D).

        Raises:
            InputError: If a module was not used, or gives anything but maps, sequences or vectors.
        """
        missing = [name for name in self.names[:-1] if name not in self._found]
        if missing:
            raise InputError(f"the encoder does not use its layer {missing[0]!r}; name another.")
        parts = [_aligned(name, self._found[name], h) for name in self.names[:-1]]
        self._found.clear()
        self.widths = [part.shape[2] for part in (*parts, h)]
        return torch.cat([*parts, h], dim=2)

    def _hook(self, name: str, features_last: bool) -> Any:
        def keep(module: nn.Module, given: Any, output: Any) -> None:
            # Kept as a copy: what follows may be a ReLU that works in place.
            self._found[name] = _sequence(name, output, features_last)

        return keep


class SoundLayers(AudioEncoder):
    """An encoder of sound that gives all its layers side by side, instance by instance.

    A layer with other instances than the embedding is averaged within each instance of it, so that
    all layers have the same times.

    Args:
        encoder: The encoder.
        layers: Its layers.
    """

    def __init__(self, encoder: AudioEncoder, layers: Layers) -> None:
        super().__init__(encoder.chunk_samples, encoder.embed_dim)
        self.encoder = encoder
        self.reach = encoder.reach
        self._layers = layers

    def embed(self, chunks: Tensor) -> Tensor:
        """Embed chunks of sound, (K, S0), as (K, T', sum of widths)."""
        return self._layers.joined(self.encoder.embed(chunks))


class InstanceLayers(nn.Module):
    """An encoder of instances that gives all its layers side by side; for one clip at a time.

    Args:
        encoder: The encoder.
        layers: Its layers.
    """

    def __init__(self, encoder: nn.Module, layers: Layers) -> None:
        super().__init__()
        self.encoder = encoder
        self.of_sound = bool(getattr(encoder, "of_sound", False))
        self._layers = layers

    def forward(self, x: Tensor, valid: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """Embed one clip without padding, (1, T, F), as (1, T', sum of widths)."""
        assert len(x) == 1, "layers are read of one clip at a time"
        assert valid is None, "layers are read without padding"
        h, _ = self.encoder(x, valid)
        return self._layers.joined(h), None


def with_layers(encoder: nn.Module, names: Sequence[str] = ()) -> tuple[nn.Module, Layers]:
    """Return an encoder that gives its layers side by side, and what reads them; see `Layers`."""
    layers = Layers(encoder, names)
    if isinstance(encoder, AudioEncoder):
        return SoundLayers(encoder, layers), layers
    return InstanceLayers(encoder, layers), layers


def _has_features_last(module: nn.Module, parent: nn.Module) -> bool:
    """Whether a sequence that a module gives is (K, T, D), and not (K, D, T) as of convolutions."""
    if isinstance(module, _FEATURES_LAST):
        return True
    parts = (*parent.modules(), *module.modules())
    return not any(isinstance(part, _CONVOLUTIONS) for part in parts)


def _sequence(name: str, output: Any, features_last: bool) -> Tensor:
    """Return vectors, (K, D), or sequences, (K, T, D), of what a module gave."""
    if isinstance(output, tuple) and output:
        output = output[0]
    if not isinstance(output, Tensor) or not 2 <= output.ndim <= 4:
        raise InputError(
            f"layer {name!r} gives no vectors, sequences or maps of one tensor; name another."
        )
    if output.ndim == 4:  # maps, (K, D, F, T)
        return output.mean(dim=2).transpose(1, 2)
    if output.ndim == 3 and not features_last:
        return output.transpose(1, 2).clone()
    return output.clone()


def _aligned(name: str, found: Tensor, h: Tensor) -> Tensor:
    """Return vectors or sequences with the instances of the embedding, (K, T', D)."""
    chunks, instances = h.shape[:2]
    if found.ndim == 2:
        if len(found) not in (chunks, chunks * instances):
            raise InputError(f"layer {name!r} gives vectors of no instances; name another.")
        found = found.reshape(chunks, -1, found.shape[1])
    if len(found) != chunks:
        raise InputError(f"layer {name!r} gives sequences of no clip; name another.")
    if found.shape[1] == instances:
        return found
    return adaptive_avg_pool1d(found.transpose(1, 2), instances).transpose(1, 2)
