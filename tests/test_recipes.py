"""Recipes that bear a source's name, field by field against what the source says.

"Thesis" is Siddharth Gururani's of 2020; sections and tables are numbered as there.
"""

import math
from itertools import pairwise

import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

import musicssl.cli.resolvers  # noqa: F401 registers the resolvers of conf/
from musicssl.networks.layers import Dropout
from musicssl.schedules import bound_to
from tests.support.composing import CONF, composed

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


MEAN_TEACHER_MSD = {  # section 5.5.2; an epoch here is half a pass over D_u, of 100 there
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.lr": 1e-3,  # "initial hyper-parameters" as in 5.4.2
    "schedule._target_": "musicssl.schedules.ramps",
    "schedule.up_epochs": 20,  # 10 of D_u
    "schedule.down_epochs": 100,  # the last 50 of D_u
    "method.ramp._target_": "musicssl.schedules.sigmoid_rampup",
    "method.ramp.epochs": 20,  # as the learning rate's
    "method.joint_batch_norm": False,  # the two batches pass one after the other
    "teacher.decay": 0.999,
    "teacher.batch_norm": "own",
    "encoder._target_": "musicssl.encoders.att.AttEmbedding",
    "encoder.dropout": 0.5,
    "encoder.standardise": False,
    "data.batch_size": 256,  # of each as many as in a batch of 5.4.2
    "data.b_s": 0.5,
    "data.disjoint": True,
    "data.epoch_of": "unlabelled",
    "trainer.max_epochs": 200,
    "select": "val/loss",
}
ATT_MSD = {  # section 5.5.2, the supervised counterpart
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.lr": 1e-3,
    "schedule._target_": "musicssl.schedules.ramps",
    "schedule.up_epochs": 20,
    "schedule.down_epochs": 100,
    "method._target_": "musicssl.methods.att.AttentionMIL",
    "encoder._target_": "musicssl.encoders.att.AttEmbedding",
    "encoder.dropout": 0.5,
    "encoder.standardise": False,
    "data.batch_size": 128,
    "data.b_s": 1.0,
    "data.epoch_of": "labelled",
    "data.steps_per_epoch": None,
    "trainer.max_epochs": 200,  # passes over D_l
    "select": "val/loss",
}
WEIGHTS = {"mean_teacher_msd": 16, "msd/weight_32": 32, "msd/weight_64": 64}


@pytest.mark.parametrize("dataset", ["synthband", "msd", "magnatagatune"])
@pytest.mark.parametrize("recipe", WEIGHTS)
def test_mean_teacher_msd_is_that_of_section_5_5(recipe, dataset):
    config = composed(f"experiment={recipe}", f"dataset={dataset}")
    assert differences(config, MEAN_TEACHER_MSD) == {}
    assert config.method.consistency_weight == WEIGHTS[recipe]
    assert config.method._target_.endswith("MeanTeacher")
    assert config.hydra.runtime.choices.views == "none"  # 5.4.2: they differ by dropout
    assert config.name == "mean_teacher_msd"  # one name, so that the report chooses a weight


@pytest.mark.parametrize("dataset", ["synthband", "msd", "magnatagatune"])
def test_its_counterpart_learns_200_epochs_of_the_labelled_clips(dataset):
    config = composed("experiment=att_msd", f"dataset={dataset}")
    assert differences(config, ATT_MSD) == {}
    assert config.name == "att_msd"


@pytest.mark.parametrize("recipe", ["mean_teacher_msd", "att_msd"])
def test_ramps_of_section_5_5_in_its_own_units(recipe):
    """Equations A.1 and A.2, 10 and 50 of 100 epochs; the latter as the text describes it."""
    config = composed(f"experiment={recipe}")
    rate = bound_to(config.trainer.max_epochs, instantiate(config.schedule))
    up = {0: math.exp(-5), 0.05: math.exp(-1.25), 0.1: 1, 0.5: 1}
    down = {0.75: math.exp(-3.125), 1: math.exp(-12.5)}
    for passed, factor in (up | down).items():
        assert rate(200 * passed) == pytest.approx(factor)
    if recipe == "mean_teacher_msd":
        weight = instantiate(config.method.ramp)
        for passed, factor in (up | {1: 1}).items():
            assert weight(200 * passed) == pytest.approx(factor)


def test_figure_5_3_is_its_two_recipes_at_six_shares():
    config = OmegaConf.load(CONF / "sweep" / "figure_5_3.yaml")
    axes = {key: str(value).split(",") for key, value in config.hydra.sweeper.params.items()}
    assert axes == {
        "experiment": ["att_msd", *WEIGHTS],
        "data.p_s": ["0.01", "0.02", "0.04", "0.08", "0.16", "0.32"],
        "seed": ["0", "1", "2"],
    }


