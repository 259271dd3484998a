"""What a training tells, shown as the progress of a command."""

from evals.client.progress import Progress
from experts.fused.training.progress import Voice


class ProgressVoice(Voice):
    """Hands what a training tells on to a `Progress`, which knows how to show it."""

    def __init__(self, progress: Progress) -> None:
        super().__init__(progress.say)
        self._progress = progress

    def say(self, text: str, done: int = 0, total: int | None = None) -> None:
        self._progress.doing(text, done, total)

    def tell(self, text: str) -> None:
        self._progress.say(text)
