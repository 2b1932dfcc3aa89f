"""`dgm` in runs of a real trainer: what it learns, selects, keeps and refuses."""

import copy
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException
from sklearn.metrics import roc_auc_score
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy

from musicssl.batch import Batch
from musicssl.errors import InputError
from musicssl.losses.likelihoods import Bernoulli, BoundedGaussian
from musicssl.runs.checkpoint_writing import AtomicCheckpointIO, DescribeCheckpoint
from musicssl.runs.history import History
from musicssl.runs.resume import BestCheckpoint, ResumeCheckpoint
from musicssl.seeding import StepSeed
from tests.support.dgm_training import data, dgm, fit
from tests.support.interrupted import Stop, validation_of
from tests.support.kinds import OneClass
from tests.support.quick import slow_after
from tests.support.tiny import Tiny
from tests.support.training import quiet_trainer

BOTH = pytest.mark.parametrize("generative", [True, False])


class Watch(pl.Callback):
    """Keep the weights of each epoch, and what the latest models say of the validation clips."""

    def __init__(self, datamodule):
        self.datamodule = datamodule
        self.weights, self.logits, self.logged = [], [], []

    def on_validation_end(self, trainer, method):
        if trainer.sanity_checking:
            return
        with torch.no_grad():
            self.logits.append(method.classifier(self.datamodule.clips("val")))
        parts = (method.classifier, method.generator)
        self.weights.append([copy.deepcopy(part.state_dict()) for part in parts])
        self.logged.append({k: v.item() for k, v in trainer.callback_metrics.items()})


def badness(select, logits, clips, m):
    """Return a value of one label by which to select, smaller is better: by torch, scikit-learn."""
    seen = clips.mask[:, m]
    targets, answers = clips.y[seen, m], logits[seen, m]
    if select == "val/auroc":
        return -roc_auc_score(targets, answers)
    return binary_cross_entropy_with_logits(answers, targets).item()


@pytest.mark.parametrize("select", slow_after(1, ["val/loss", "val/auroc"]))
def test_every_label_keeps_the_epoch_that_was_best_for_it(tmp_path, select):
    """Against a slow loop over the history; the epochs differ from label to label."""
    datamodule = data(Tiny(num_clips=200), p_cells=0.8)
    method = dgm(select=select, optimizer=partial(torch.optim.Adam, lr=0.05))
    watch = Watch(datamodule)
    trainer = fit(method, tmp_path, datamodule, [watch], max_epochs=6)
    val = datamodule.clips("val")
    values = [[badness(select, logits, val, m) for m in range(3)] for logits in watch.logits]
    best = [min(range(6), key=lambda e, m=m: (values[e][m], e)) for m in range(3)]
    assert len(set(best)) > 1

    selected = (method.network.state_dict(), method.best_generator.state_dict())
    for ours, part in zip(selected, (0, 1), strict=True):
        for name, value in ours.items():
            if "features" in name or "log_prior" in name:
                continue
            for m, epoch in enumerate(best):
                assert torch.equal(value[m], watch.weights[epoch][part][name][m]), (name, m)

    composed = torch.stack([watch.logits[epoch][:, m] for m, epoch in enumerate(best)], dim=1)
    with torch.no_grad():
        torch.testing.assert_close(method.eval()(val), composed)
        torch.testing.assert_close(method.scores(val), composed.sigmoid())
        torch.testing.assert_close(method.instances(val).logits[:, 0], composed)
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    of_both = {"val/": composed, "val/latest_": watch.logits[-1]}
    for prefix, logits in of_both.items():
        loss = binary_cross_entropy_with_logits(logits[val.mask], val.y[val.mask])
        assert logged[f"{prefix}loss"] == pytest.approx(loss.item(), rel=1e-5)
        expected = -np.mean([badness("val/auroc", logits, val, m) for m in range(3)])
        assert logged[f"{prefix}auroc"] == pytest.approx(expected)

    history = [row[select] for row in watch.logged]  # never worse than it was
    assert history == sorted(history, reverse=select == "val/loss")
    assert [row[f"val/latest_{select[4:]}"] for row in watch.logged] != history


