"""The learning rate of a step."""


def learning_rate(step: int, steps: int, peak: float, warmup: float, final: float) -> float:
    """Give the rate of a step, counted from 0: up to `peak`, then down in a line.

    `warmup` is the share of the steps until the peak, `final` the last rate as share of it.
    """
    rising = warmup * steps
    if step < rising:
        return peak * (step + 1) / (rising + 1)
    rest = (step - rising) / max(1.0, steps - rising)
    return peak * (1 - (1 - final) * rest)
