#!/usr/bin/env python3
"""Median regrets of search_regret.lua beside those of optuna_regret.py, as a Markdown table.

    python3 tests/quality/compare.py nnrun.csv optuna.csv

Then, for each of our samplers and its namesake (or the best of Optuna's), the two-sided p-value of
Mann and Whitney's test and whether ours is better (<) or worse (>). Needs numpy and scipy.
"""
import csv
import sys
from collections import defaultdict

import numpy as np
from scipy.stats import mannwhitneyu


def read(paths):
    runs, order = defaultdict(lambda: ([], [])), []
    for path in paths:
        with open(path, newline="") as file:
            for library, sampler, function, _, early, late in csv.reader(file):
                key = (library, sampler)
                if key not in order:
                    order.append(key)
                runs[key, function][0].append(float(early))
                runs[key, function][1].append(float(late))
    return runs, order


def median(values):
    return f"{np.median(values):.3g}" if values else "-"


def table(runs, order, functions, which):
    print("| sampler | " + " | ".join(functions) + " |")
    print("|---" * (len(functions) + 1) + "|")
    for key in order:
        cells = [median(runs[key, function][which]) for function in functions]
        print(f"| {key[0]} {key[1]} | " + " | ".join(cells) + " |")


def compare(runs, ours, theirs, functions, which):
    words = []
    for function in functions:
        a, b = runs[ours, function][which], runs[theirs, function][which]
        p = mannwhitneyu(a, b).pvalue
        sign = "=" if p >= 0.05 else "<" if np.median(a) < np.median(b) else ">"
        words.append(f"{function} {sign} (p={p:.2g})")
    return "; ".join(words)


def main():
    runs, order = read(sys.argv[1:])
    functions = list(dict.fromkeys(function for _, function in runs))
    for which, title in ((1, "all"), (0, "40")):
        print(f"\nMedian regret after {title} trials:\n")
        table(runs, order, functions, which)
    print()
    for ours in (key for key in order if key[0] == "nnrun"):
        for theirs in (key for key in order if key[0] == "optuna"):
            if theirs[1] == ours[1] or (ours[1] == "gp" and theirs[1] != "random"):
                for which, title in ((1, "all"), (0, "40")):
                    words = compare(runs, ours, theirs, functions, which)
                    print(f"- nnrun {ours[1]} against optuna {theirs[1]}, {title} trials: {words}")


if __name__ == "__main__":
    main()
