"""Each of M stacked models as it was in its best epoch, against a slow loop over the epochs."""

import copy
import math

import pytest
import torch
from sklearn.metrics import accuracy_score, log_loss, roc_auc_score
from torch import nn

from musicssl.errors import InputError
from musicssl.evaluation.tasks import MULTI_CLASS, MULTI_LABEL
from musicssl.methods.generative.labelwise import StackedLinear, StackedMLP
from musicssl.methods.generative.selected import SelectedWeights, check_criterion, values_of_models

M, EPOCHS = 4, 9


def modules():
    return {"a": StackedLinear(M, 3, 2), "b": StackedMLP(M, (3, 4))}


def history():
    """What each model came to in each epoch, (EPOCHS, M)."""
    torch.manual_seed(0)
    values = torch.rand(EPOCHS, M)
    values[0, 0] = math.nan  # not defined in its first epoch
    values[5, 1] = math.nan  # in between, after better ones
    values[:, 2] = math.nan  # never
    values[6, 3] = values[3, 3] = -1  # as good again, later
    return values


def test_every_model_has_the_weights_of_its_best_epoch():
    now, values = modules(), history()
    selected, past = SelectedWeights(now, M), []
    for epoch in range(EPOCHS):
        with torch.no_grad():
            for parameter in nn.ModuleDict(now).parameters():
                parameter.normal_()
        past.append(copy.deepcopy(nn.ModuleDict(now)))
        taken = selected.take(now, values[epoch], epoch)

        for model in range(M):
            seen = [float(v) for v in values[: epoch + 1, model]]
            defined = [v for v in seen if not math.isnan(v)]
            best = seen.index(min(defined)) if defined else epoch
            assert bool(taken[model]) == (best == epoch), (epoch, model)
            assert int(selected.epochs[model]) == best
            kept = selected.copies.parameters()
            for ours, theirs in zip(kept, past[best].parameters(), strict=True):
                assert torch.equal(ours[model], theirs[model]), (epoch, model)


def test_what_was_selected_does_not_move_with_the_weights_nor_learn():
    now = modules()
    selected = SelectedWeights(now, M)
    selected.take(now, torch.zeros(M))
    before = copy.deepcopy(selected.state_dict())
    with torch.no_grad():
        for parameter in nn.ModuleDict(now).parameters():
            parameter.add_(1)
    selected.take(now, torch.ones(M))  # worse
    for name, value in selected.state_dict().items():
        assert torch.equal(value, before[name])
    assert not any(p.requires_grad for p in selected.parameters())
    assert all(p.requires_grad for p in nn.ModuleDict(now).parameters())


def test_selection_goes_on_where_it_was_saved():
    now, values = modules(), history()
    straight, interrupted = SelectedWeights(now, M), SelectedWeights(now, M)
    for epoch in range(EPOCHS):
        with torch.no_grad():
            for parameter in nn.ModuleDict(now).parameters():
                parameter.normal_()
        straight.take(now, values[epoch])
        interrupted.take(now, values[epoch])
        saved = copy.deepcopy(interrupted.state_dict())
        interrupted = SelectedWeights(modules(), M)
        interrupted.load_state_dict(saved)
    for name, value in straight.state_dict().items():
        assert torch.equal(interrupted.state_dict()[name], value), name


def test_parts_that_are_shared_stay_shared():
    now = modules()
    selected = SelectedWeights(now, M)
    selected.copies["a"] = now["a"]
    weight = now["a"].weight.detach().clone()
    selected.take(now, torch.zeros(M))
    assert torch.equal(now["a"].weight, weight)
    assert selected.copies["a"] is now["a"]


def outputs(num_classes=3, count=40):
    torch.manual_seed(0)
    logits, targets = torch.randn(count, num_classes), torch.rand(count, num_classes).round()
    return logits, targets, torch.rand(count, num_classes) < 0.7


def test_values_of_a_label_are_of_its_observed_clips_alone():
    logits, targets, mask = outputs()
    targets = targets.where(mask, torch.nan)  # without meaning there
    loss = values_of_models("val/loss", logits, targets, mask, MULTI_LABEL)
    auroc = values_of_models("val/auroc", logits, targets.where(mask, 0), mask, MULTI_LABEL)
    for c in range(3):
        y, score = targets[mask[:, c], c].numpy(), logits[mask[:, c], c].sigmoid().double().numpy()
        assert loss[c].item() == pytest.approx(log_loss(y, score), rel=1e-5)
        assert auroc[c].item() == pytest.approx(-roc_auc_score(y, score))  # the less the better


def test_a_label_that_was_not_observed_or_has_one_value_has_no_value():
    logits, targets, mask = outputs()
    mask[:, 0], targets[:, 1] = False, 1
    assert values_of_models("val/loss", logits, targets, mask, MULTI_LABEL).isnan().tolist() == [
        *(True, False, False)
    ]
    assert values_of_models("val/auroc", logits, targets, mask, MULTI_LABEL).isnan().tolist() == [
        *(True, True, False)
    ]


def test_where_a_clip_has_one_class_there_is_one_value():
    logits, _, _ = outputs()
    answer = torch.arange(40) % 3
    mask = (torch.arange(40) < 30)[:, None].expand(40, 3)  # the others have no label
    targets = torch.eye(3)[answer]
    loss = values_of_models("val/loss", logits, targets, mask, MULTI_CLASS)
    scores = logits.double().softmax(dim=1).numpy()
    assert loss.tolist() == pytest.approx([log_loss(answer[:30], scores[:30])], rel=1e-5)
    accuracy = values_of_models("val/accuracy", logits, targets, mask, MULTI_CLASS)
    expected = accuracy_score(answer[:30], scores[:30].argmax(axis=1))
    assert accuracy.tolist() == pytest.approx([-expected])


def test_models_are_selected_by_what_is_measured_of_each():
    for select in ("val/loss", "val/auroc", "val/f1_both"):
        check_criterion(select, MULTI_LABEL)
    check_criterion("val/accuracy", MULTI_CLASS)
    for select, task in (
        *(("val/accuracy", MULTI_LABEL), ("val/latest_loss", MULTI_LABEL)),
        *(("val/observed", MULTI_LABEL), ("train/loss", MULTI_CLASS), ("auroc", MULTI_LABEL)),
    ):
        with pytest.raises(
            InputError, match=f"^select={select} is not measured for each model; ch"
        ):
            check_criterion(select, task)
