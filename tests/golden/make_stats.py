#!/usr/bin/env python3
"""Make stats.lua: values of scipy that the tests of report.stats compare with.

Run with Debian's python3-scipy (1.10):  python3 tests/golden/make_stats.py > tests/golden/stats.lua
Exact rank tests with ties are computed here by enumeration, since scipy has none.
"""
import itertools

import numpy as np
from scipy import special, stats

rng = np.random.default_rng(20240607)


def lua(value):
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {lua(v)}" for k, v in value.items()) + " }"
    if isinstance(value, (list, tuple, np.ndarray)):
        return "{ " + ", ".join(lua(v) for v in value) + " }"
    if isinstance(value, str):
        return f'"{value}"'
    value = float(value)
    if np.isinf(value):
        return "math.huge" if value > 0 else "-math.huge"
    return repr(value)


def rows(name, entries):
    print(f"  {name} = {{")
    for entry in entries:
        print(f"    {lua(entry)},")
    print("  },")


def two_sided(sums, observed):
    sums = np.array(sums)
    tail = min((sums <= observed + 1e-9).mean(), (sums >= observed - 1e-9).mean())
    return min(1.0, 2 * tail)


def exact_mann_whitney(a, b):
    ranks = stats.rankdata(np.concatenate([a, b]))
    sums = [sum(c) for c in itertools.combinations(ranks, len(a))]
    return two_sided(sums, ranks[: len(a)].sum())


def exact_wilcoxon(a, b):
    d = np.array(a) - np.array(b)
    d = d[d != 0]
    ranks = stats.rankdata(abs(d))
    sums = [sum(r for r, s in zip(ranks, signs) if s)
            for signs in itertools.product([0, 1], repeat=len(d))]
    return two_sided(sums, ranks[d > 0].sum())


def summary(x):
    low, high = (stats.t.interval(0.9, len(x) - 1, np.mean(x), stats.sem(x)))
    return dict(x=x, mean=np.mean(x), std=np.std(x, ddof=1), median=np.median(x),
                q10=np.quantile(x, 0.1), q75=np.quantile(x, 0.75), error=stats.sem(x),
                low=low, high=high)


def paired(a, b):
    t = stats.ttest_rel(a, b)
    low, high = t.confidence_interval(0.95)
    return dict(a=a, b=b, statistic=t.statistic, p=t.pvalue, low=low, high=high)


def bootstrap(x, method):
    r = stats.bootstrap((x,), np.mean, n_resamples=200000, method=method, random_state=rng)
    return dict(x=x, method="bca" if method == "BCa" else "percentile",
                low=r.confidence_interval.low, high=r.confidence_interval.high)


def sample(n, digits=4, shift=0.0, scale=1.0):
    return np.round(rng.normal(shift, scale, n), digits)


print("-- Made by make_stats.py with scipy; do not edit.")
print("return {")
rows("t_cdf", [dict(t=t, df=df, p=stats.t.cdf(t, df))
               for t in (-40, -3.3, -1, -1e-3, 0, 0.5, 2.7, 12) for df in (1, 2, 4, 9.5, 30, 1000)])
rows("t_quantile", [dict(p=p, df=df, t=stats.t.ppf(p, df))
                    for p in (0.001, 0.05, 0.3, 0.9, 0.975, 0.9995) for df in (1, 2, 4, 30, 1000)])
rows("normal", [dict(z=z, p=special.ndtr(z)) for z in (-37, -8, -3, -1.5, -0.1, 0, 0.7, 1.96, 4)])
rows("log_gamma", [dict(x=x, value=special.gammaln(x)) for x in (0.1, 0.5, 1.5, 3, 10.25, 150, 5000.5)])
rows("summary", [summary(sample(n)) for n in (2, 3, 5, 10, 31)] +
     [summary(np.round(0.87 + 1e-4 * rng.normal(size=5), 6))])
rows("paired", [paired(sample(n), sample(n, shift=0.5)) for n in (2, 3, 5, 12, 40)])
pairs = [(sample(n), sample(m, shift=s)) for n, m, s in
         ((3, 3, 1), (5, 5, 1), (7, 4, 0), (10, 12, 0.8), (25, 30, 0.5), (2, 9, 2))]
rows("mann_whitney", [
    dict(a=a, b=b, statistic=r.statistic, p=r.pvalue) for a, b in pairs
    for r in [stats.mannwhitneyu(a, b, alternative="two-sided", method="exact")]])
ties = [(sample(n, 0), sample(m, 0, 1)) for n, m in ((4, 4), (6, 5), (8, 7))]
rows("mann_whitney_ties", [
    dict(a=a, b=b, statistic=stats.mannwhitneyu(a, b).statistic, p=exact_mann_whitney(a, b))
    for a, b in ties])
large = [(sample(80, 1), sample(70, 1, 0.3)), (sample(60, 3), sample(60, 3, 0.5))]
rows("mann_whitney_large", [
    dict(a=a, b=b, statistic=r.statistic, p=r.pvalue) for a, b in large
    for r in [stats.mannwhitneyu(a, b, alternative="two-sided", method="asymptotic")]])
rows("wilcoxon", [
    dict(a=a, b=b, statistic=r.statistic, p=r.pvalue)
    for a, b in [(sample(n), sample(n, shift=s)) for n, s in ((3, 2), (6, 1), (10, 0.5), (25, 0.4))]
    for r in [stats.wilcoxon(a, b, mode="exact")]])
rows("wilcoxon_ties", [
    dict(a=a, b=b, statistic=stats.wilcoxon(a, b, mode="approx").statistic, p=exact_wilcoxon(a, b))
    for a, b in [(sample(n, 0), sample(n, 0, 1)) for n in (5, 9, 12)]])
rows("wilcoxon_large", [
    dict(a=a, b=b, statistic=r.statistic, p=r.pvalue)
    for a, b in [(sample(60, 1), sample(60, 1, 0.2)), (sample(75, 4), sample(75, 4, 0.3))]
    for r in [stats.wilcoxon(a, b, mode="approx")]])
rows("bootstrap", [bootstrap(x, m) for x in (sample(8), np.round(rng.exponential(1, 30), 4))
                   for m in ("percentile", "BCa")])
print("}")
