"""The console script `coterie`: the service's commands, and those that measure and fit."""

from evals.cli import bench, demo, profile, report, router_map, runs
from evals.cli.capacity.simulate import simulate
from evals.cli.capacity.size import size
from evals.cli.cascade import cascade
from evals.cli.compose import compose
from evals.cli.evaluate import evaluate
from evals.cli.expert import expert
from evals.cli.fuse import fuse
from evals.cli.outcomes import outcomes
from orchestrator.cli.main import INTRODUCE, app
from orchestrator.cli.router import router
from orchestrator.cli.running import run

app.command()(demo.demo)
app.command()(profile.profile)
app.command()(bench.bench)
app.command("bench-gateway")(bench.bench_gateway)
app.command("bench-panel")(bench.bench_panel)
app.command("bench-swap")(bench.bench_swap)
app.command("bench-batch")(bench.bench_batch)
app.command("bench-slot")(bench.bench_slot)
app.command("bench-size")(bench.bench_size)
app.command("bench-fusion")(bench.bench_fusion)
app.command()(simulate)
app.command()(size)
evaluate.command("report")(report.report)
evaluate.command("compare")(report.compare)
app.command()(compose)
router.command("map")(router_map.show_map)
app.command("bench-eval")(runs.bench_eval)
evaluate.command("run")(runs.run)
for group, name in (
    (evaluate, "eval"),
    (fuse, "fuse"),
    (outcomes, "outcomes"),
    (expert, "expert"),
    (cascade, "cascade"),
    (demo.zoo, "zoo"),
):
    app.add_typer(group, name=name)


def main() -> None:
    """Run a command; an error of ours is one clear message and an exit code, no traceback."""
    run(app, {INTRODUCE: "evals.fitting.introduction:introduce"})
