"""Runs the scenarios on real containers and prints each bar with what was measured."""

import argparse
import asyncio
from pathlib import Path

import fleet
import manifests
import monitoring
import single
from checks import Checks
from stack import Stack

PARTS = ["manifests", "single", "fleet"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, required=True, help="has models, photos, reference")
    parser.add_argument("--image", default="googlenet", help="the image of the service")
    parser.add_argument("--only", choices=PARTS, action="append", help="a part; all if left out")
    arguments = parser.parse_args()
    parts, checks = arguments.only or PARTS, Checks()
    if "manifests" in parts:
        manifests.all_manifests(checks)
        monitoring.alerts(checks)
    if "single" in parts:
        image, shared = arguments.image, arguments.shared
        single.content(checks, image)
        single.hardening(checks, image, shared)
        single.limits(checks, image, shared)
        single.sizing(checks, image, shared)
        single.memory(checks, image, shared)
        single.hostile(checks, image, shared)
    if "fleet" in parts:
        with Stack(arguments.shared, arguments.image) as stack:
            asyncio.run(fleet.all_scenarios(checks, stack, arguments.shared))
            monitoring.live(checks, stack)
    return checks.end()


if __name__ == "__main__":
    raise SystemExit(main())
