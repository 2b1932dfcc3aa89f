"""What a report explains to its reader."""

SEVERITY = (
    "Severity says how much a corruption changes the sound, from 0 (nothing) to 5: gain, polarity, "
    "coloured noise, filtering, pitch shift and delay are those of the published views of that "
    "severity, with which models are trained at 2, and the others have at 5 the strength at which "
    "they were published."
)

CHOICE = (
    "Where several settings share a name, the one with the greatest mean over seeds on the "
    "validation clips is chosen, for each class by itself and for all classes at once. Only "
    "settings with all seeds take part; of equals the first is taken. Test clips choose nothing, "
    "so the scores on them are as honest as those of a single setting; those on validation clips "
    "are the best of several and thus too high. A classifier that judges each class by its best "
    "setting is put together seed by seed, from the test scores of the runs with that seed, and is "
    "compared like any other method."
)

EXPLANATION = """
Runs that differ only in their seed form a cell: mean ± standard deviation over seeds (n - 1 in
the denominator). Cells that differ only in p_s, the fraction of labelled training clips that keep
their labels, form a method: a row, a curve. The best mean of a column is bold, whether or not the
difference is significant.

The curve shows means with 95 % t-intervals over seeds, and single seeds as faint dots. The
intervals of two methods may overlap although they differ: the test is paired, the intervals are
not. Intervals of two seeds are very wide and may leave the picture.

Probes of fewer labels, and corrupted sound, are shown at the largest p_s at which all runs of all
methods have them: each seed's probes learn from nested subsets of the labelled clips of its run.

Methods are tested on macro AUROC alone. Its variance over clips is known in closed form (DeLong,
DeLong and Clarke-Pearson 1988: every clip has an influence on it), while F1 depends on a
threshold that nobody tuned, and testing many metrics finds something by chance. Everything is
paired: the same seeds, the same test clips. Let d be the mean over seeds of the difference in
AUROC. Its variance is the variance of the differences between seeds, divided by their number,
plus the variance by the draw of test clips that the seeds have in common, taken from the products
of the clips' influences between different seeds (Obuchowski and Rockette 1995, with seeds as
readers and clips as cases). t is d over the root of that; its degrees of freedom are those of
Welch and Satterthwaite, seeds less one for the first part, clips less one for the second. Clips
count as independent draws, so clips of one piece or one artist make p values too small. With one
seed, only the second part is known: the p value then speaks of new clips for these two trained
models, not of new trainings. Runs of a regression have no AUROC: their spread over seeds is shown,
and nothing is tested. Of an error (RMSE) the least mean of a column is bold.

p values are two-sided and corrected by Holm's method (1979) for all comparisons with the baseline
that are shown here; comparisons.csv has all pairs, corrected for their number too. 95 % intervals
of differences are not corrected. If settings were chosen by looking at these test clips, no
correction makes up for that.

Labels needed: the baseline's mean curve, linear between its points over the logarithm of the
labelled clips, is read backwards at the method's mean; if it is reached more than once, the
fewest clips count. The interval holds 95 % of 1,000 redraws of the seeds with replacement (the
same seeds for all cells); with few seeds it is too narrow.
"""

PROBES = """
A probe learns from labelled embeddings of the training clips of a corpus, chooses its settings on
the validation clips and is judged on the test clips; the encoder is frozen, but for
probe=finetune. Labelled clips are drawn several times at each fraction, and the mean over these
draws is the value of a training; where it was probed more than once, the most draws count.
Trainings that differ only in their seed form a row: mean ±
standard deviation over training seeds (n - 1 in the denominator), or, where there is one, its
95 % interval by the bootstrap over test clips. Chance is the best constant answer that the
training labels suggest. Only probes of one kind and settings, of the same clips and labels, share
a table.

Models are compared with the baseline on the same resamples of the test clips, or of whole groups
of clips where the corpus knows which belong together: 1,000 of them, or 200 for each comparison if
that is more. The replicate of a model is the mean over its training seeds and draws of labelled
clips. So the intervals and p values speak of new test clips for these trained models, not of new
trainings. p values are corrected by Holm's method for all comparisons of a table; where no
resample speaks against a difference, p is at most (≤) what so many resamples can show.
"""
