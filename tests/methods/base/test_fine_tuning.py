"""Fine-tuning: what changes, when, how fast; runs of a real trainer on the CPU."""

import copy
from functools import partial

import pytest
import torch

from musicssl.data.datamodule import SemiSupervisedDataModule
from musicssl.errors import InputError
from musicssl.methods.att import AttentionMIL
from musicssl.methods.base.fine_tuning import FineTuning
from musicssl.methods.mean_teacher import MeanTeacher
from musicssl.methods.simclr import SimCLR
from musicssl.networks.depth import blocks
from musicssl.networks.pooling import AttentionPooling
from musicssl.networks.teacher import Teacher
from musicssl.schedules import constant, cosine, halving
from tests.support.interrupted import check_resuming
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.training import (
    quiet_trainer,
    representation_parts,
    semi_supervised_parts,
    supervised_parts,
)

OPTIMIZERS = {
    "adam": partial(torch.optim.Adam, lr=1e-2, weight_decay=1e-5, fused=True),
    "adamw": partial(torch.optim.AdamW, lr=1e-2, weight_decay=1e-2, fused=True),
    "sgd": partial(torch.optim.SGD, lr=1e-2, momentum=0.9, nesterov=True, weight_decay=1e-4),
}
SCHEDULES = {
    "constant": constant,
    "cosine": partial(cosine, warmup_epochs=1.0),
    "halving": partial(halving, every_epochs=1.0),
}


def att(settings=None, **parts):
    torch.manual_seed(0)
    method = AttentionMIL(**supervised_parts(**parts))
    method.fine_tune(settings or FineTuning())
    return method


def teacher(settings, **parts):
    torch.manual_seed(0)
    method = MeanTeacher(**semi_supervised_parts(teacher=partial(Teacher, decay=0.9), **parts))
    method.fine_tune(settings)
    return method


def simclr(settings):
    torch.manual_seed(0)
    method = SimCLR(**representation_parts(temperature=0.1))
    method.fine_tune(settings)
    return method


def data(num_crops=1):
    return SemiSupervisedDataModule(
        Tiny(), p_s=0.5, b_s=0.5 if num_crops == 1 else 0.0, batch_size=16, num_crops=num_crops
    )


def state_of(part):
    return copy.deepcopy(part.state_dict())


def changed(before, after):
    return {name for name, tensor in before.items() if not torch.equal(tensor, after[name])}


def fit(method, folder, epochs, clips=None):
    trainer = quiet_trainer(folder, max_epochs=epochs, num_sanity_val_steps=0)
    torch.manual_seed(1)  # of dropout
    trainer.fit(method, clips or data())
    return trainer


@pytest.mark.parametrize("build", [att, teacher])
def test_parts_are_frozen_until_their_epoch_and_trained_afterwards(tmp_path, build):
    method = build(FineTuning(frozen=["encoder"], unfreeze_epoch=2))
    encoders = [network.encoder for network in method._networks()]
    before = [state_of(encoder) for encoder in encoders]
    seen = []

    def note(epoch):
        seen.append([changed(b, e.state_dict()) for b, e in zip(before, encoders, strict=True)])

    method.on_train_epoch_end = lambda: note(method.current_epoch)
    fit(method, tmp_path, 4)
    for epoch, changes in enumerate(seen):
        for names, state in zip(changes, before, strict=True):
            assert names == (set() if epoch < 2 else set(state)), epoch  # statistics included
    assert all(module.training for module in method.train().classifier.encoder.modules())


def test_a_frozen_start_is_that_of_a_run_that_freezes_for_good(tmp_path):
    frozen = att(FineTuning(frozen=["encoder"]))
    fit(frozen, tmp_path, 1)
    held = att(FineTuning(frozen=["encoder"], unfreeze_epoch=1))
    after_first = []
    held.on_train_epoch_end = lambda: after_first or after_first.append(state_of(held))
    fit(held, tmp_path, 2)
    assert changed(state_of(frozen), after_first[0]) == set()


