"""How many lines of a batch have an answer, and what these took, by their records alone. Pure."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace

from orchestrator.batch.batch import Batch
from orchestrator.batch.line import ANSWER

TOKENS = ("prompt_tokens", "completion_tokens")


def with_more(batch: Batch, records: Iterable[bytes]) -> Batch:
    """The batch with more results, each as `Result.to_record` gives it."""
    completed, failed, tokens = batch.completed, batch.failed, Counter(batch.tokens)
    for record in records:
        if not record.startswith(ANSWER):
            failed += 1
            continue
        completed += 1
        usage = json.loads(record[1:])["response"]["body"].get("usage") or {}
        tokens.update({n: usage[n] for n in TOKENS if isinstance(usage.get(n), int)})
    return replace(batch, completed=completed, failed=failed, tokens=dict(tokens))


def without_any(batch: Batch) -> Batch:
    """The batch before its first result."""
    return replace(batch, completed=0, failed=0, tokens={})
