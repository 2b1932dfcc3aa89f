"""Recipes that bear a source's name, field by field against what the source says.

"Thesis" is Siddharth Gururani's of 2020; sections and tables are numbered as there.
"""

from itertools import pairwise

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from tests.support.composing import composed

VGGISH = {"num_features": 128, "num_instances": 10, "num_classes": 20}  # of OpenMIC, section 3.2.2


def differences(config, table):
    """The fields that are not as the table says, with what they are instead."""
    found = {field: OmegaConf.select(config, field) for field in table}
    return {field: value for field, value in found.items() if value != table[field]}


def parameters(part):
    return sum(p.numel() for p in part.parameters())


DGM = {  # section 4.4, Table 4.1, Algorithm 1
    "method.summary": "flat",  # 4.4: the features of chapter 3, 10 x 128
    "method.generative": True,
    "method.h2": 256,
    "method.latent_dim": 64,
    "method.classifier_hidden": [512, 512, 128],  # 4.4: "similar to the FC model in 3.3.1"
    "method.classifier_slope": 0.01,
    "method.dropout": 0.5,
    "method.weighting": "batch_means",  # Algorithm 1
    "method.prior": "uniform",
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.weight_decay": 1e-5,
    "schedule._target_": "musicssl.schedules.constant",
    "data.batch_size": 256,  # 128 labelled and 128 unlabelled clips
    "data.b_s": 0.5,
    "trainer.max_epochs": 100,  # passes over D_u
}


@pytest.mark.parametrize("chosen", [["experiment=dgm"], ["sweep=dgm_grid"]])
def test_dgm_is_that_of_chapter_4(chosen):
    config = composed(*chosen)
    assert differences(config, DGM) == {}
    assert config.method.h1 in (256, 512)
    assert config.method.h3 in (0, 256)
    assert config.method.beta in (16, 32, 64)


@pytest.mark.parametrize(("h1", "h3"), [(256, 0), (512, 0), (512, 256)])
def test_dgm_has_the_sizes_of_chapter_4(h1, h3):
    """Layer by layer; the classifier is FC with one output, whatever the grid says."""
    config = composed("experiment=dgm", f"method.h1={h1}", f"method.h3={h3}")
    method = instantiate(config.method, **VGGISH, task="multi_label")
    of_fc = 986_772 - 20 * (128 + 1)  # Table 3.1's FC without its last layer
    assert parameters(method.classifier) == 20 * (of_fc + 128 + 1)
    widths = [width for width in (h1, 256, h3) if width]
    encoder = [1280 + 2, *widths, 2 * 64]  # reads the features and which of 2 values y has
    decoder = [64 + 2, *widths[::-1], 1280]
    count = sum(
        (inputs + 1) * outputs
        for sizes in (encoder, decoder)
        for inputs, outputs in pairwise(sizes)
    )
    assert parameters(method.generator) == 20 * count


def test_the_classifiers_alone_are_those_of_dgm():
    both, alone = composed("experiment=dgm"), composed("experiment=dgm_classifiers")
    assert alone.name == "dgm_classifiers"
    assert differences(alone, DGM) == {"method.generative": False}
    assert OmegaConf.to_object(alone.optimizer) == OmegaConf.to_object(both.optimizer)


def test_the_row_dnn_of_table_4_2_is_fc():
    """Table 4.2 repeats FC's four numbers of Table 3.1: 80.62, 79.09, 79.19, 87.73."""
    dnn, fc = composed("experiment=dnn"), composed("experiment=fc")
    assert (dnn.name, fc.name) == ("dnn", "fc")
    for part in ("method", "encoder", "pooling", "optimizer", "trainer", "data"):
        assert dnn[part] == fc[part], part
    network = instantiate(dnn.method, **VGGISH, task="multi_label").network
    assert parameters(network) == 986_772
