"""Simulated coverage of the intervals of QPS, for 2 to 10 builds and several kinds of noise.

Run by hand: `python tests/performance/interval_coverage.py`. Each cell is the share of 20,000
trials (2,000 for the bootstrap over builds) whose 95 % interval holds the expected logarithm of
QPS. The noise of `bimodal` is a process that lands in a slow memory layout one time in four; that
of `skewed` is one-sided, as when other work of the machine interferes.
"""

from __future__ import annotations

import numpy as np

from harness.measures.build_intervals import student_quantile

TRIALS = 20_000


def noise(kind: str, shape: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """Log QPS less a constant, standard deviation about 0.05 to 0.12 as measured."""
    if kind == "normal":
        return 0.12 * generator.standard_normal(shape)
    if kind == "heavy tails":
        return 0.05 * generator.standard_t(3, shape)
    if kind == "skewed":
        return -generator.exponential(0.08, shape)
    return np.where(generator.random(shape) < 0.25, -0.12, 0.0) + 0.03 * generator.standard_normal(
        shape
    )


def covered(logs: np.ndarray, target: float, method: str) -> float:
    """Share of intervals that hold the target: Student on logs, on QPS, or the normal quantile."""
    builds = logs.shape[1]
    values = logs if method != "t on QPS" else np.exp(logs)
    truth = target if method != "t on QPS" else np.exp(target)
    quantile = 1.96 if method == "normal on logs" else student_quantile(builds - 1)
    half = quantile * values.std(axis=1, ddof=1) / builds**0.5
    return float(np.mean(np.abs(values.mean(axis=1) - truth) <= half))


def bootstrap_covered(logs: np.ndarray, target: float, generator: np.random.Generator) -> float:
    """Share of percentile-bootstrap intervals over builds that hold the target."""
    trials, builds = logs.shape
    drawn = generator.integers(builds, size=(trials, 500, builds))
    means = np.take_along_axis(logs[:, None, :], drawn, axis=2).mean(axis=2)
    low, high = np.quantile(means, [0.025, 0.975], axis=1)
    return float(np.mean((low <= target) & (target <= high)))


def main() -> None:
    generator = np.random.default_rng(0)
    print(
        f"{'noise':<12} {'builds':>6} {'t on logs':>10} {'t on QPS':>10} {'normal':>8} {'boot':>6}"
    )
    for kind in ("normal", "heavy tails", "skewed", "bimodal"):
        target = float(noise(kind, (2_000_000, 1), generator).mean())
        for builds in (2, 3, 5, 10):
            logs = noise(kind, (TRIALS, builds), generator)
            rates = [covered(logs, target, m) for m in ("t on logs", "t on QPS", "normal on logs")]
            rates.append(bootstrap_covered(logs[:2000], target, generator))
            print(f"{kind:<12} {builds:>6} " + " ".join(f"{rate:>9.3f}" for rate in rates))


if __name__ == "__main__":
    main()
