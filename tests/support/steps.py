"""Training steps of all methods, and of the parts that they are made of, as words of a command."""

from tests.support.configured import configured

SMALL = ("data.batch_size=16", "trainer=cpu", "trainer.max_epochs=3", "data.steps_per_epoch=null")
SHORT = ("encoder.chunk_samples=729", "encoder.num_blocks=5", "encoder.width=16")
SOUND = ("features=waveform", "data.crop_seconds=2", *SHORT)
ON_INSTANCES = ("encoder=att", "views=weak", "projector.hidden=16", "projector.out_dim=8")

METHODS = [
    ("att",),
    ("mean_teacher",),
    ("fixmatch",),
    ("semisupcon", *ON_INSTANCES),
    ("dgm",),
    ("pi_model",),
    ("temporal_ensembling",),
    ("supervised",),
    ("noisy_student",),
    ("distill",),
    ("east",),
    ("strong",),
    ("label_enhancing", "method.teacher_epochs=1"),
    ("joint_dgm",),
    ("m1",),
    ("m1_m2", "method.m1_epochs=1", "optimizer.lr=0.01", "likelihood.std=0.1"),
    ("vade", "method.pretrain_epochs=1"),
    ("beta_vae",),
    ("annealed_vae",),
    ("ar_vae",),
    ("factor_vae",),
    ("pitch_timbre", "method.num_frames=8", "method.units=16"),
    ("supcon", *ON_INSTANCES),
    ("simclr", *ON_INSTANCES),
    ("vicreg", *ON_INSTANCES),
    ("byol", *ON_INSTANCES),
    ("simmatch",),
    # Parts that a step is made of.
    ("att", "pooling=gated_attention"),
    ("att", "encoder=fc_t", "pooling=mean", "dataset.variable_lengths=true"),
    ("att", "encoder=fc_t", "pooling=attention", "dataset.variable_lengths=true"),
    ("att", "encoder=fc_t", "pooling=max", "dataset.variable_lengths=true"),
    ("att", "encoder=fc_t", "pooling=transformer", "dataset.variable_lengths=true"),
    ("att", "loss=partial_bce"),
    ("att", "loss=balanced_bce"),
    ("att", "mixing=mixup"),
    ("mean_teacher", "mixing=mixup", "views=strong"),
    ("fixmatch", "thresholds=fixed"),
    ("fixmatch", "thresholds=freematch"),
    ("fixmatch", "thresholds=adamatch"),
    ("fixmatch", "thresholds=softmatch", "method.alignment=0.9"),
    ("dgm", "likelihood=bounded_gaussian"),
    ("dgm", "method.generative=false", "method.summary=flat"),
    ("joint_dgm", "data.b_s=null", "data.p_cells=0.5"),
    ("distill", "method.distil=observed"),
    ("east", "method.kd_share=0.3", "method.compare=cosine"),
    ("east", "method.compare=unbiased_distance_correlation"),
    ("noisy_student", "method.pseudo_labels=unlabelled"),
    ("semisupcon", *ON_INSTANCES, "similarity=dice", "method.chunk_rows=8"),
    ("att", "data.resident=true"),
    ("mean_teacher", "data.resident=true"),
    # Of sound, in crops of one length.
    ("att", "encoder=samplecnn", *SOUND),
    ("mean_teacher", "encoder=samplecnn", *SOUND),
    ("att", "mixing=add", "encoder=samplecnn", *SOUND),
    ("semisupcon", "views=none", *SOUND),
]


def corpus_for(words):
    if words[0] == "pitch_timbre":
        return "notes"
    if words[0] == "simmatch":
        return "one_class"
    return "tiny_sound" if "features=waveform" in words else "tiny"


def method_and_data(folder, words):
    name, *others = words
    extra = ["~dataset.target"] if words[0] == "pitch_timbre" else []
    return configured(folder, *SMALL, f"method={name}", *others, *extra, dataset=corpus_for(words))


def steps_before(data, words):
    """Steps after which the last phase of training has begun, and has taken a step."""
    of_phases = any("_epochs=1" in word for word in words)
    return data.steps_per_epoch + 1 if of_phases else 1
