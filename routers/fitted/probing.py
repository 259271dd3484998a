"""Which questions say most about an expert that nobody knows yet. Pure."""

import numpy as np

from routers.fitted.training_set import Indices, TrainingSet

FLOOR = 0.1
"""What a question is worth on which all known experts agree: it may still tell the new one."""

ROOM = 0.3
"""Of what the best lacks; with one specialist of nine the disagreement is as large."""


def telling(training_set: TrainingSet, count: int) -> Indices:
    """Numbers of `count` questions (or all), the most telling first.

    Greedy: the next question is the one whose value times its distance to those that are chosen
    is largest. Its value is the disagreement of the known experts (standard deviation of their
    scores), plus what the best of them lacks. So they spread over what the pool is asked, and lie
    where somebody is missing or where it matters who answers.
    """
    spread = np.nan_to_num(np.nanstd(training_set.scores, axis=1))
    value = FLOOR + spread + (1.0 - np.nanmax(training_set.scores, axis=1)) * ROOM
    chosen = [int(value.argmax())]
    far = 1.0 - training_set.vectors @ training_set.vectors[chosen[0]]
    while len(chosen) < min(count, len(value)):
        gain = value * np.clip(far, 0, None)
        gain[chosen] = -1.0
        best = int(gain.argmax())
        chosen.append(best)
        far = np.minimum(far, 1.0 - training_set.vectors @ training_set.vectors[best])
    return np.array(chosen, dtype=np.intp)
