"""Runs everyone in turn, round by round, and prints the ratios of the medians. See `run`."""

import argparse
import contextlib
import json
from pathlib import Path

import instruction_sets
import summary
from cases import Cases
from contenders import all_cores


def measure(contenders, images, rounds):
    """The figures of each contender, by round."""
    figures = {name: [] for name in contenders}
    with contextlib.ExitStack() as stack:
        running = {}
        for name, start in contenders.items():
            running[name] = start()
            stack.callback(running[name].close)
        for _ in range(rounds):
            for name, contender in running.items():
                figures[name].append(contender.measure(images))
    return figures


def chosen(cases):
    """What ours runs on here, as it says itself."""
    sets = cases.ours("int8/one-core", cases.one)().report(1)["instruction_sets"]
    return f"ours chose      {sets['f32']} for f32, {sets['int8']} for products of bytes"


def main():
    parser = argparse.ArgumentParser(prog="benches/peers/run")
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--binary", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=9, help="at least 5 for figures that are quoted")
    parser.add_argument("--only", default="", help="only the cases whose name contains this")
    parser.add_argument(
        "--isa",
        choices=instruction_sets.ONEDNN,
        help="hold all that can be held to this instruction set",
    )
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    print(instruction_sets.describe(arguments.isa, len(all_cores())), flush=True)
    cases = Cases(arguments)
    print(chosen(cases))
    print(f"{arguments.rounds} rounds, everyone's turn in each; medians over the rounds. The last column is our time")
    print("by theirs: below 1 ours is faster.\n", flush=True)
    all_figures, all_times = {}, {}
    for case in cases.all():
        if arguments.only in case.name:
            all_figures[case.name] = measure(case.contenders, case.images, arguments.rounds)
            all_times[case.name] = summary.medians(case, all_figures[case.name])
            summary.print_case(case, all_times[case.name])
    summary.print_summary(cases.all(), all_times)
    (arguments.work / "figures.json").write_text(json.dumps(all_figures, indent=1))


if __name__ == "__main__":
    main()
