#!/usr/bin/env python3
"""Optuna's samplers on the functions of search_regret.lua, for docs/search.md.

    python3 tests/quality/optuna_regret.py [SEEDS] [TRIALS] > optuna.csv

One line a run: library,sampler,function,seed and the smallest regret after 40 and after all trials.
Samplers have their defaults; trials run one after another. Needs Debian's python3-optuna.
"""
import sys
import warnings
from math import cos, e, exp, pi, sin, sqrt

import optuna

HARTMANN_A = [[10, 3, 17, 3.5, 1.7, 8], [0.05, 10, 17, 0.1, 8, 14],
              [3, 3.5, 1.7, 10, 17, 8], [17, 8, 0.05, 10, 0.1, 14]]
HARTMANN_P = [[1312, 1696, 5569, 124, 8283, 5886], [2329, 4135, 8307, 3736, 1004, 9991],
              [2348, 1451, 3522, 2883, 3047, 6650], [4047, 8828, 8732, 5743, 1091, 381]]


def branin(x):
    a = x[1] - 5.1 / (4 * pi * pi) * x[0] ** 2 + 5 / pi * x[0] - 6
    return a * a + 10 * (1 - 1 / (8 * pi)) * cos(x[0]) + 10 - 0.397887357729739


def hartmann6(x):
    total = 0
    for alpha, row, place in zip([1, 1.2, 3, 3.2], HARTMANN_A, HARTMANN_P):
        total += alpha * exp(-sum(a * (v - p / 1e4) ** 2 for a, v, p in zip(row, x, place)))
    return 3.322368011415511 - total


def ackley5(x):
    n = len(x)
    return (20 + e - 20 * exp(-0.2 * sqrt(sum(v * v for v in x) / n))
            - exp(sum(cos(2 * pi * v) for v in x) / n))


def rosenbrock4(x):
    return sum(100 * (b - a * a) ** 2 + (1 - a) ** 2 for a, b in zip(x, x[1:]))


def levy4(x):
    w = [1 + (v - 1) / 4 for v in x]
    middle = sum((v - 1) ** 2 * (1 + 10 * sin(pi * v + 1) ** 2) for v in w[:-1])
    return sin(pi * w[0]) ** 2 + middle + (w[-1] - 1) ** 2 * (1 + sin(2 * pi * w[-1]) ** 2)


# Of the next three no constant of ours was chosen on.
SHIFT = [12, -20, 7, -15, 24]
SHEKEL_BETA = [1, 2, 2, 4, 4, 6, 3, 7, 5, 5]
SHEKEL_C = [[4, 4, 4, 4], [1, 1, 1, 1], [8, 8, 8, 8], [6, 6, 6, 6], [3, 7, 3, 7], [2, 9, 2, 9],
            [5, 3, 5, 3], [8, 1, 8, 1], [6, 2, 6, 2], [7, 3.6, 7, 3.6]]


def shifted5(x):
    return ackley5([v - s for v, s in zip(x, SHIFT)])


def styblinski5(x):
    return sum(v ** 4 - 16 * v * v + 5 * v for v in x) / 2 + 5 * 39.16616570377142


def shekel4(x):
    return 10.536443153483533 - sum(1 / (beta / 10 + sum((v - w) ** 2 for v, w in zip(x, c)))
                                    for beta, c in zip(SHEKEL_BETA, SHEKEL_C))


FUNCTIONS = [
    (branin, [(-5, 10), (0, 15)]), (hartmann6, [(0, 1)] * 6), (ackley5, [(-32.768, 32.768)] * 5),
    (rosenbrock4, [(-5, 10)] * 4), (levy4, [(-10, 10)] * 4),
    (shifted5, [(-32.768, 32.768)] * 5), (styblinski5, [(-5, 5)] * 5), (shekel4, [(0, 10)] * 4),
]
SAMPLERS = [
    ("random", lambda seed: optuna.samplers.RandomSampler(seed=seed)),
    ("tpe", lambda seed: optuna.samplers.TPESampler(seed=seed)),
    ("cmaes", lambda seed: optuna.samplers.CmaEsSampler(seed=seed)),
]


def run(function, ranges, sampler, trials):
    def objective(trial):
        return function([trial.suggest_float(f"x{i}", low, high)
                         for i, (low, high) in enumerate(ranges)])

    study = optuna.create_study(sampler=sampler)
    study.optimize(objective, n_trials=trials)
    values = [trial.value for trial in study.trials]
    return min(values[:40]), min(values)


def main():
    seeds = int(sys.argv[1]) if len(sys.argv) > 1 else 30
    trials = int(sys.argv[2]) if len(sys.argv) > 2 else 100
    warnings.simplefilter("ignore")
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    for function, ranges in FUNCTIONS:
        for name, make in SAMPLERS:
            for seed in range(1, seeds + 1):
                early, late = run(function, ranges, make(seed), trials)
                print(f"optuna,{name},{function.__name__},{seed},{early:.9g},{late:.9g}", flush=True)


if __name__ == "__main__":
    main()