THESIS = {  # section 3.2.2: the recipe of all rows of Tables 3.1 and 3.2
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.lr": 5e-4,
    "schedule._target_": "musicssl.schedules.constant",
    "data.batch_size": 128,
    "trainer.max_epochs": 250,
    "select": "val/loss",
    "encoder.standardise": False,
    "finetune.checkpoint": None,
    "method.loss._target_": "musicssl.losses.partial_bce.partial_bce",  # equations 3.5 to 3.7
    "method.loss.alpha": 1.0,
    "method.loss.beta": 0.0,
    "method.loss.gamma": -1.0,
}
ATT = {  # section 3.2.2
    "encoder._target_": "musicssl.encoders.att.AttEmbedding",
    "encoder.num_layers": 3,
    "encoder.dropout": 0.6,
    "pooling._target_": "musicssl.networks.pooling.AttentionPooling",
}
BALANCED = {"method.loss._target_": "musicssl.losses.balanced_bce.balanced_bce"}
ROWS = {  # recipe: what differs from THESIS, parameters on VGGish
    "att": (ATT, 55_336),
    "fc": ({"pooling._target_": "musicssl.networks.pooling.MeanPooling"}, 986_772),
    "fc_t": ({"pooling._target_": "musicssl.networks.pooling.MeanPooling"}, 52_116),
    "rnn": ({"pooling._target_": "musicssl.networks.pooling.MeanPooling"}, 226_068),
    "att_bl": (ATT | BALANCED, 55_336),  # section 3.3.2
}


@pytest.mark.parametrize("recipe", ROWS)
def test_rows_of_tables_3_1_and_3_2(recipe):
    changes, count = ROWS[recipe]
    config = composed(f"experiment={recipe}")
    table = THESIS | changes
    if recipe == "att_bl":
        table = {
            k: v for k, v in table.items() if not k.startswith("method.loss.") or k in BALANCED
        }
    assert differences(config, table) == {}
    assert config.name == recipe
    method = instantiate(config.method, **VGGISH, task="multi_label")
    assert parameters(method.network) == count


@pytest.mark.parametrize(
    ("recipe", "frozen"), [("att_bl_ft", []), ("att_bl_ft_final", ["encoder"])]
)
def test_fine_tuning_takes_fifty_more_epochs(recipe, frozen):
    """Section 3.3.2: ATT "for 50 additional epochs" with the balanced loss."""
    config = composed(f"experiment={recipe}")
    table = (
        ATT
        | BALANCED
        | {
            "optimizer.lr": 5e-4,
            "data.batch_size": 128,
            "trainer.max_epochs": 50,
            "select": "val/loss",
            "finetune.frozen": frozen,
        }
    )
    assert differences(config, table) == {}


def test_mean_teacher_is_that_of_section_5_4():
    table = ATT | {
        "method.loss._target_": "musicssl.losses.partial_bce.partial_bce",
        "optimizer.lr": 1e-3,
        "schedule._target_": "musicssl.schedules.halving",
        "schedule.every_epochs": 30.0,
        "teacher.decay": 0.999,
        "method.consistency_weight": 3.0,
        "method.ramp.epochs": 100,
        "data.batch_size": 128,
        "data.b_s": None,  # all clips are partly labelled
        "trainer.max_epochs": 200,
    }
    config = composed("experiment=mean_teacher", "dataset=openmic")
    assert differences(config, table) == {}
    assert config.hydra.runtime.choices.views == "none"


def test_the_recipe_for_few_labels_keeps_the_loss_of_its_task():
    """It is no row of the thesis, and docs/results/label_fraction.md has its numbers."""
    assert composed("experiment=synthband_few_labels").method.loss is None


ACTIVITY = {  # section 2.4.1
    "method._target_": "musicssl.methods.strong.StrongSupervision",
    "method.loss": None,  # BCE
    "pooling._target_": "musicssl.networks.pooling.MaxPooling",
    "pooling.start": "random",
    "features.sample_rate": 44100,
    "encoder.sample_rate": 44100,
    "encoder.chunk_samples": 44100,  # clips of 1 s
    "data.crop_seconds": 1.0,
    "data.batch_size": 32,
    "data.b_s": 1.0,
    "data.epoch_of": "crops",
    "data.steps_per_epoch": None,
    "optimizer._target_": "torch.optim.SGD",
    "optimizer.lr": 1e-4,
    "optimizer.momentum": 0.9,
    "optimizer.nesterov": False,
    "optimizer.weight_decay": 0.0,
    "schedule._target_": "musicssl.schedules.constant",
    "trainer.max_epochs": 20 * 12,  # of the seconds in each of twelve keys
    "select": "last",
    "views.student.pitch_shift.min_semitones": -5,
    "views.student.pitch_shift.max_semitones": 6,
    "views.student.pitch_shift.whole": True,
}
OF_MEDLEYDB = ["dataset=medleydb", "dataset.what=mixes", "dataset.activity=original"]
TABLE_2_1 = {"mlp": 2_315_794, "cnn": 2_177_170, "crnn": 2_343_570}  # counted from its layers


