"""A study of the runs under some folders, all of which compare."""

from musicssl.report.analysis.study import read_studies


def read_study(folders, metric=None, baseline=None):
    [study] = read_studies(folders, metric, baseline).sections
    return study
