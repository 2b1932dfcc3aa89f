"""Methods and trainers of a size for tests."""

from functools import partial

import pytorch_lightning as pl
import torch

from musicssl.augment.chain import Chain
from musicssl.augment.instances.noise import Noise
from musicssl.augment.views import Views
from musicssl.encoders.att import AttEmbedding
from musicssl.losses.likelihoods import FixedGaussian
from musicssl.losses.masked_bce import masked_bce
from musicssl.networks.pooling import AttentionPooling, MeanPooling
from musicssl.networks.projector import Projector
from musicssl.networks.teacher import Teacher
from musicssl.schedules import constant

UNCHANGED = Views(Chain(), Chain())
NOISY = Views(Chain(noise=Noise(0.2)), Chain(noise=Noise(0.2)))


def supervised_parts(**changes):
    """Return what a `Method` for the Tiny corpus is built from."""
    parts = {
        "encoder": partial(AttEmbedding, dropout=0.5),
        "pooling": AttentionPooling,
        "loss": masked_bce,
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "schedule": constant,
        "num_features": 8,
        "num_instances": 5,
        "num_classes": 3,
    }
    return parts | changes


def semi_supervised_parts(**changes):
    """Return what a `SemiSupervisedMethod` for the Tiny corpus is built from."""
    parts = {
        "views": NOISY,
        "teacher": partial(Teacher, decay=0.9),
        "consistency_weight": 5.0,
        "ramp": constant,
    }
    return supervised_parts(**parts) | changes


def probed_parts(**changes):
    """Return what a method with an `OnlineProbe` for the Tiny corpus is built from."""
    return supervised_parts(pooling=MeanPooling, loss=None) | changes


def representation_parts(**changes):
    """Return what a `RepresentationMethod` for the Tiny corpus is built from."""
    parts = {"views": NOISY, "projector": partial(Projector, hidden=16, out_dim=8)}
    return probed_parts(**parts) | changes


def m1_parts(**changes):
    """Return what an `M1` for the Tiny corpus is built from."""
    parts = {
        "likelihood": FixedGaussian(),
        "summary": "mean_std",
        "hidden": [16, 12],
        "latent_dim": 4,
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "schedule": constant,
        "num_features": 8,
        "num_instances": 5,
        "num_classes": 3,
    }
    return parts | changes


def dgm_parts(**changes):
    """Return what a `DeepGenerativeModel` for the Tiny corpus is built from."""
    parts = {
        "likelihood": FixedGaussian(),
        "h1": 16,
        "h2": 12,
        "latent_dim": 4,
        "dropout": 0.2,
        "beta": 8.0,
        "optimizer": partial(torch.optim.Adam, lr=1e-2),
        "schedule": constant,
        "num_features": 8,
        "num_instances": 5,
        "num_classes": 3,
        "task": "multi_label",
    }
    return parts | changes


def quiet_trainer(folder, **settings):
    defaults = {
        "max_epochs": 1,
        "accelerator": "cpu",
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
        "default_root_dir": folder,
    }
    return pl.Trainer(**(defaults | settings))