@pytest.mark.parametrize("dataset", [["dataset=synthband"], OF_MEDLEYDB])
@pytest.mark.parametrize("row", TABLE_2_1)
def test_rows_of_table_2_3(row, dataset):
    config = composed(f"experiment=activity_{row}", *dataset)
    assert differences(config, ACTIVITY) == {}
    assert config.name == f"activity_{row}"
    sizes = {"num_features": 1, "num_instances": 44_100, "num_classes": 18}
    method = instantiate(config.method, **sizes, task="multi_label")
    assert parameters(method.network) == TABLE_2_1[row]


SEMISUPCON = {  # Guinot et al. 2024, https://arxiv.org/abs/2407.13840, and the authors' code
    "hydra.runtime.choices.dataset": "magnatagatune",
    "hydra.runtime.choices.unlabelled": "fma",  # ssl_task: fma
    "method._target_": "musicssl.methods.semisupcon.SemiSupCon",
    "method.temperature": 0.1,
    "method.similarity._target_": "musicssl.losses.similarity.shared_labels",
    "method.similarity.threshold": 1,  # pos_thresh: 1
    "projector.hidden": 512,
    "projector.out_dim": 128,
    "projector.num_hidden": 1,
    "encoder._target_": "musicssl.encoders.samplecnn.SampleCNN",
    "encoder.width": 512,
    "encoder.last_kernel": 3,
    "encoder.dropout": 0.0,
    "features.sample_rate": 22050,
    "data.p_s": 1.0,
    "data.b_s": 0.5,
    "data.batch_size": 96,
    "data.adjacent_crops": True,
    "views._target_": "musicssl.augment.views.published_views",
    "views.severity": 2.0,
    "views.to_the_letter": True,
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.lr": 1e-4,
    "optimizer.weight_decay": 0.0,
    "schedule._target_": "musicssl.schedules.constant",
    "select": "last",
}


def test_semisupcon_is_that_of_the_authors():
    config = composed("experiment=magnatagatune_semisupcon")
    assert differences(config, SEMISUPCON) == {}
    sizes = {"num_features": 1, "num_instances": 59_049, "num_classes": 50}
    method = instantiate(config.method, **sizes, task="multi_label")
    assert method.needs.crops == 2
    assert method.views.changed == 0.8
    assert {m.p for m in method.modules() if isinstance(m, Dropout)} == {0.0}


MISSING = {  # Gururani's study of 2021, https://arxiv.org/abs/2111.12761, and its code
    "encoder._target_": "musicssl.encoders.att.AttEmbedding",
    "encoder.dropout": 0.6,
    "encoder.standardise": False,
    "pooling._target_": "musicssl.networks.pooling.AttentionPooling",
    "pooling.start": "random",
    "pooling.statistics": 0.0,
    "pooling.regression": 0.0,
    "method.loss": None,  # BCE over the observed cells
    "data.batch_size": 64,
    "data.b_s": 1.0,
    "data.missing": "masked",
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.lr": 1e-3,
    "optimizer.weight_decay": 1e-5,
    "schedule._target_": "musicssl.schedules.halving",
    "schedule.every_epochs": 30.0,
    "trainer.max_epochs": 100,
}
OF_MISSING = {  # what differs from MISSING
    "masked": {},  # type 1
    "negative": {"data.missing": "negative"},  # type 0
    "label_enhancing": {
        "method._target_": "musicssl.methods.label_enhancing.LabelEnhancing",
        "method.teacher_epochs": 100,
        "trainer.max_epochs": 100 + 100,
        "encoder.dropout": 0.3,
    },
    "mean_teacher": {
        "method._target_": "musicssl.methods.mean_teacher.MeanTeacher",
        "method.consistency_weight": 3.0,
        "method.ramp.epochs": 0.0,  # none
        "teacher.decay": 0.999,
        "teacher.batch_norm": "own",  # in train mode
        "teacher.dropout": True,
        "encoder.dropout": 0.8,
        "data.b_s": None,
    },
}


@pytest.mark.parametrize("dataset", ["synthband", "openmic", "sonyc_ust"])
@pytest.mark.parametrize("recipe", OF_MISSING)
def test_answers_to_missing_labels(recipe, dataset):
    config = composed(f"experiment=missing/{recipe}", f"dataset={dataset}")
    assert differences(config, MISSING | OF_MISSING[recipe]) == {}
    assert config.name == f"missing_{recipe}"
    if recipe == "mean_teacher":
        assert instantiate(config.method.ramp)(0) == 1
        assert config.hydra.runtime.choices.views == "none"


