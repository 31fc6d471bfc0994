"""Writes RESULTS.md."""

import figures
import targets
from figures import FLOOR, NAMES, NEPHRITE, show_bytes, show_number, show_spread, show_time

FLOOR_OF = {  # The floor of a case that has one, and its variant: None is the case's own.
    "uncontended_1k": ("cas_pair_1k", ""),
    "uncontended_1m_cold": ("hash_mutex_1m_cold", "insert + erase"),
    "handover": ("handover", None),
    "remote": ("echo", None),
}


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def verdict(row):
    if row.met() is None:
        return row.why
    return "yes" if row.met() else "**no**"


def compared_by(figure):
    """Bytes, or latency where single operations were timed, else the time each."""
    if figure.case == "memory_held_1m":
        return figure.median("larger_bytes_per_lock")
    for name in ("batch_p50_ns", "p50_ns"):
        if figure.get(name) and figure.case in ("remote", "echo", "deadlock", "join_queue",
                                                "vector_1000", "timers_1m"):
            return figure.median(name)
    return figure.median("wall_ns")


def ratio_to(figure, other):
    if other is None or other is figure or not compared_by(other):
        return ""
    return targets.times(compared_by(figure) / compared_by(other))


def ours_beside(results, figure):
    variant = "lock manager" if figure.case == "memory_held_1m" else figure.variant
    return results.find(NEPHRITE, figure.case, variant)


def floor_of(results, figure):
    if figure.case not in FLOOR_OF or figure.system == FLOOR:
        return None
    case, variant = FLOOR_OF[figure.case]
    return results.find(FLOOR, case, figure.variant if variant is None else variant)


def show_extra(name, spread):
    value = spread.median
    if name.endswith("_ns"):
        return f"{name[:-3]} {show_time(value)}"
    if "bytes" in name:
        return f"{name} {show_bytes(value)}"
    return f"{name} {show_number(value)}"


def figure_row(results, figure):
    shown = {"wall_ns", "cpu_ns", "p50_ns", "p99_ns", "batch_p50_ns", "batch_p99_ns"}
    batch = figure.get("batch_p50_ns") is not None
    tails = [figure.get(("batch_" if batch else "") + name) for name in ("p50_ns", "p99_ns")]
    extra = [show_extra(name, spread) for name, spread in figure.values.items()
             if name not in shown and not name.startswith("second_locker")]
    ours = ours_beside(results, figure)
    refused = (figure.case in figures.SCALING_CASES and figure.variant == "2 threads"
               and results.scaling_is_refused() and figure.system != FLOOR)
    return [NAMES.get(figure.system, figure.system), figure.variant,
            "refused" if refused else show_spread(figure.get("wall_ns")),
            "refused" if refused else show_time(figure.median("cpu_ns")),
            " / ".join(show_time(tail.median) for tail in tails if tail),
            "" if refused else ratio_to(figure, floor_of(results, figure)),
            "" if refused or figure.system == FLOOR else ratio_to(figure, ours),
            ", ".join(extra)]


def whole_table(results):
    parts = []
    for case in results.cases():
        of_case = [f for f in results.figures if f.case == case]
        variants = list(dict.fromkeys(f.variant for f in of_case))
        of_case.sort(key=lambda f: (variants.index(f.variant), f.system != FLOOR,
                                    f.system != NEPHRITE))
        what = [listed[case] for listed in results.run["cases"].values() if case in listed]
        parts.append(f"### {case}\n\n" + "; ".join(dict.fromkeys(what)) + ".\n")
        head = ["system", "of", "time each", "CPU each", "p50 / p99", "x floor", "x Nephrite",
                "also"]
        rows = [figure_row(results, figure) for figure in of_case]
        keep = [i for i in range(len(head)) if i < 1 or any(row[i] for row in rows)]
        parts.append(table([head[i] for i in keep], [[row[i] for i in keep] for row in rows]))
        parts.append("")
    return "\n".join(parts)


def machine_table(run):
    versions = ", ".join(f"{name} {version}" for name, version in run["packages"].items())
    loads = [" ".join(str(value) for value in run.get(name, ["?"]))
             for name in ("load_before", "load_after")]
    return table(["", ""], [
        ["taken", f"{run['date']}, commit {run['commit']}"],
        ["machine", f"{run['cores']} x {run['cpu']}, {run['memory']}; virtual: {run['virtual']}; "
                    f"disk: {run['disk']}"],
        ["system", f"{run['system']}, Linux {run['kernel']}, {run['compiler']}"],
        ["packages", versions],
        ["load before", loads[0]],
        ["load after", loads[1]],
        ["repetitions", str(run["repetitions"])],
    ])


def what_is_missing(results):
    lines = [f"- {name}: {why}" for name, why in results.run["missing"].items()]
    told = {}
    for failure in results.failures:
        key = (failure["driver"], failure["case"], failure["failure"])
        told[key] = told.get(key, 0) + 1
    for (driver, case, why), times in told.items():
        lines.append(f"- {driver} {case}, {times} of {results.run['repetitions']}: {why}")
    if results.run["busy"]:
        lines.append("- a quiet machine: it was busy when this began; the figures are only rough")
    if results.scaling_is_refused():
        control = results.control()
        lines.append("- scaling: refused, because two threads that share nothing "
                     + ("were not measured" if control is None
                        else f"only got {targets.times(control)} of one thread's throughput here "
                             f"(it takes {figures.CONTROL_SCALES} x)"))
    return "\n".join(lines or ["Nothing."])


def counts(rows):
    met = sum(row.met() is True for row in rows)
    failed = sum(row.met() is False for row in rows)
    return f"{met} met, {failed} not met, {len(rows) - met - failed} without a figure"


def write(results):
    rows = targets.rows(results)
    target_rows = [[str(row.number), row.what, row.target, row.measured, row.against, row.ratio,
                    verdict(row)] for row in rows]
    head = ["", "what", "target", "measured", "against", "ratio", "met"]
    return f"""# Results of bench/run

Written by `bench/run`, never by hand. ![at a glance](results.svg)

{machine_table(results.run)}

## Targets

Medians of all repetitions; ratios within this run. {counts(rows)}.

{table(head, target_rows)}

## Missing

{what_is_missing(results)}

## Every figure

Time and CPU of one operation: median (least-most) over the repetitions. CPU is that of the
measuring program, and `server_cpu` that of the server. p50 and p99 are of single operations where
these can be timed, of batches of 100 where they are too short for a clock, of 16 operations where
they are pipelined. Ratios compare p50 for what is timed singly, bytes for memory, else the time
each: "x floor" to what the machine itself takes for the same; "x Nephrite" above 1 means worse than
Nephrite.

{whole_table(results)}"""


def summary(results):
    rows = [row for row in targets.rows(results)
            if results.run["whole"] or row.why != "not measured"]
    lines = [f"  {row.number:>2}  {row.what:<58} {row.target:<34} "
             f"{row.measured:>9} {row.ratio:>12}  {verdict(row).strip('*')}" for row in rows]
    return "\n".join(lines) + f"\n\n{counts(rows)}."
