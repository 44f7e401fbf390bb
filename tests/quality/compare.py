#!/usr/bin/env python3
"""Median regrets of search_regret.lua beside those of optuna_regret.py, as Markdown tables.

    python3 tests/quality/compare.py [--write docs/search.md] [--trials 100] nnrun.csv optuna.csv

A median is followed by < where it is smaller than that of Optuna's sampler of the same name by Mann
and Whitney's two-sided test at 5 %, by > where it is larger; for gp by one sign for Optuna's tpe and one
for its cmaes ("=": no difference shown). With --write the tables replace what stands between the
file's markers. Needs numpy and scipy.
"""
import argparse
import csv
from collections import defaultdict

import numpy as np
from scipy.stats import mannwhitneyu

BEGIN, END = "<!-- tests/quality/run.sh -->\n", "<!-- end -->\n"
EARLY = 40  # trials
COMPARED = {"gp": ["tpe", "cmaes"]}


def read(paths):
    runs, samplers, functions = defaultdict(list), [], []
    for path in paths:
        with open(path, newline="") as file:
            for library, sampler, function, _, early, late in csv.reader(file):
                for known, name in ((samplers, (library, sampler)), (functions, function)):
                    if name not in known:
                        known.append(name)
                runs[library, sampler, function].append((float(early), float(late)))
    return runs, samplers, functions


def sign(ours, theirs):
    if not theirs or mannwhitneyu(ours, theirs).pvalue >= 0.05:
        return "="
    return "<" if np.median(ours) < np.median(theirs) else ">"


def cell(runs, library, sampler, function, which):
    def values(library, sampler):
        return [run[which] for run in runs[library, sampler, function]]

    ours, signs = values(library, sampler), ""
    if library == "nnrun":
        others = COMPARED.get(sampler, [sampler])
        signs = "".join(sign(ours, values("optuna", other)) for other in others)
        signs = "" if set(signs) == {"="} else f" {signs}"
    return f"{np.median(ours):.3g}{signs}" if ours else "-"


def table(runs, samplers, functions, which):
    lines = ["| | " + " | ".join(functions) + " |", "|---" * (len(functions) + 1) + "|"]
    for library, sampler in samplers:
        cells = [cell(runs, library, sampler, function, which) for function in functions]
        lines.append(f"| {library} {sampler} | " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--write", metavar="FILE")
    parser.add_argument("--trials", type=int, default=100, help="that the runs had")
    parser.add_argument("csv", nargs="+")
    asked = parser.parse_args()
    runs, samplers, functions = read(asked.csv)
    seeds = min(len(values) for values in runs.values() if values)
    text = (f"\nMedian regret of {seeds} seeds after {asked.trials} trials:\n\n"
            + table(runs, samplers, functions, 1) + "\n")
    if asked.trials > EARLY:
        text += f"After {EARLY} trials:\n\n" + table(runs, samplers, functions, 0) + "\n"
    if not asked.write:
        print(text)
        return
    with open(asked.write) as file:
        page = file.read()
    before, rest = page.split(BEGIN)
    with open(asked.write, "w") as file:
        file.write(before + BEGIN + text + END + rest.split(END)[1])


if __name__ == "__main__":
    main()