def test_gradients_of_frozen_parts_are_dropped_where_other_devices_need_them(tmp_path):
    """With several devices all parameters have gradients, and those frozen do not move."""
    method = att(FineTuning(frozen=["encoder"], unfreeze_epoch=1), optimizer=OPTIMIZERS["adamw"])
    method.freezing.require_gradients()  # as setup does for several devices
    reference = att(FineTuning(frozen=["encoder"], unfreeze_epoch=1), optimizer=OPTIMIZERS["adamw"])
    for subject in (method, reference):
        fit(subject, tmp_path, 2)
    assert changed(state_of(reference), state_of(method)) == set()


def test_an_unfreezing_that_training_does_not_reach_is_refused(tmp_path):
    for epochs in (1, 2):
        with pytest.raises(InputError, match=rf"unfreeze_epoch=2 leaves none of {epochs} epochs"):
            fit(att(FineTuning(frozen=["encoder"], unfreeze_epoch=2)), tmp_path, epochs)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_rates_are_those_of_the_formula_at_each_step(tmp_path, optimizer, schedule):
    decay, steps, epochs = 0.7, 6, 2
    rule = SCHEDULES[schedule]
    method = att(FineTuning(layer_decay=decay), optimizer=OPTIMIZERS[optimizer], schedule=rule)
    found = []
    trained = method.training_step

    def noting(batch, batch_idx):
        groups = method.trainer.optimizers[0].param_groups
        found.append({id(p): group["lr"] for group in groups for p in group["params"]})
        return trained(batch, batch_idx)

    method.training_step = noting
    fit(method, tmp_path, epochs)
    assert len(found) == steps * epochs
    layers = blocks(method.classifier.encoder)
    distance = {id(p): len(layers) - n for n, block in enumerate(layers) for p in block}
    for step, rates in enumerate(found):
        end = {"end": float(epochs)} if schedule == "cosine" else {}
        base = 1e-2 * rule(step / steps, **end)
        assert rates.keys() == {id(p) for p in method.parameters()}
        for parameter, rate in rates.items():
            assert rate == pytest.approx(base * decay ** distance.get(parameter, 0), rel=1e-12)


def test_a_step_of_each_layer_is_as_long_as_its_rate_says(tmp_path):
    """Plain gradient descent: the step is the rate times the gradient."""
    sgd = partial(torch.optim.SGD, lr=1.0)
    plain, decayed = (att(FineTuning(layer_decay=decay), optimizer=sgd) for decay in (1.0, 0.5))
    moves = []
    for method in (plain, decayed):
        before = {name: p.detach().clone() for name, p in method.named_parameters()}
        trainer = quiet_trainer(tmp_path, max_steps=1, num_sanity_val_steps=0)
        torch.manual_seed(1)
        trainer.fit(method, data())
        moves.append({name: p.detach() - before[name] for name, p in method.named_parameters()})
    for number, factor in ((1, 0.125), (5, 0.25), (9, 0.5)):
        name = f"classifier.encoder.layers.{number}.weight"
        torch.testing.assert_close(moves[1][name], factor * moves[0][name], rtol=1e-3, atol=1e-6)
    top = "classifier.pooling.attention.weight"
    torch.testing.assert_close(moves[1][top], moves[0][top], rtol=0, atol=0)


def test_without_settings_the_optimizer_has_one_group_of_all(tmp_path):
    method = att()
    trainer = fit(method, tmp_path, 1)
    (group,) = trainer.optimizers[0].param_groups
    assert [id(p) for p in group["params"]] == [id(p) for p in method.parameters()]


@pytest.mark.parametrize("build", [att, teacher])
def test_lora_starts_at_the_same_function_and_trains_factors_and_classifier(tmp_path, build):
    rank, clips = 2, data()
    clips.setup()
    batch = clips.clips("test")
    plain, method = build(FineTuning()).eval(), build(FineTuning(lora=rank, lora_alpha=4.0)).eval()
    for ours, theirs in zip(method._networks(), plain._networks(), strict=True):
        assert torch.equal(ours(batch), theirs(batch))
    trained = sum(p.numel() for p in method.parameters() if p.requires_grad)
    pooling = sum(p.numel() for p in method.classifier.pooling.parameters())
    assert trained == rank * 3 * (8 + 8) + pooling

    before = state_of(method.classifier)
    fit(method, tmp_path, 2, clips)
    for network in method._networks():
        names = changed(before, network.state_dict())
        assert names == {
            name
            for name in before
            if name.startswith("pooling.") or name.endswith(("weight.0.a", "weight.0.b"))
        }
    expected = method.eval().scores(batch)
    method.merge_low_rank()
    assert method.state_dict().keys() == plain.state_dict().keys()
    assert torch.equal(method.eval().scores(batch), expected)


