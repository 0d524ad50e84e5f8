"""Helpers: growths and covariances in longdouble, for the oracles of indicators that read a benchmark."""

from __future__ import annotations

import numpy as np


def growths(close: np.ndarray, n: int = 1) -> np.ndarray:
    """Return close / close n bars before, from bar n on."""
    long = close.astype(np.longdouble)
    return np.asarray(long[n:] / long[:-n])


def covariance(x: np.ndarray, y: np.ndarray, n: int) -> np.ndarray:
    """Return the population covariance of the last n pairs per bar; NaN where there are fewer."""
    if len(x) < n:
        return np.full(len(x), np.nan, dtype=np.longdouble)
    windows = [np.lib.stride_tricks.sliding_window_view(of.astype(np.longdouble), n) for of in (x, y)]
    deviations = [window - window.mean(axis=-1, keepdims=True) for window in windows]
    head = np.full(n - 1, np.nan, dtype=np.longdouble)
    return np.concatenate([head, (deviations[0] * deviations[1]).mean(axis=-1)])
