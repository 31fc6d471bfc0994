"""What bench/run runs: measures, or reads what was measured, and writes the report."""

import argparse
import pathlib
import re
import sys

import drivers
import figures
import plot
import report

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "bench"
RAW = BUILD / "results.jsonl"
WHOLE = 5  # Repetitions.


def number(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError("a number from 1 on")
    return int(text)


def parse():
    parser = argparse.ArgumentParser(prog="bench/run", add_help=False)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--case", default="")
    parser.add_argument("--system", default="")
    parser.add_argument("--repetitions", type=number)
    parser.add_argument("--report", action="store_true")
    return parser.parse_args()


def main():
    asked = parse()
    if not asked.report:
        repetitions = asked.repetitions or (1 if asked.quick else WHOLE)
        whole = not asked.case and not asked.system and repetitions >= WHOLE
        drivers.measure(ROOT, BUILD, RAW, repetitions, re.compile(asked.case),
                        re.compile(asked.system), whole)
    if not RAW.exists():
        sys.exit(f"There is no {RAW.relative_to(ROOT)}: run bench/run without --report first.")
    results = figures.read(RAW)
    folder = ROOT / "bench" if results.run["whole"] else BUILD
    (folder / "results.svg").write_text(plot.draw(results))
    (folder / "RESULTS.md").write_text(report.write(results))
    print(report.summary(results))
    print(f"\nWritten: {(folder / 'RESULTS.md').relative_to(ROOT)}, "
          f"{(folder / 'results.svg').relative_to(ROOT)}")


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nStopped; nothing was written.")
