#!/usr/bin/env python3
"""Asks the real Elasticsearch and the real Flink every conformance case: records their answers, or checks that they still hold."""

import argparse
import fnmatch
import pathlib
import sys

from recorder import elasticsearch, flink

HERE = pathlib.Path(__file__).resolve().parent


def arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, epilog="example: record.py sql --only 'window-*' --check")
    parser.add_argument("what", choices=["search", "sql"], help="which cases")
    parser.add_argument("--only", metavar="GLOB", default="*", help="only cases whose name fits (sql: FEATURE/CASE or CASE)")
    parser.add_argument("--check", action="store_true", help="change nothing; say what differs, exit 1 if anything does")
    parser.add_argument("--elasticsearch", metavar="URL", help="ask this one, already running on loopback, instead of starting one")
    return parser.parse_args()


def main():
    """Runs what was asked for."""
    given = arguments()
    if given.what == "search":
        paths = [p for p in sorted((HERE / "search").glob("*.json"))
                 if p.name != "volatile.json" and fnmatch.fnmatch(p.stem, given.only)]
    else:
        paths = [p.parent for p in sorted((HERE / "sql").glob("*/*/case.sql"))
                 if fnmatch.fnmatch(p.parent.name, given.only) or fnmatch.fnmatch(f"{p.parent.parent.name}/{p.parent.name}", given.only)]
    if not paths:
        sys.exit(f"record.py: no {given.what} case fits `{given.only}`")
    if given.what == "search":
        differing = elasticsearch.record(paths, HERE / "search", given.check, given.elasticsearch)
    else:
        differing = flink.record(paths, HERE / "flink", given.check)
    if given.check:
        print(f"{len(paths) - differing} of {len(paths)} recorded answers hold")
    else:
        print(f"{len(paths)} cases recorded")
    return 1 if differing else 0


if __name__ == "__main__":
    sys.exit(main())
