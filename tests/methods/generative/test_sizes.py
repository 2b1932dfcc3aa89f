"""Oracle: sizes that networks of torch can have, and those that they cannot."""

import pytest
import torch
from omegaconf import ListConfig

from musicssl.errors import InputError
from musicssl.methods.generative.sizes import check_latent_dim, check_widths, hidden_layers
from musicssl.methods.generative.vae import mlp


@pytest.mark.parametrize("widths", [[512, 256], (1,), [], ListConfig([8])])
def test_layers_with_units_can_be_and_so_can_none(widths):
    check_widths(widths)
    network = mlp((3, *widths), 2)
    linear = [layer for layer in network if isinstance(layer, torch.nn.Linear)]
    assert [layer.out_features for layer in linear] == [*widths, 2]


@pytest.mark.parametrize("widths", [[8, 0], [-1], [0.5], [True], ["8"], 8, None, "8"])
def test_widths_that_cannot_be_are_refused_by_the_name_of_their_setting(widths):
    with pytest.raises(InputError, match=r"method\.m1_hidden must be a list of whole numbers"):
        check_widths(widths, "method.m1_hidden")


@pytest.mark.parametrize("latent_dim", [0, -3, 1.5, None, True])
def test_without_a_latent_variable_there_is_no_model(latent_dim):
    check_latent_dim(1)
    with pytest.raises(InputError, match=rf"method\.latent_dim must .* got {latent_dim}\."):
        check_latent_dim(latent_dim)


def test_layers_of_width_0_are_left_out():
    assert hidden_layers(h1=512, h2=0, h3=256) == (512, 256)
    assert hidden_layers(h1=8) == (8,)
    for width in (1.5, True, -1):
        with pytest.raises(InputError, match=r"method\.h1 must be a whole number"):
            hidden_layers(h1=width)