def test_what_was_selected_drops_nothing_in_training():
    method = dgm().train()
    batch = Batch(torch.randn(9, 5, 8), torch.zeros(9, 3), torch.zeros(9, 3).bool())
    assert torch.equal(method(batch), method(batch))
    assert not torch.equal(method.classifier(batch), method.classifier(batch))


def test_a_rehearsal_and_a_validation_of_its_own_select_nothing(tmp_path):
    """A few batches before training, or other clips after it, would be no epoch of the run."""
    datamodule = data()
    worse = {"optimizer": partial(torch.optim.Adam, lr=1.0), "generative": False}  # than at first
    rehearsed, plain = dgm(**worse), dgm(**worse)
    fit(rehearsed, tmp_path, datamodule, num_sanity_val_steps=1)
    trainer = fit(plain, tmp_path, data(), num_sanity_val_steps=0)
    before = copy.deepcopy(plain.state_dict())
    for name, value in rehearsed.state_dict().items():
        assert torch.equal(value, before[name]), name

    for parameter in plain.classifier.parameters():
        parameter.data.zero_()
    plain.selected.best.fill_(100.0)
    before = copy.deepcopy(plain.state_dict())
    trainer.validate(plain, data(), verbose=False)
    for name, value in plain.state_dict().items():
        assert torch.equal(value, before[name]), name


@BOTH
def test_it_learns_the_tiny_corpus_from_few_labels(tmp_path, generative):
    datamodule = data(Tiny(num_clips=400), p_s=0.5, batch_size=32)
    method = dgm(generative=generative)
    fit(method, tmp_path, datamodule, max_epochs=12)
    test = datamodule.clips("test")
    with torch.inference_mode():
        scores = method.eval().scores(test)
    assert roc_auc_score(test.y, scores, average="macro") > 0.85


def test_the_baseline_is_the_classifiers_alone_on_the_same_batches(tmp_path):
    """Their cross-entropy, whatever beta: there is nothing to weigh it against."""
    method, other = dgm(generative=False, dropout=0.0), dgm(generative=False, dropout=0.0, beta=0.5)
    assert method.generator is method.best_generator is None
    names = {name.split(".")[0] for name, _ in method.named_parameters()}
    assert names == {"classifier", "selected"}
    both = dgm(dropout=0.0)
    sizes = [sum(p.numel() for p in m.parameters() if p.requires_grad) for m in (method, both)]
    assert sizes[0] == sum(p.numel() for p in both.classifier.parameters()) < sizes[1]
    trainer = fit(method, tmp_path, max_epochs=3)
    fit(other, tmp_path, max_epochs=3)
    for name, value in method.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    logged = trainer.callback_metrics
    assert logged["train/loss"] == logged["train/cross_entropy"] > 0


@BOTH
def test_one_class_a_clip_is_a_single_model(tmp_path, generative):
    datamodule = data(OneClass(unlabelled=40), p_s=1.0)
    method = dgm(task="multi_class", generative=generative, select="val/accuracy")
    trainer = fit(method, tmp_path, datamodule, max_epochs=15)
    assert method.selected.best.shape == (1,)
    if generative:
        assert method.generator.log_prior.shape == (1, 3)
    test = datamodule.clips("test")
    with torch.inference_mode():
        scores, logits = method.eval().scores(test), method(test)
    torch.testing.assert_close(scores.sum(dim=1), torch.ones(len(scores)))
    known = test.mask.all(dim=1)
    answers = test.y[known].argmax(dim=1)
    assert (scores[known].argmax(dim=1) == answers).float().mean() > 0.9
    trainer.test(method, datamodule, verbose=False)
    loss = cross_entropy(logits[known], answers).item()
    assert trainer.callback_metrics["test/loss"].item() == pytest.approx(loss, rel=1e-4)
    assert -method.selected.best.item() == pytest.approx(
        trainer.validate(method, datamodule, verbose=False)[0]["val/accuracy"]
    )


