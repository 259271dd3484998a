"""The losses of FusionRoute (arXiv 2601.05106) as pure functions of log-probabilities."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from experts.fused.training.tokens import sum_by_row, token_log_probs

SOFTENING = 4.0
"""Temperature of an expert's distribution: a token ten nats less likely still counts a twelfth."""


def expert_loss(routes: Tensor, nll: Tensor, informative: Tensor, row: Tensor) -> Tensor:
    """Train the head to prefer the experts that expect the right token (section 3.2).

    `routes` [N, n] are the head's raw outputs, `nll` [N, n] the frozen experts' negative
    log-likelihoods of the right token in nats, `informative` [N] is true where two experts' best
    tokens differ, `row` [N] is the answer that a token belongs to. Returns the mean over answers of
    the mean over their informative tokens of sum_i softmax(routes)_i * nll_i; answers without
    such a token do not count, and 0 is returned where none has one.

    The paper leaves open whether the weights are normalised and whether the mixture is; this is
    the reading that is bounded and needs n numbers a token: softmax, no normaliser over tokens.
    """
    kept = row[informative]
    if not len(kept):
        return routes.sum() * 0.0
    per_token = (routes[informative].softmax(-1) * nll[informative]).sum(-1)
    rows = int(row.max()) + 1
    counts = torch.bincount(kept, minlength=rows)
    sums = per_token.new_zeros(rows).index_add(0, kept, per_token)
    return (sums[counts > 0] / counts[counts > 0]).mean()


def chosen_expert(routes: Tensor) -> Tensor:
    """Name the expert that decoding would use at each token: [N, n] to [N], no gradient.

    Ties go to the first expert.
    """
    return routes.detach().argmax(-1)


def chosen_log_probs(routes: Tensor, nll: Tensor) -> Tensor:
    """Take the chosen expert's log-probability of each right token: [N], no gradient."""
    return -token_log_probs(nll, chosen_expert(routes))


def log_normalizer(router: Tensor, expert: Tensor) -> Tensor:
    """Compute log sum_v pi_router(v) pi_expert(v) at each token: two [N, V] to [N]."""
    return (router + expert).logsumexp(-1)


def known_answers(nll: Tensor, row: Tensor, rows: int, most: float) -> Tensor:
    """Mark the tokens of answers that one expert knows as a whole: [N] bool.

    `nll` [N, n] are the experts' losses on the right tokens, `row` [N] says which of the `rows`
    answers a token belongs to. An answer is known where some expert gives all of it at most `most`
    nats.
    """
    known = sum_by_row(nll, row, rows).min(-1).values <= most
    return known[row]


def disturbance(router: Tensor, expert: Tensor) -> Tensor:
    """How much a router takes sides among what an expert finds plausible: two [N, V] to [N].

    The variance of the router's log-probabilities under the expert's distribution, softened by
    SOFTENING: what matters where the expert is unsure are the differences between its few
    candidates, which the variance over a whole vocabulary hardly shows.
    """
    plausible = (expert / SOFTENING).softmax(-1)
    centred = router - (plausible * router).sum(-1, keepdim=True)
    return (plausible * centred**2).sum(-1)


class Preference(NamedTuple):
    """Complemented DPO of a batch of pairs: the loss, and what to watch."""

    loss: Tensor
    """Mean over the pairs, in nats."""
    bias: Tensor
    """beta times the experts' own preference for the chosen answers, [pairs]."""
    right: Tensor
    """Share of the pairs whose argument of the sigmoid is positive."""


def complemented_dpo(
    policy: tuple[Tensor, Tensor],
    reference: tuple[Tensor, Tensor],
    experts: tuple[Tensor, Tensor],
    beta: float,
) -> Preference:
    """DPO on the fused policy (section 3.3): -log sigmoid(d(policy) + bias).

    Each argument holds the log-probabilities of the chosen and of the rejected answers, both
    [pairs]: the router's, those of the router before this stage, and those of the experts that
    the head chooses along each answer. The experts' part is not divided by a reference, since
    that is what the router has to complement; neither it nor the reference gets a gradient.
    """
    difference = (policy[0] - policy[1]) - (reference[0] - reference[1]).detach()
    bias = beta * (experts[0] - experts[1]).detach()
    argument = beta * difference + bias
    return Preference(-logsigmoid(argument).mean(), bias, (argument.detach() > 0).float().mean())
