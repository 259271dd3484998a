"""The map from categories to experts under a budget of parameters: a mixed integer program.

Composition of Experts (arXiv 2412.01868) in our reconstruction:

    max   sum_c share_c sum_e utility[c, e] x[c, e]
    s.t.  sum_e x[c, e] = 1,   x[c, e] <= y[e]
          sum_e size_e y[e] <= total
          sum_c share_c sum_e works_e x[c, e] <= active     (optional)
          y binary; x too where `active` is given, otherwise it is integral by itself

solved to optimality by HiGHS. `works` are the parameters that work on a token; in a mixture of
experts they are fewer than those that are kept in memory, `size`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_array, hstack, kron
from scipy.sparse import eye_array as eye

from experts.errors import ConfigError
from routers.composition.native_output import native_output_to_stderr
from routers.fitted.training_set import Floats, Indices, TrainingSet

SLACK = 1e-9
GAP = 1e-7
"""Share of the best map's quality that may be missing: none that counts."""
PERCENT = 100
"""Quality is given to the solver in percent, since its tolerances are absolute."""


@dataclass(frozen=True, eq=False)
class Mapping:
    """An expert for each of C categories."""

    experts: Indices
    """[C] the expert of each category, by number."""
    chosen: Indices
    """The experts that are kept, by number, in order."""
    quality: float
    """Expected utility of a request."""
    total: float
    """Total size of the experts that are kept."""
    active: float
    """Mean active size of the expert that answers."""


@dataclass(frozen=True, eq=False)
class Utilities:
    """How good M experts are in C categories."""

    categories: tuple[str, ...]
    values: Floats
    """[C, M] mean scores, in small categories shrunk to an expert's overall mean."""
    shares: Floats
    """[C] shares of the requests, which add up to 1."""


def utilities(training_set: TrainingSet, prior: float) -> Utilities:
    """Mean scores by task; an expert's overall mean counts as `prior` more answers in each."""
    tasks = np.array([query.task for query in training_set.queries])
    categories, number = np.unique(tasks, return_inverse=True)
    member = np.eye(len(categories))[number]  # [N, C]
    asked = member.T @ ~np.isnan(training_set.scores)
    gained = member.T @ np.nan_to_num(training_set.scores)
    # Without any answer there, and without a prior, the overall mean is all that is known.
    weight = np.where(asked + prior > 0, prior, 1.0)
    values = (gained + weight * training_set.means) / (asked + weight)
    return Utilities(tuple(map(str, categories)), values, member.mean(axis=0))


def solve(
    found: Utilities,
    sizes: Floats,
    total: float | None = None,
    active: float | None = None,
    kept: tuple[int, ...] = (),
    active_sizes: Floats | None = None,
) -> Mapping:
    """The best mapping; the `kept` experts are among the chosen ones in any case.

    `sizes` [M] count for the `total` budget, `active_sizes` [M] (by default the same) for the
    `active` one; all in the same unit, by convention billions of parameters. Of equally good maps
    it is the smaller one. Raises ConfigError where no set of experts fits.
    """
    works = sizes if active_sizes is None else active_sizes
    count, width = found.values.shape
    pairs = count * width
    worth = (found.shares[:, None] * found.values).ravel()
    each = kron(eye(count), np.ones((1, width)))
    opened = hstack([eye(pairs), kron(np.ones((count, 1)), -eye(width))])
    rows = [
        LinearConstraint(hstack([each, csr_array((count, width))]), 1, 1),
        LinearConstraint(opened, -np.inf, 0),
    ]
    if total is not None:
        row = np.concatenate([np.zeros(pairs), sizes])[None]
        rows.append(LinearConstraint(row, -np.inf, total * (1 + SLACK)))
    if active is not None:
        row = np.concatenate([np.outer(found.shares, works).ravel(), np.zeros(width)])[None]
        rows.append(LinearConstraint(row, -np.inf, active * (1 + SLACK)))
    lowest = np.zeros(pairs + width)
    lowest[[pairs + expert for expert in kept]] = 1
    highest = np.ones(pairs + width)
    if total is None:  # Then everybody may be kept, and each category decides for itself.
        lowest[pairs:] = 1
        highest[:pairs] = ~_dominated(found.values, works, sizes).ravel()
    # A tiny price on size: of equally good experts the smaller ones, and none for nothing.
    price = 1e-7 / max(float(sizes.sum()), SLACK)
    cost = PERCENT * np.concatenate([-worth, price * sizes + SLACK])
    integral = np.concatenate([np.full(pairs, 0 if active is None else 1), np.ones(width)])
    with native_output_to_stderr():  # HiGHS says a word on some of its detours.
        result = milp(
            cost,
            constraints=rows,
            integrality=integral,
            bounds=Bounds(lowest, highest),
            options={"mip_rel_gap": GAP},
        )
    if result.x is None:
        raise ConfigError(
            f"No set of experts fits: total budget {total}, active budget {active}; the smallest"
            f" expert has {sizes.min():g} in all and {works.min():g} active ({result.message}).",
            hint="Raise `budget` or `active_budget`; the general expert of `coverage` counts, too.",
        )
    return _read(result.x, found, sizes, works, kept)


def _dominated(values: Floats, works: Floats, sizes: Floats) -> NDArray[np.bool_]:
    """[C, M] where another expert is as good and no larger: without a total budget, never needed.

    Of experts that are equal in both the smaller one in memory stays, then the first.
    """
    rank = np.empty(len(sizes), dtype=np.intp)
    rank[np.lexsort((np.arange(len(sizes)), sizes))] = np.arange(len(sizes))
    better = values[:, :, None] > values[:, None, :]
    equal = values[:, :, None] == values[:, None, :]
    smaller, same = works[:, None] < works[None], works[:, None] == works[None]
    first = rank[:, None] < rank[None]
    found = (better & (smaller | same)) | (equal & (smaller | (same & first)))
    return np.asarray(found.any(axis=1))


def _read(
    solution: Floats, found: Utilities, sizes: Floats, works: Floats, kept: tuple[int, ...]
) -> Mapping:
    count, width = found.values.shape
    experts = solution[: count * width].reshape(count, width).argmax(axis=1)
    chosen = np.unique(np.concatenate([experts, np.array(kept, dtype=np.intp)]))
    quality = float(found.shares @ found.values[np.arange(count), experts])
    return Mapping(
        experts,
        chosen,
        quality,
        float(sizes[chosen].sum()),
        float(found.shares @ works[experts]),
    )