@pytest.mark.parametrize("method", ["beta_vae", "annealed_vae", "factor_vae", "ar_vae"])
def test_the_benchmark_of_melodies_is_as_published(method):
    """Pati, Gururani and Lerch 2020, section 4.2, and the code of the authors."""
    config = composed(f"experiment=dmelodies/{method}")
    assert (config.dataset.share, config.data.batch_size, config.trainer.max_epochs) == (
        1,
        512,
        100,
    )
    optimizer = config.optimizer
    assert (optimizer._target_, optimizer.lr, optimizer.weight_decay) == (
        "torch.optim.Adam",
        1e-4,
        0,
    )
    if "warmup" in config.method:
        warmup = config.method.warmup
        assert (warmup.epochs, warmup.ramp, warmup.unit) == (11, 100_000, "steps")
    weights = {
        "beta_vae": {"beta": 1, "free_nats": 50},
        "annealed_vae": {"beta": 1, "capacity": 50},
        "factor_vae": {"beta": 1, "capacity": 50, "gamma": 10, "discriminator": [64, 64, 64]},
        "ar_vae": {"beta": 0.001, "capacity": 0, "gamma": 1, "delta": 10},
    }
    assert {name: config.method[name] for name in weights[method]} == weights[method]


def test_vade_with_labels_is_as_in_the_post():
    """Tan 2020, https://gudgud96.github.io/2020/05/13/semi-supervised-music/, section 3.

    Jiang et al. 2017, https://arxiv.org/abs/1611.05148, section 4.2, where the post says nothing.
    """
    config = composed("experiment=vade_semi_supervised")
    of_the_post = {
        "method._target_": "musicssl.methods.vade.VaDE",
        "method.equal_components": True,  # no log p(y) in "the KL term" of either case
        "method.classification_weight": 0,  # "can be added" is said of M2
        "method.num_components": None,  # a component is a class: "p(z|y)"
    }
    of_vade = {"method.hidden": [500, 500, 2000], "method.latent_dim": 10}
    assert differences(config, of_the_post | of_vade) == {}
    assert 0 < config.data.b_s < 1  # batches of labelled and unlabelled clips
    plain = composed("method=vade", "dataset=synthband_solo", f"data.b_s={config.data.b_s}")
    assert differences(plain, of_vade | {"method.equal_components": False}) == {}


def test_ar_vae_of_folk_tunes_is_as_published():
    """Pati and Lerch 2021, section 4 and appendix, and the code of the authors."""
    config = composed("experiment=folk/ar_vae")
    expected = {
        "autoencoder.units": 128,
        "autoencoder.dropout": 0.5,
        "autoencoder.latent_dim": 32,
        "autoencoder.embedding_dim": 10,
        "autoencoder.ticks_per_beat": 6,
        "autoencoder.teacher_forcing": 0.5,
        "method.beta": 0.001,
        "method.gamma": 1,
        "method.delta": 10,
        "method.capacity": 0,
        "method.attributes": None,
        "optimizer._target_": "torch.optim.Adam",
        "optimizer.lr": 1e-4,
        "data.batch_size": 256,
        "trainer.max_epochs": 30,
    }
    assert differences(config, expected) == {}


def test_the_study_of_missing_labels_is_its_recipes_at_four_rates():
    config = OmegaConf.load(CONF / "sweep" / "missing_labels.yaml")
    axes = {key: str(value).split(",") for key, value in config.hydra.sweeper.params.items()}
    assert axes == {
        "experiment": [f"missing/{recipe}" for recipe in OF_MISSING],
        "data.drop_labels": ["0.1", "0.2", "0.4", "0.8"],
        "seed": ["0", "1", "2"],
    }


def test_pitch_and_timbre_are_trained_as_published():
    """Luo, Agres and Herremans 2019, and config.json of the authors' code."""
    config = composed("experiment=pitch_timbre/nsynth", "data.p_s=0.1")
    assert differences(config, PITCH_TIMBRE) == {}
    assert config.hydra.runtime.choices.dataset == "nsynth"


PITCH_TIMBRE = {
    "dataset.target": "family",
    "data.b_s": None,
    "data.batch_size": 128,
    "features.sample_rate": 22_050,
    "features.n_fft": 2048,
    "features.num_mels": 256,
    "method.num_frames": 43,
    "method.units": 512,
    "method.latent_dim": 16,
    "optimizer._target_": "torch.optim.Adam",
    "optimizer.amsgrad": True,
    "optimizer.lr": 1e-4,
    "optimizer.weight_decay": 0.0,
    "schedule._target_": "musicssl.schedules.constant",
    "select": "val/bound_loss",
    "patience": 1000,
    "trainer.max_epochs": 10_000,
}