def test_the_prior_of_answers_may_be_their_shares_in_the_labelled_clips(tmp_path):
    datamodule = data(Tiny(), p_s=0.5)
    method = dgm(prior="labelled")
    fit(method, tmp_path, datamodule)
    y, mask = (part.numpy() for part in datamodule.labels("train"))
    for c in range(3):
        present = y[mask[:, c], c].sum() + 1
        expected = np.log([1 - present / (mask[:, c].sum() + 2), present / (mask[:, c].sum() + 2)])
        for generator in (method.generator, method.best_generator):
            np.testing.assert_allclose(generator.log_prior[c], expected, rtol=1e-5)
    uniform = dgm()
    fit(uniform, tmp_path, datamodule)
    torch.testing.assert_close(uniform.generator.log_prior.exp(), torch.full((3, 2), 0.5))


class HardlyObserved(Tiny):
    """Of the first class two training clips are observed, and no validation clip."""

    def load(self):
        corpus = super().load()
        corpus.mask[corpus.split != "test", 0] = False
        train = np.flatnonzero(corpus.split == "train")
        first = [train[corpus.y[train, 0] == value][0] for value in (0, 1)]
        corpus.mask[first, 0] = True
        return corpus


@pytest.mark.parametrize("b_s", [1.0, 0.5])
def test_a_label_of_which_nothing_is_known_does_no_harm(tmp_path, b_s):
    method, datamodule = dgm(), data(HardlyObserved(), b_s=b_s)
    trainer = fit(method, tmp_path, datamodule, max_epochs=2)
    counts = datamodule.label_plan().counts
    assert counts.labelled[0] == 0 < counts.labelled[1]
    assert all(torch.isfinite(p).all() for p in method.parameters())
    assert np.isfinite(trainer.callback_metrics["train/loss"].item())
    assert method.selected.best.isinf().tolist() == [True, False, False]
    latest = method.classifier.encoder.hidden.layers[0].weight[0]
    assert torch.equal(method.network.encoder.hidden.layers[0].weight[0], latest)


