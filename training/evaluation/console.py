"""An evaluation on the terminal: a progress bar, then what was found."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from training.evaluation.audio.report import AudioReport
from training.evaluation.intervals import Estimate
from training.evaluation.report import Claim, EightBitFacts, Report
from training.evaluation.words import ONE_CLASS, ability_of, words_for


class ConsoleProgress:
    """A bar on a terminal; elsewhere one plain line for each new thing that is done."""

    def __init__(self, console: Console, bar: Progress, task: TaskID) -> None:
        self._console = console
        self._bar = bar
        self._task = task
        self._described = ""

    def describe(self, description: str) -> None:
        """Say what is being done now."""
        self._bar.update(self._task, description=description)
        if self._bar.disable and description != self._described:
            self.say(description)
        self._described = description

    def advance(self, steps: int = 1) -> None:
        """Some steps are done."""
        self._bar.advance(self._task, steps)

    def say(self, line: str) -> None:
        """Leave a line on the screen."""
        self._console.print(line, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_bar(console: Console, total: int) -> Iterator[ConsoleProgress]:
    """Show an evaluation of `total` steps on a console."""
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=not console.is_terminal,
    )
    with bar:
        yield ConsoleProgress(console, bar, bar.add_task("", total=total))


def show(console: Console, report: Report) -> None:
    """Print a report's main numbers and its claims."""
    console.print(_reconstruction(report))
    console.print(_samples(report))
    if isinstance(report.eight_bit, EightBitFacts):
        console.print(_eight_bits(report.eight_bit, report.distance.kind))
    elif report.eight_bit:
        console.print(f"Eight bits: {report.eight_bit}.", markup=False, soft_wrap=True)
    console.print(claims_table(report.claims))
    if report.samples.fractions[-1].recognition is None:
        console.print(f"Note: {ONE_CLASS}.", soft_wrap=True)


def _reconstruction(report: Report) -> Table:
    facts, words = report.reconstruction, words_for(report.data.shape)
    # How different clips sound; images have no such column.
    sounds = report.reconstruction.log_mel if isinstance(report, AudioReport) else ()
    table = Table(
        title=f"Reconstruction of {facts.images:,} test {words.many}",
        caption=f"squared error per {words.one}, summed over {words.values}",
    )
    for heading in ("codes", "model", "PCA", "Δ model", "Δ PCA", "quality", *(["log-mel, dB"] if sounds else [])):
        table.add_column(heading, justify="right")
    for n, (model, linear) in enumerate(zip(facts.model.errors, facts.pca_clamped.errors, strict=True)):
        gains = [f"{curve.gains[n - 1].value:.3f}" if n else "" for curve in (facts.model, facts.pca_clamped)]
        heard = [f"{sounds[n].value:.2f}"] if sounds else []
        quality = f"{report.quality_curve[n]:.3f}"
        table.add_row(str(n), f"{model.value:.3f}", f"{linear.value:.3f}", *gains, quality, *heard)
    return table


def _samples(report: Report) -> Table:
    distance = report.distance
    many = words_for(report.data.shape).many
    table = Table(
        title=f"{report.samples.count:,} conditional samples, judged by {escape(report.extractor.name)}",
        caption=(
            f"the judge {ability_of(report.extractor, many)}; {distance.kind} of real training {many} "
            f"{sum(distance.floor) / 2:.2f}, of reconstructions {distance.reconstructions:.2f}"
        ),
    )
    for heading in ("fraction", "codes", distance.kind, "recognised", "95% interval"):
        table.add_column(heading, justify="right")
    for facts in report.samples.fractions:
        share = facts.recognition
        table.add_row(
            f"{facts.fraction:g}",
            str(facts.codes),
            f"{facts.distance.value:.2f}",
            f"{share.value:.1%}" if share else "n/a",
            f"{share.low:.1%} to {share.high:.1%}" if share else "n/a",
        )
    return table


def _eight_bits(facts: EightBitFacts, distance: str) -> Table:
    table = Table(
        title=f"Eight bits ({facts.executor} beside {facts.beside}): {'passed' if facts.passed else 'NOT passed'}",
        caption=(
            f"{facts.agreement:.1%} of the codes agree, {facts.agreement_first:.1%} of the first and "
            f"{facts.agreement_last:.1%} of the last; RMS and largest: by what decoders differ on the same codes of "
            f"{facts.decoded_twice:,} samples, in {facts.decoded_steps}"
        ),
    )
    sounds = any(each.decoded.snr_db is not None for each in facts.fractions)
    headings = ("codes", distance, "8 bits", "ratio", "recognised", "8 bits", "RMS", "largest")
    for heading in (*headings, *(["SNR, dB"] if sounds else [])):
        table.add_column(heading, justify="right")
    for each in facts.fractions:
        snr = each.decoded.snr_db
        table.add_row(
            str(each.codes),
            f"{each.full_precision:.2f}",
            f"{each.eight_bit:.2f}",
            f"{each.ratio:.4f}",
            *(
                f"{share.value:.1%}" if share else "n/a"
                for share in (each.recognised_full_precision, each.recognised_eight_bit)
            ),
            f"{each.decoded.rms:.2g}",
            f"{each.decoded.largest:.2g}",
            *([] if not sounds else ["" if snr is None else f"{snr:.1f}"]),
        )
    return table


def claims_table(claims: Sequence[Claim]) -> Table:
    """What was claimed, and whether it holds."""
    table = Table(title="Claims")
    table.add_column("claim")
    table.add_column("holds")
    table.add_column("beyond noise")
    table.add_column("least favourable value", justify="right")
    for claim in claims:
        worst: Estimate = min(claim.values, key=lambda estimate: estimate.value)
        table.add_row(
            claim.statement,
            _answer(claim.holds),
            _answer(claim.beyond_noise),
            f"{worst.value:.3g} (threshold {claim.threshold:g})",
        )
    return table


def _answer(value: bool) -> str:
    return "[green]yes[/green]" if value else "[red]no[/red]"
