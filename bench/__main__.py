"""python -m bench [SCENARIO …] [--backend …] [--against oidc-provider] [--json FILE] [--seconds N] [--rounds N]"""

import argparse
import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

from bench import limits, report
from bench.measurement import Result, run
from bench.scenarios import SCENARIOS, Scenario
from bench.subjects import BACKENDS, PEER, Subject, install_peer, ours, peer, services


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure what the command line asks for and print the table."""
    options = _parser().parse_args(arguments)
    chosen = _chosen(options.scenario)
    backends = tuple(dict.fromkeys(options.backend or BACKENDS))
    if options.against:
        install_peer()
    machine = report.machine(limits.disk_flush_us())
    results: list[Result] = []
    with services(backends, options.against) as stores:
        for scenario in chosen:
            _say(scenario.name)
            results += _measure(scenario, backends, stores, options)
    print(f"{machine['cores']} × {machine['processor']}, load {machine['load_at_start']:.1f} at the start, ", end="")
    print(f"a 4 KiB flush takes {machine['disk_flush_us']:,.0f} µs\n")
    print(report.table(results))
    if options.json:
        options.json.write_text(report.document(results, machine) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure idp; see bench/README.md.")
    parser.add_argument("scenario", nargs="*", help=f"of: {', '.join(SCENARIOS)}; a beginning names several")
    parser.add_argument("--backend", action="append", choices=BACKENDS, help="measure on this one (default: on both)")
    parser.add_argument("--against", choices=[PEER], help="measure this provider beside ours, where it can do the same")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there too")
    parser.add_argument("--seconds", type=float, default=3, help="length of one measurement (default: 3)")
    parser.add_argument("--rounds", type=int, default=3, help="measurements of each provider (default: 3)")
    return parser


def _chosen(names: Sequence[str]) -> list[Scenario]:
    chosen = {
        name: scenario
        for name, scenario in SCENARIOS.items()
        if not names or any(name == wanted or name.startswith(wanted + "-") for wanted in names)
    }
    unknown = [wanted for wanted in names if not any(name.startswith(wanted) for name in chosen)]
    if unknown:
        raise SystemExit(f"no such scenario: {', '.join(unknown)}; there are {', '.join(SCENARIOS)}")
    return list(chosen.values())


def _measure(
    scenario: Scenario, backends: Sequence[str], stores: tuple[int, ...], options: argparse.Namespace
) -> list[Result]:
    with contextlib.ExitStack() as stack:
        subjects: list[Subject] = [stack.enter_context(ours(backend, stores)) for backend in backends]
        if options.against and scenario.peer:
            subjects.append(stack.enter_context(peer(scenario.peer, stores)))
        return run(scenario, subjects, rounds=options.rounds, seconds=options.seconds, say=_say)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