def test_without_unlabelled_clips_a_labelled_one_counts_once(tmp_path):
    """mean L + beta mean cross-entropy."""
    trainer = fit(dgm(), tmp_path, data(p_s=0.3, b_s=1.0))
    logged = {name: value.item() for name, value in trainer.callback_metrics.items()}
    assert logged["train/unlabelled"] == 0
    expected = logged["train/labelled"] + 8 * logged["train/cross_entropy"]
    assert logged["train/loss"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("likelihood", slow_after(1, [BoundedGaussian(0.05), Bernoulli()]))
def test_other_likelihoods_train_too(tmp_path, likelihood):
    """Features are standardised where the likelihood is for such."""

    class Unit(Tiny):
        def load(self):
            corpus = super().load()
            corpus.x[:] = np.clip(corpus.x / 2, 0, 1)
            corpus.x[..., 0] = 0.5  # the same everywhere
            return corpus

    method = dgm(likelihood=likelihood)
    first = fit(method, tmp_path, data(Unit()))
    second = fit(method, tmp_path, data(Unit()), max_epochs=8)
    losses = [trainer.callback_metrics["train/loss"].item() for trainer in (first, second)]
    assert losses[1] < losses[0]
    raw = torch.equal(method.features.scale, torch.ones(16))
    assert raw == isinstance(likelihood, Bernoulli)


@pytest.mark.parametrize("accumulate", [1, 2])
def test_gradients_of_several_batches_add_up(tmp_path, accumulate):
    """Two batches of half the size are one, where nothing is drawn: they are neighbours."""
    sgd = {"optimizer": partial(torch.optim.SGD, lr=0.01), "generative": False, "dropout": 0.0}
    method, datamodule = dgm(**sgd), data(batch_size=16 // accumulate)
    trainer = fit(method, tmp_path, datamodule, accumulate_grad_batches=accumulate, max_steps=3)
    whole = dgm(**sgd)
    fit(whole, tmp_path, data(batch_size=16), max_steps=3)
    assert trainer.global_step == 3
    for name, value in whole.classifier.state_dict().items():
        torch.testing.assert_close(method.classifier.state_dict()[name], value, msg=name)


def stoppable(folder: Path, place: str | None = None) -> dict[str, torch.Tensor]:
    """Train three epochs with everything that train.py puts around a run."""
    torch.manual_seed(0)
    method, datamodule = dgm(select="val/auroc", prior="labelled"), data()
    last = folder / "checkpoints" / "last.ckpt"
    datamodule.setup()
    trainer = quiet_trainer(
        folder,
        max_epochs=3,
        enable_checkpointing=True,
        num_sanity_val_steps=0,
        callbacks=[
            *(StepSeed(0), History(folder / "history.csv"), Stop(place)),
            DescribeCheckpoint({}, datamodule.corpus.classes, datamodule.sizes),
            *(BestCheckpoint(last.with_name("best.ckpt"), "val/auroc"), ResumeCheckpoint(last)),
        ],
        plugins=[AtomicCheckpointIO()],
    )
    trainer.fit(method, datamodule, ckpt_path=last if last.is_file() else None, weights_only=True)
    return method.state_dict()


@pytest.mark.parametrize("place", slow_after(1, ["validation", "step 3"]))
def test_a_run_that_is_stopped_ends_with_the_same_bits(tmp_path, place):
    whole, stopped = tmp_path / "whole", tmp_path / "stopped"
    for folder in (whole, stopped):
        folder.mkdir()
    expected = stoppable(whole)
    with pytest.raises(SIGTERMException):
        stoppable(stopped, place)
    found = stoppable(stopped)
    for name, value in expected.items():
        assert torch.equal(found[name], value), name
    assert validation_of(stopped) == validation_of(whole)
    best = [
        torch.load(run / "checkpoints" / "best.ckpt", weights_only=True) for run in (whole, stopped)
    ]
    assert best[0]["epoch"] == best[1]["epoch"]
    for name, value in best[0]["state_dict"].items():
        assert torch.equal(best[1]["state_dict"][name], value), name


def test_a_regression_is_refused(tmp_path):
    with pytest.raises(InputError, match="this corpus is a regression; choose another method"):
        dgm(task="regression")


@pytest.mark.parametrize("weighting", ["sums", "batch_means"])
def test_the_loss_of_a_batch_by_hand(tmp_path, weighting):
    """Clip by clip from equation 4.8 and from Algorithm 1 of the thesis, with the same noise."""
    method = dgm(weighting=weighting, dropout=0.0, beta=16.0)
    datamodule = data(PartlyObserved(), p_s=1.0, b_s=0.5, batch_size=8)
    fit(method, tmp_path, datamodule, max_steps=1)
    plan = datamodule.label_plan()
    rows = plan.rows(0, 0)
    draws = torch.Generator().manual_seed(5)
    noise = [torch.randn(*shape, generator=draws) for shape in ((3, 4, 4), (3, 2, 4, 4))]
    generator = method.generator
    bound, bounds = generator.bound, generator.bounds
    generator.bound = lambda x, y: bound(x, y, noise[0])
    generator.bounds = lambda x: bounds(x, noise[1])
    with torch.no_grad():
        total, _ = method.objective(rows)

    expected = 0.0
    summary = method.features
    mask = datamodule.corpus.mask[datamodule.rows("train")]
    for c in range(3):
        num_labelled = int(mask[:, c].sum())
        num_unlabelled = len(mask) - num_labelled
        sums = {"L": 0.0, "U": 0.0, "CE": 0.0}
        for i in range(4):
            clip = datamodule.batches_of(rows.labelled[c, i : i + 1].numpy())
            [batch] = list(clip)
            with torch.no_grad():
                x, y = summary.of(batch), int(batch.y[0, c])
                every = [x.expand(3, 1, -1), torch.full((3, 1), y)]
                sums["L"] += float(bound(*every, noise[0][:, i : i + 1])[c])
                logit = method.classifier(batch)[0, c]
                sums["CE"] += float(-torch.nn.functional.logsigmoid(logit if y else -logit))
            [batch] = list(datamodule.batches_of(rows.unlabelled[c, i : i + 1].numpy()))
            with torch.no_grad():
                x = summary.of(batch).expand(3, 1, -1)
                absent, present = bounds(x, noise[1][:, :, i : i + 1])[c, 0].tolist()
                q = float(method.classifier(batch)[0, c].sigmoid())
            entropy = -q * np.log(q) - (1 - q) * np.log(1 - q)
            sums["U"] += q * present + (1 - q) * absent - entropy
        mean = {name: value / 4 for name, value in sums.items()}
        alpha = 16 * num_unlabelled / num_labelled
        if weighting == "batch_means":
            expected += mean["L"] + mean["U"] + alpha * mean["CE"]
        else:
            over_all = num_labelled * (mean["L"] + alpha * mean["CE"]) + num_unlabelled * mean["U"]
            expected += over_all / num_unlabelled
    assert total.item() == pytest.approx(expected, rel=1e-5)


class PartlyObserved(Tiny):
    """Of each class another share of the clips is observed."""

    def load(self):
        corpus = super().load()
        corpus.mask[:] = np.random.default_rng(0).random(corpus.mask.shape) < [0.2, 0.4, 0.6]
        corpus.mask[corpus.split != "train"] = True
        return corpus


def test_classifiers_can_have_layers_of_their_own():
    """Counts layer by layer, and one label's network against a loop."""
    method = dgm(classifier_hidden=[7, 6, 5], classifier_slope=0.01, summary="flat", h1=16, h2=12)
    sizes = [(40, 7), (7, 6), (6, 5), (5, 1)]
    per_label = sum((size + 1) * width for size, width in sizes)
    assert sum(p.numel() for p in method.classifier.parameters()) == 3 * per_label
    batch = Batch(torch.randn(4, 5, 8), torch.zeros(4, 3), torch.zeros(4, 3).bool())
    layers = [*method.classifier.encoder.hidden.layers, method.classifier.pooling.classifier]
    with torch.no_grad():
        logits = method.classifier.eval()(batch)
        for c in range(3):
            h = batch.x.flatten(1)
            for number, layer in enumerate(layers):
                h = h @ layer.weight[c] + layer.bias[c]
                if number < 3:
                    h = torch.where(h > 0, h, 0.01 * h)
            torch.testing.assert_close(logits[:, c : c + 1], h)
    wide = dgm(classifier_hidden=[7, 6, 5], summary="flat", h1=32, h2=24)
    assert [p.shape for p in wide.classifier.parameters()] == [
        p.shape for p in method.classifier.parameters()
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weighting": "means"}, "method.weighting must be sums or batch_means, got means"),
        ({"classifier_hidden": []}, "method.classifier_hidden must be a list"),
        ({"classifier_slope": 1.0}, "method.classifier_slope must be from 0 to below 1, got 1.0"),
    ],
)
def test_settings_of_the_loss_and_the_classifiers_are_checked(changes, message):
    with pytest.raises(InputError, match=message):
        dgm(**changes)


def test_each_label_can_be_validated_on_its_own_clips(tmp_path):
    datamodule = data(PartlyObserved(validation=False, num_clips=200), p_s=1.0, val_by="labels")
    method = dgm()
    trainer = fit(method, tmp_path, datamodule, max_epochs=2)
    val = datamodule.clips("val")
    with torch.no_grad():
        logits = method.eval()(val)
    held_out = datamodule.corpus.mask[datamodule.rows("val")]
    assert all(0 < val.mask[:, m].sum() < held_out[:, m].sum() for m in range(3))
    best = [badness("val/loss", logits, val, m) for m in range(3)]
    assert method.selected.best.tolist() == pytest.approx(best, rel=1e-5)
    expected = -np.mean([badness("val/auroc", logits, val, m) for m in range(3)])
    assert trainer.callback_metrics["val/auroc"].item() == pytest.approx(expected)
