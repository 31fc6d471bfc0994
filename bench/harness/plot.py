"""Draws results.svg: Nephrite beside each peer and the floor, question by question."""

import dataclasses
import html
import math

import report
import targets
from figures import FLOOR, NAMES, NEPHRITE, show_bytes, show_time

WIDTH, MARGIN, GAP = 900, 20, 28
COLUMN = (WIDTH - 2 * MARGIN - GAP) / 2
LABEL, VALUE = 92, 62  # Left of the bars, and right of the axis.
ROW, BAR = 17, 11
SYSTEMS = [FLOOR, NEPHRITE, "berkeleydb", "rocksdb", "postgres_advisory", "redis", "etcd"]
SHORT = NAMES | {"postgres_advisory": "PostgreSQL"}

STYLE = """
  text { font: 12px system-ui, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
  .page { fill: #ffffff } .title { font-size: 19px; font-weight: 600 }
  .panel { font-size: 14px; font-weight: 600 } .group { font-weight: 600 }
  .small, .axis { font-size: 11px; fill: #59636e } .ours { font-weight: 700; fill: #116b52 }
  .grid { stroke: #d8dee4 } .rule { stroke: #8c959f }
  .bar { fill: #a4b1c0 } .bar-ours { fill: #1a7f64 }
  .bar-floor { fill: none; stroke: #8c959f; stroke-dasharray: 3 2 }
  .target { stroke: #d1242f; stroke-width: 2 } .aim { fill: #d1242f; font-size: 11px }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .page { fill: #0d1117 } .small, .axis { fill: #9198a1 }
    .ours { fill: #56d3a6 } .grid { stroke: #2b333c } .rule { stroke: #768390 }
    .bar { fill: #57657a } .bar-ours { fill: #3fb68b } .bar-floor { stroke: #768390 }
    .target { stroke: #ff7b72 } .aim { fill: #ff7b72 }
  }"""


@dataclasses.dataclass
class Question:
    """One group of bars: `number` of `case` and `variant`, for each system that has it."""
    title: str
    case: str
    variant: str = ""
    number: str = "wall_ns"
    floor: tuple = ()  # Case and variant.
    target: object = None  # Of the results: where the mark is.
    other_variants: dict = dataclasses.field(default_factory=dict)  # By system.


def times_floor(factor, case, variant="", number="wall_ns"):
    def of(results):
        floor = results.median(number, FLOOR, case, variant)
        return None if floor is None else factor * floor
    return of


def fixed(value):
    return lambda results: value


def echo_and(nanoseconds):
    def of(results):
        echo = results.median("p50_ns", FLOOR, "echo", f"{ONE}, two cores")
        return None if echo is None else echo + nanoseconds
    return of


def rocksdb_times(factor, variant, number):
    def of(results):
        theirs = results.median(number, "rocksdb", "commit_10", variant)
        return None if theirs is None else factor * theirs
    return of


IN_SERVER = {"postgres_advisory": "in the server"}
ONE, MANY = "1 connection, tcp", "64 connections, tcp"
LEFT = [
    ("Lock and unlock in one program", show_time, [
        Question("1,000 objects", "uncontended_1k", floor=("cas_pair_1k", ""),
                 target=times_floor(3, "cas_pair_1k"), other_variants=IN_SERVER),
        Question("1,000,000 cold objects", "uncontended_1m_cold",
                 floor=("hash_mutex_1m_cold", "insert + erase"),
                 target=times_floor(2, "hash_mutex_1m_cold", "insert + erase")),
        Question("asking again for what is held", "reentrant", target=fixed(10),
                 other_variants=IN_SERVER),
    ]),
    ("Many want one object: time a grant", show_time, [
        Question("8 threads", "handover", "8 waiters", floor=("handover", "8 waiters")),
        Question("128 threads", "handover", "128 waiters", floor=("handover", "128 waiters")),
    ]),
    ("Commit of 10 objects", show_time, [
        Question("without sync, p50", "commit_10", "sync off", "p50_ns",
                 target=rocksdb_times(1.3, "sync off", "p50_ns")),
        Question("with sync, 16 processes, time each", "commit_10", "sync on, 16 processes",
                 target=rocksdb_times(1 / 0.9, "sync on, 16 processes", "wall_ns")),
    ]),
]
RIGHT = [
    ("Lock and unlock over TCP", show_time, [
        Question("1 connection, p50", "remote", ONE, "p50_ns", ("echo", ONE),
                 times_floor(1.3, "echo", ONE, "p50_ns")),
        Question("64 connections, time each", "remote", MANY, "wall_ns", ("echo", MANY)),
        Question("CPU of the server each, 1 connection", "remote", ONE, "server_cpu_ns",
                 ("echo", ONE), lambda results: results.median("server_cpu_ns", "redis", "remote",
                                                               ONE)),
        Question("1,000 locks in one request, p50", "vector_1000", ONE, "p50_ns",
                 ("echo", f"{ONE}, two cores"), echo_and(100e3)),
    ]),
    ("When it goes wrong", show_time, [
        Question("deadlock of 2: request to error", "deadlock", "2 parties", "p50_ns",
                 target=fixed(10e3)),
        Question("deadlock of 1,000", "deadlock", "1000 parties", "p50_ns", target=fixed(500e3)),
        Question("a session with 100,000 locks dies", "session_death", target=fixed(20e6)),
    ]),
    ("Memory of a held lock, 1,000,000 held", show_bytes, [
        Question("", "memory_held_1m", "", "larger_bytes_per_lock", target=fixed(64),
                 other_variants={NEPHRITE: "lock manager"}),
    ]),
]


