"""Active learning: the questions that reveal most about an expert without outcomes yet. Pure."""

import numpy as np

from routers.fitted.training_set import Indices, TrainingSet

FLOOR = 0.1
"""Value of a question on which all known experts agree: the new one may still differ."""

ROOM = 0.3
"""Weight of what the best expert lacks, about as large as the disagreement over one specialist."""


def most_informative(training_set: TrainingSet, count: int) -> Indices:
    """Row numbers of `count` questions (or all), the most informative first.

    Greedy: the next question is the one whose value times its distance to those already chosen is
    largest. A value is the disagreement of the known experts (standard deviation of their scores)
    plus what the best of them lacks. So the questions spread over what the pool is asked, and lie
    where no expert is good yet or where it matters which one answers.
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
