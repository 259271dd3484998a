"""What is the answer? For inspect_ai: it is generated, and must be exactly right."""

from pathlib import Path

from inspect_ai import Task, task
from inspect_ai.dataset import FieldSpec, json_dataset
from inspect_ai.scorer import exact
from inspect_ai.solver import generate

QUESTIONS = Path(__file__).parent / "zoo_questions.jsonl"


@task
def zoo_answer() -> Task:
    """The questions of the zoo's skills, as they are."""
    fields = FieldSpec(input="question", target="answer", id="id")
    return Task(json_dataset(str(QUESTIONS), fields), solver=generate(), scorer=exact())