def values_of(results, question):
    """(system, value) of whoever has one."""
    found = []
    for system in SYSTEMS:
        case, variant = question.case, question.other_variants.get(system, question.variant)
        if system == FLOOR:
            if not question.floor:
                continue
            case, variant = question.floor
        value = results.median(question.number, system, case, variant)
        if value is not None and value > 0:
            found.append((system, value))
    return found


def text(x, y, what, kind="", anchor="start"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}" text-anchor="{anchor}">'
            f'{html.escape(what)}</text>')


def line(x1, y1, x2, y2, kind):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" class="{kind}"/>'


class Axis:
    """Logarithmic, over whole decades."""

    def __init__(self, values, left, right):
        self.low = math.floor(math.log10(min(values) / 1.5))
        self.high = max(math.ceil(math.log10(max(values))), self.low + 1)
        self.left, self.right = left, right

    def at(self, value):
        part = (math.log10(value) - self.low) / (self.high - self.low)
        return self.left + max(0.0, min(1.0, part)) * (self.right - self.left)

    def decades(self):
        return [10.0 ** power for power in range(self.low, self.high + 1)]


def draw_panel(results, panel, left, top):
    """SVG of the panel, and its height; nothing when there is nothing to show."""
    title, show, questions = panel
    shown = [(question, values_of(results, question)) for question in questions]
    shown = [(question, values) for question, values in shown if values]
    if not shown:
        return "", 0
    aims = [question.target(results) if question.target else None for question, _ in shown]
    every = [value for _, values in shown for _, value in values]
    axis = Axis(every + [aim for aim in aims if aim], left + LABEL, left + COLUMN - VALUE)

    drawn = [text(left, top + 14, title, "panel")]
    y = top + 38
    step = 1 if len(axis.decades()) <= 6 else 2
    for decade in axis.decades()[::step]:
        drawn.append(text(axis.at(decade), y, show(decade), "axis", "middle"))
    y += 6
    for (question, values), aim in zip(shown, aims):
        if question.title:
            drawn.append(text(left, y + 14, question.title, "group"))
            y += 19
        rows = len(values) + (NEPHRITE not in dict(values))
        for decade in axis.decades():
            drawn.append(line(axis.at(decade), y, axis.at(decade), y + rows * ROW, "grid"))
        drawn.append(line(axis.left, y, axis.left, y + rows * ROW, "rule"))
        for system, value in values:
            ours = system == NEPHRITE
            middle = y + ROW / 2
            kind = {NEPHRITE: "bar-ours", FLOOR: "bar-floor"}.get(system, "bar")
            end = max(axis.at(value), axis.left + 1.5)
            drawn.append(text(axis.left - 6, middle + 4, SHORT[system], "ours" if ours else "",
                              "end"))
            drawn.append(f'<rect x="{axis.left:.1f}" y="{middle - BAR / 2:.1f}" '
                         f'width="{end - axis.left:.1f}" height="{BAR}" class="{kind}"/>')
            label = end
            if ours and aim:
                at = axis.at(aim)
                drawn.append(line(at, y + 0.5, at, y + ROW - 0.5, "target"))
                if -4 < at - end < 62:
                    label = at
            drawn.append(text(label + 5, middle + 4, show(value), "ours" if ours else "small"))
            y += ROW
        if NEPHRITE not in dict(values):
            drawn.append(text(axis.left - 6, y + ROW / 2 + 4, "Nephrite", "ours", "end"))
            drawn.append(text(axis.left + 5, y + ROW / 2 + 4, "no figure", "small"))
            y += ROW
        y += 5
    return "\n".join(drawn), y - top + 12


def draw(results):
    run = results.run
    loads = [f"{run[name][0]}" if name in run else "?" for name in ("load_before", "load_after")]
    notes = [
        "Shorter is better; each axis is logarithmic. Dashed: what the machine itself takes for "
        "the same (the floor). Red: Nephrite's target.",
        f"{run['date']}, commit {run['commit']}. Median of {run['repetitions']}. Targets: "
        f"{report.counts(targets.rows(results))}.",
        f"{run['cores']} x {run['cpu']}, {run['system']}, Linux {run['kernel']}. Load "
        f"{loads[0]} before, {loads[1]} after.",
    ]
    parts = [text(MARGIN, 34, "Nephrite beside others, same machine, same run", "title")]
    parts += [text(MARGIN, 54 + 16 * i, note, "small") for i, note in enumerate(notes)]
    height = 0
    for column, panels in enumerate((LEFT, RIGHT)):
        top = 102.0
        for panel in panels:
            drawn, used = draw_panel(results, panel, MARGIN + column * (COLUMN + GAP), top)
            parts.append(drawn)
            top += used
        height = max(height, top + 6)
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" '
        f'width="{WIDTH}" height="{height:.0f}" role="img" '
        'aria-label="Nephrite beside other lock managers: time, memory and CPU of an operation">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height:.0f}" class="page"/>',
        *parts, "</svg>\n"])
