from musicssl.datasets.synthesis.instruments import CLASSES, INSTRUMENTS, Role

# Of the twenty classes of OpenMIC-2018: all but mandolin and ukulele.
OF_OPENMIC = {
    *("accordion", "banjo", "bass", "cello", "clarinet", "cymbals", "drums", "flute", "guitar"),
    *("mallet_percussion", "organ", "piano", "saxophone", "synthesizer", "trombone", "trumpet"),
    *("violin", "voice"),
}


def test_classes_are_those_of_openmic_that_general_midi_has_and_two_more():
    assert list(CLASSES) == sorted(OF_OPENMIC | {"electric_guitar", "harp"})
    assert len(CLASSES) == 20


def test_no_program_belongs_to_two_classes():
    pitched = [p for i in INSTRUMENTS if not i.percussion for p in i.programs]
    assert len(pitched) == len(set(pitched))


def test_chords_fit_into_the_range_of_whoever_may_play_them():
    for instrument in INSTRUMENTS:
        if Role.CHORDS in instrument.roles:
            assert instrument.high - instrument.low >= 22, instrument.name  # two octaves less one