def test_with_lora_parts_outside_the_encoder_are_trained_too(tmp_path):
    method = simclr(FineTuning(lora=2))
    before = state_of(method.projector)
    fit(method, tmp_path, 1, data(num_crops=2))
    assert changed(before, method.projector.state_dict()) == set(before)


@pytest.mark.parametrize(
    "settings",
    [
        FineTuning(frozen=["encoder"], unfreeze_epoch=1),
        FineTuning(frozen=["encoder"], unfreeze_epoch=2, layer_decay=0.7),
        FineTuning(lora=2, lora_alpha=4.0, layer_decay=0.5),
        FineTuning(lora=2, frozen=["pooling.attention"], unfreeze_epoch=1),
    ],
)
@pytest.mark.parametrize("place", slow_after(1, ["1 2", "0 3", "1 end", "2 0"]))
@pytest.mark.parametrize("build", slow_after(1, [att, teacher]))
def test_a_run_that_is_stopped_and_resumed_ends_with_the_same_bits(
    tmp_path, build, place, settings
):
    check_resuming(
        tmp_path,
        lambda: build(settings, optimizer=OPTIMIZERS["adamw"], schedule=SCHEDULES["cosine"]),
        data,
        3,
        *(None if part == "end" else int(part) for part in place.split()),
    )


@pytest.mark.slow
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_resumes_across_an_unfreezing(tmp_path, optimizer):
    settings = FineTuning(frozen=["encoder"], unfreeze_epoch=1, layer_decay=0.7)
    build = partial(att, settings, optimizer=OPTIMIZERS[optimizer])
    check_resuming(tmp_path, build, data, 3, 1, 2)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (
            {"frozen": None},
            r"frozen names parts, such as \[encoder\], or none, \[\], but it is null",
        ),
        ({"layer_decay": 0}, r"layer_decay must be above 0 and at most 1, such as 0\.7, got 0"),
        ({"layer_decay": 1.5}, "layer_decay must be above 0"),
        ({"layer_decay": "a"}, "layer_decay must be above 0"),
        ({"lora": 0}, r"finetune\.lora must be a whole number from 1 up, got 0"),
        ({"lora": True}, "lora must be a whole number"),
        ({"lora": 2.0}, "lora must be a whole number"),
        ({"lora_alpha": 2}, "add finetune.lora=RANK"),
        ({"lora": 2, "lora_alpha": 0}, "lora_alpha must be a number above 0"),
        ({"unfreeze_epoch": 1}, r"name parts to freeze, such as finetune\.frozen=\[encoder\]"),
        ({"frozen": ["encoder"], "unfreeze_epoch": 0}, "unfreeze_epoch must be a whole number"),
        ({"frozen": ["encoder.layers"], "lora": 2}, r"leave encoder\.layers out of finetune"),
    ],
)
def test_settings_that_mean_nothing_are_refused(settings, message):
    with pytest.raises(InputError, match=message):
        FineTuning(**settings)


def test_new_classes_begin_at_their_frequency_and_known_ones_as_they_were(tmp_path):
    """Oracle: a network that starts from nothing, and the weights to start from."""
    still = {
        "optimizer": partial(torch.optim.SGD, lr=0.0),
        "pooling": partial(AttentionPooling, start="prior"),
    }
    theirs, anew, ours = att(**still), att(**still), att(**still)
    with torch.no_grad():
        for parameter in theirs.classifier.parameters():
            parameter.normal_()
    given = {name: value.clone() for name, value in theirs.state_dict().items()}
    ours.start_from(given, "classifier", [None, 0, None])
    for method in (anew, ours):
        fit(method, tmp_path, 1)
    for name, value in ours.classifier.pooling.state_dict().items():
        assert torch.equal(value[1], given[f"classifier.pooling.{name}"][0]), name
        for row in (0, 2):
            assert torch.equal(value[row], anew.classifier.pooling.state_dict()[name][row]), name
    same = att(**still)
    same.start_from(given)
    fit(same, tmp_path, 1)
    for name, value in same.classifier.pooling.state_dict().items():
        assert torch.equal(value, given[f"classifier.pooling.{name}"]), name
