"""What a run leaves of how well its autoencoder reconstructs test clips."""

from collections.abc import Mapping
from typing import Any

import torch
from rich.console import Console

from musicssl.runs.artifacts.artifact import TrainedRun
from musicssl.runs.folder import RunFolder

_SEED = 0  # of the samples of latent variables


class Reconstruction:
    """Reconstruction error and KL divergence of the test clips, and the share of right tokens.

    It is for methods with `fidelity`; see `musicssl.methods.base.latent_vae.LatentVAE`.
    """

    def write(self, run: TrainedRun) -> Mapping[str, Any]:
        """Reconstruct the test clips from the means of their latent variables, and from a sample.

        Tokens are right or wrong; the dMelodies benchmark states the share of right ones from a
        sample. Features have none.
        """
        method = run.method
        generator = torch.Generator().manual_seed(_SEED)
        parts: dict[str, list[torch.Tensor]] = {}
        with torch.inference_mode():
            for batch in run.datamodule.batches("test"):
                on_device = batch.to(method.device)
                shape = (len(batch.x), method.encoder.embed_dim)
                noise = torch.randn(shape, generator=generator).to(method.device)
                of_means = method.fidelity(on_device)
                of_samples = method.fidelity(on_device, noise)
                found = {
                    "nats": of_samples.nats,
                    "kl": of_means.kl,
                    "accuracy": of_means.correct,
                    "accuracy_of_samples": of_samples.correct,
                }
                for name, values in found.items():
                    if values is not None:
                        parts.setdefault(name, []).append(values.cpu().double())
        means = {name: float(torch.cat(values).mean()) for name, values in parts.items()}
        return {"reconstruction": means}

    def show(self, folder: RunFolder, document: Mapping[str, Any], console: Console) -> None:
        """Print how well test clips are reconstructed."""
        found = document.get("reconstruction")
        if not found:
            return
        if found.get("accuracy") is not None:
            text = (
                f"Reconstruction of the test clips: {100 * found['accuracy']:.1f} % of the tokens "
                f"from the means of the latent variables, {100 * found['accuracy_of_samples']:.1f} "
                f"% from a sample, {found['nats']:.3f} nats per token"
            )
        else:
            text = f"Reconstruction of the test clips: {found['nats']:.3f} nats per feature"
        console.print(f"{text}; KL divergence {found['kl']:.1f} nats per clip.", highlight=False)
