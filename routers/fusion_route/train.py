"""Training of FusionRoute: supervised fine-tuning, then preferences mixed with it."""

from pathlib import Path

import torch
from transformers import PreTrainedTokenizerBase

from experts.fused.folder.fingerprint import fingerprint
from experts.fused.folder.write import check_roles
from experts.fused.training.models import (
    check_tokenizers,
    load_model,
    load_tokenizer,
    smallest_context,
)
from experts.fused.training.progress import Voice
from experts.fused.training.run import Clock, RunFolder, State
from routers.fusion_route.data import TrainingData, load_data
from routers.fusion_route.decode import FusedPolicy, all_roles
from routers.fusion_route.model import FusionRouter, load_members
from routers.fusion_route.own_mistakes import own_mistakes
from routers.fusion_route.precompute import ExpertLogProbs, precompute
from routers.fusion_route.stage import Trainer
from routers.fusion_route.stage_losses import StageData
from routers.fusion_route.training_config import TrainingConfig

STAGES = ("sft", "mixed")
MISTAKES = "mistakes.jsonl"


def train(
    config: TrainingConfig, folder: Path, voice: Voice, cache: Path | None = None
) -> tuple[FusionRouter, State]:
    """Train as configured, or resume the stopped run in `folder`.

    The same file, seed and number of threads give the same weights, whether or not the run was
    stopped in between. The experts' log-probabilities are kept in `cache`, where other runs find
    them too, by default inside `folder`. Raises ConfigError for what cannot be trained.
    """
    torch.manual_seed(config.seed)
    torch.set_num_threads(config.threads)
    voice.say("checking the members")
    model, tokenizer, context = load_parts(config)
    voice.say("reading the training data")
    data = load_data(config, tokenizer, context, voice.tell)
    run = run_folder(folder, config, data, cache)
    state, optimizer = run.resume(model)
    if optimizer is None:
        (folder / MISTAKES).unlink(missing_ok=True)
    else:
        voice.tell(f"going on after step {state.step} of the {state.stage} stage")
    questions: ExpertLogProbs | None = None
    for stage in STAGES[STAGES.index(state.stage) :]:
        left = optimizer if state.stage == stage else None
        if (0 if left is None else state.step) >= getattr(config, stage).steps:
            continue
        clock = Clock(state)
        questions = questions or read_questions(config, data, run, voice)
        prepared = StageData(data, questions)
        if stage == "mixed":
            prepared = prepare_pairs(config, prepared, model, tokenizer, run, voice)
        clock.stop()
        trainer = Trainer(config, stage, model, prepared, run, voice)
        trainer.train(state, left)
    model.eval()
    return model, state


def run_folder(
    folder: Path, config: TrainingConfig, data: TrainingData, cache: Path | None = None
) -> RunFolder:
    """The folder of a run, which is identified by its settings, models and data."""
    # Files and models are compared by what is in them: they may be moved.
    paths = ("members", "router", "questions", "preferences")
    trained = {key: value for key, value in config.trained().items() if key not in paths}
    members = [[name, fingerprint(path)] for name, path in config.members.items()]
    router = fingerprint(config.router)
    identity = {**trained, "members": members, "router": router, "data": data.digest()}
    return RunFolder(folder, STAGES, identity, cache)


def load_parts(config: TrainingConfig) -> tuple[FusionRouter, PreTrainedTokenizerBase, int]:
    """Load the router with a new head, its tokenizer, and the smallest context in tokens.

    Raises ConfigError for members that cannot work together, or not at all.
    """
    # Models first: a folder that holds none is named before its tokenizer is missed.
    model = FusionRouter(load_model("router", config.router), len(config.members))
    for name, path in config.members.items():
        load_model(name, path)
    tokenizer = load_tokenizer(config.router)
    check_tokenizers(tokenizer, {n: load_tokenizer(path) for n, path in config.members.items()})
    check_roles(
        {**config.members, "the router": config.router},
        [role.name for role in all_roles(tuple(config.members))],
        config.role_tokens,
    )
    return model, tokenizer, smallest_context([config.router, *config.members.values()])


def read_questions(
    config: TrainingConfig, data: TrainingData, run: RunFolder, voice: Voice
) -> ExpertLogProbs:
    """Let the experts read the answers to the questions."""
    return precompute(
        config.members,
        data.questions,
        run.cache,
        config.most_batch_tokens,
        voice.say,
        kept=config.kept_tokens,
        every_token=config.informative == "all",
    )


def prepare_pairs(
    config: TrainingConfig,
    prepared: StageData,
    model: FusionRouter,
    tokenizer: PreTrainedTokenizerBase,
    run: RunFolder,
    voice: Voice,
) -> StageData:
    """Add the policy's own mistakes to the pairs, and let the experts read all of them."""
    data = prepared.data
    if config.mixed.own_mistakes:
        policy = FusedPolicy(model, load_members(config.members), int(tokenizer.eos_token_id))
        count, seed = config.mixed.own_mistakes, config.seed
        found = own_mistakes(policy, data.questions, count, seed, run.folder / MISTAKES, voice.say)
        voice.tell(f"the policy got {len(found)} of its own {count} questions wrong")
        data = TrainingData(
            data.questions,
            (*data.chosen, *(right for right, _ in found)),
            (*data.rejected, *(wrong for _, wrong in found)),
        )
    answers = (*data.chosen, *data.rejected)
    if not answers:
        return prepared
    most, kept = config.most_batch_tokens, config.kept_tokens
    pairs = precompute(config.members, answers, run.cache, most, voice.say, kept=kept)
    return StageData(data, prepared.questions, pairs)
