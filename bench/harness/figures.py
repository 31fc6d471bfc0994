"""What was measured: reads results.jsonl, and puts repetitions together."""

import dataclasses
import json
import statistics

NEPHRITE, FLOOR = "nephrite", "floor"
CONTROL_SCALES = 1.6  # Two threads that share nothing, to one: below it nothing is said of scaling.
SCALING_CASES = ["two_threads_distinct", "two_threads_shared", "scaling_control"]

NAMES = {
    "nephrite": "Nephrite",
    "floor": "floor",
    "berkeleydb": "Berkeley DB",
    "rocksdb": "RocksDB",
    "postgres_advisory": "PostgreSQL advisory",
    "postgres_rows": "PostgreSQL rows",
    "redis": "Redis",
    "etcd": "etcd",
}


@dataclasses.dataclass
class Spread:
    """One number over all repetitions."""
    median: float
    least: float
    most: float


@dataclasses.dataclass
class Figure:
    """One row: a system, a case, a variant. Each number by name: wall_ns, cpu_ns, extra's ..."""
    system: str
    case: str
    variant: str
    values: dict
    ops: int

    def get(self, name):
        return self.values.get(name)

    def median(self, name):
        spread = self.values.get(name)
        return None if spread is None else spread.median


class Results:
    def __init__(self, run, figures, failures, raw):
        self.run = run
        self.figures = figures  # In the order in which they first came.
        self.failures = failures
        self.raw = raw  # (system, case, variant) -> {repetition: {name: value}}

    def find(self, system, case, variant=""):
        for figure in self.figures:
            if (figure.system, figure.case, figure.variant) == (system, case, variant):
                return figure
        return None

    def median(self, name, system, case, variant=""):
        figure = self.find(system, case, variant)
        return None if figure is None else figure.median(name)

    def variants(self, system, case):
        return [f.variant for f in self.figures if (f.system, f.case) == (system, case)]

    def cases(self):
        return list(dict.fromkeys(figure.case for figure in self.figures))

    def speed_up(self, system, case):
        """Throughput of two threads to that of one: median over the repetitions; or None."""
        one = self.raw.get((system, case, "1 thread"), {})
        two = self.raw.get((system, case, "2 threads"), {})
        both = [one[i]["wall_ns"] / two[i]["wall_ns"] for i in one if i in two]
        return statistics.median(both) if both else None

    def control(self):
        return self.speed_up(FLOOR, "scaling_control")

    def scaling_is_refused(self):
        return self.control() is None or self.control() < CONTROL_SCALES


def flatten(line):
    values = {name: value for name, value in line.items() if name.endswith("_ns")}
    values |= line.get("extra", {})
    if "bytes_per_lock" in values:
        # What the allocator counts or what the kernel does: what is mapped is no allocation.
        values["larger_bytes_per_lock"] = max(
            values["bytes_per_lock"], values.get("resident_bytes_per_lock", 0))
    return values


def read(path):
    run, failures, raw, ops = {}, [], {}, {}
    for text in path.read_text().splitlines():
        line = json.loads(text)
        if "run" in line:
            run |= line["run"]
        elif "end" in line:
            run |= line["end"]
        elif "failure" in line:
            failures.append(line)
        else:
            key = (line["system"], line["case"], line["variant"])
            raw.setdefault(key, {})[line["repetition"]] = flatten(line)
            ops.setdefault(key, []).append(line["ops"])
    figures = []
    for key, repetitions in raw.items():
        names = dict.fromkeys(name for values in repetitions.values() for name in values)
        values = {}
        for name in names:
            all_of = [values_of[name] for values_of in repetitions.values() if name in values_of]
            values[name] = Spread(statistics.median(all_of), min(all_of), max(all_of))
        figures.append(Figure(*key, values, int(statistics.median(ops[key]))))
    return Results(run, figures, failures, raw)


# --- For people ----------------------------------------------------------------------


def show_number(value):
    """Three digits, or all before the point."""
    if value == 0:
        return "0"
    if abs(value) >= 999.5:
        return f"{value:,.0f}"
    return f"{value:.0f}" if abs(value) >= 99.5 else f"{value:.3g}"


def unit_of(value, units):
    """The largest unit of which there is one, rounded as it will be shown."""
    for unit, size in units:
        if abs(value) >= 0.9995 * size:
            return unit, size
    return units[-1]


TIMES = (("s", 1e9), ("ms", 1e6), ("us", 1e3), ("ns", 1))
BYTES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3), ("B", 1))


def show_time(nanoseconds):
    unit, size = unit_of(nanoseconds, TIMES)
    return f"{show_number(nanoseconds / size)} {unit}"


def show_bytes(count):
    unit, size = unit_of(count, BYTES)
    return f"{show_number(count / size)} {unit}"


def show_spread(spread):
    """A time with its least and most: "41.2 us (40.1-44.7)"."""
    if spread is None:
        return ""
    unit, size = unit_of(spread.median, TIMES)
    return (f"{show_number(spread.median / size)} {unit} "
            f"({show_number(spread.least / size)}-{show_number(spread.most / size)})")
