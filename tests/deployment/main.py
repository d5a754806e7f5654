"""Runs the scenarios on real containers and prints each bar with what was measured."""

import argparse
import asyncio
from pathlib import Path

import fleet
import manifests
import monitoring
import single
from bars import Bars
from stack import Stack

PARTS = ["manifests", "single", "fleet"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="has models, photos, reference")
    parser.add_argument("--image", default="googlenet", help="the image of the service")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; all if left out")
    arguments = parser.parse_args()
    parts, bars = arguments.only or PARTS, Bars()
    if "manifests" in parts:
        manifests.all_manifests(bars)
        monitoring.alerts(bars)
    if "single" in parts:
        image, shared = arguments.image, arguments.shared
        single.content(bars, image)
        single.hardening(bars, image, shared)
        single.limits(bars, image, shared)
        single.sizing(bars, image, shared)
        single.memory(bars, image, shared)
        single.hostile(bars, image, shared)
    if "fleet" in parts:
        with Stack(arguments.shared, arguments.image) as stack:
            asyncio.run(fleet.all_scenarios(bars, stack, arguments.shared))
            monitoring.live(bars, stack)
    return bars.end()


if __name__ == "__main__":
    raise SystemExit(main())
