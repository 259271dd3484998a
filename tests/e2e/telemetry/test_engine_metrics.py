"""What vLLM's engines count comes through, each with its expert, as the dashboard asks for it."""

import httpx
import pytest
from dashboard import labels_on, parsed, queries, uses
from openai import AsyncOpenAI
from prometheus_client.parser import text_string_to_metric_families

pytestmark = pytest.mark.e2e


async def test_each_engine_counts_for_itself(client: AsyncOpenAI, http: httpx.AsyncClient) -> None:
    before = _generated((await http.get("/metrics")).text)
    for expert, times in (("arithmetic", 2), ("units", 1)):
        for _ in range(times):
            asked = [{"role": "user", "content": "What is 12 + 35?"}]
            await client.chat.completions.create(model=expert, messages=asked, max_tokens=4)
    page = (await http.get("/metrics")).text
    after = _generated(page)
    grown = {name: after[name] - before.get(name, 0) for name in after}
    assert grown["arithmetic"] > 0
    assert grown["units"] > 0
    known = labels_on(page)
    for title, query in queries():
        for use in uses(parsed(query)):
            if use.metric.startswith("vllm:"):
                assert use.metric in known, title
                assert use.labels <= known[use.metric], title


def _generated(page: str) -> dict[str, float]:
    """Tokens that each expert's engine has generated."""
    return {
        sample.labels["expert"]: sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name == "vllm:generation_tokens_total"
    }
