"""The targets, and whether they were met."""

import dataclasses

from figures import FLOOR, NEPHRITE, show_bytes, show_time

CONNECTIONS = ["1 connection", "8 connections", "64 connections"]


@dataclasses.dataclass
class Row:
    """`value` is compared with `bound`. Without a value, `why` says what is missing."""
    number: int
    what: str
    target: str
    measured: str = ""
    against: str = ""
    ratio: str = ""
    value: float = None
    bound: float = 0
    at_least: bool = False
    why: str = ""

    def met(self):
        if self.value is None:
            return None
        return self.value >= self.bound if self.at_least else self.value <= self.bound


def times(value):
    return f"{value:.2f} x" if value < 10 else f"{value:.0f} x"


def ratio_row(number, what, target, ours, theirs, name, bound, show=show_time):
    """`ours` is to be at most `bound` times `theirs`."""
    row = Row(number, what, target, bound=bound)
    if ours is None:
        return dataclasses.replace(row, why="not measured")
    row.measured = show(ours)
    if not theirs:
        return dataclasses.replace(row, why=f"nothing to hold it against: {name}")
    row.against = f"{name}: {show(theirs)}"
    row.value = ours / theirs
    row.ratio = times(row.value)
    return row


def faster_row(number, what, target, ours, theirs, name, bound, show=show_time):
    """`theirs` is to be at least `bound` times `ours`."""
    row = ratio_row(number, what, target, ours, theirs, name, bound, show)
    if row.value is not None:
        row.value = theirs / ours
        row.ratio = times(row.value)
    row.at_least = True
    return row


def plain_row(number, what, target, value, bound, show):
    row = Row(number, what, target, value=value, bound=bound)
    if value is None:
        row.why = "not measured"
    else:
        row.measured = show(value)
    return row


def count(value):
    return f"{value:.3g}"


def uncontended(results):
    ours = results.median("wall_ns", NEPHRITE, "uncontended_1k")
    yield ratio_row(1, "lock + unlock, 1,000 objects", "<= 3 x a CAS pair", ours,
                    results.median("wall_ns", FLOOR, "cas_pair_1k"), "CAS pair", 3)
    yield faster_row(1, "the same beside Berkeley DB", ">= 3 x faster", ours,
                     results.median("wall_ns", "berkeleydb", "uncontended_1k"), "Berkeley DB", 3)
    yield ratio_row(2, "lock + unlock, 1,000,000 cold objects", "<= 2 x a hash map and a mutex",
                    results.median("wall_ns", NEPHRITE, "uncontended_1m_cold"),
                    results.median("wall_ns", FLOOR, "hash_mutex_1m_cold", "insert + erase"),
                    "hash map + mutex", 2)
    yield plain_row(3, "asking again for a held lock", "<= 10 ns",
                    results.median("wall_ns", NEPHRITE, "reentrant"), 10, show_time)


def scaling(results):
    for case, what, bound in (("two_threads_distinct", "2 threads, objects of their own", 0.75),
                              ("two_threads_shared", "2 threads share one object", 0.6)):
        target = f">= {bound} of the control's speed-up"
        row = Row(4, what, target, bound=bound, at_least=True)
        ours, control = results.speed_up(NEPHRITE, case), results.control()
        if ours is None or control is None:
            row.why = "not measured"
        elif results.scaling_is_refused():
            row.why = f"refused: two threads that share nothing only got {times(control)} here"
        else:
            row.measured, row.against = times(ours), f"control: {times(control)}"
            row.value = ours / control
            row.ratio = f"{row.value:.2f}"
        yield row


def handover(results):
    for variant in results.variants(NEPHRITE, "handover"):
        yield plain_row(5, f"wakes a grant, {variant}", "1 (<= 1.05)",
                        results.median("wakes_per_grant", NEPHRITE, "handover", variant), 1.05,
                        count)
    yield ratio_row(5, "CPU a grant, 128 waiters to 8", "<= 1.3",
                    results.median("cpu_ns", NEPHRITE, "handover", "128 waiters"),
                    results.median("cpu_ns", NEPHRITE, "handover", "8 waiters"), "8 waiters", 1.3)


def remote(results):
    variants = [f"{many}, {kind}{style}" for kind in ("tcp", "unix") for many in CONNECTIONS
                for style in ("", ", pipelined 16")]
    alike = [f"{variant}, two cores" for variant in variants]
    alike += ["1 connection, tcp, one core", "1 connection, unix, one core"]
    for variant in alike:
        name = "batch_p50_ns" if "pipelined" in variant else "p50_ns"
        yield ratio_row(6, f"remote lock + unlock, p50, {variant}", "<= 1.3 x bare echo",
                        results.median(name, NEPHRITE, "remote", variant),
                        results.median(name, FLOOR, "echo", variant), "echo", 1.3)
    for variant in variants:
        yield ratio_row(6, f"server CPU an operation, {variant}", "< Redis, SET NX + DEL",
                        results.median("server_cpu_ns", NEPHRITE, "remote", variant),
                        results.median("server_cpu_ns", "redis", "remote", variant), "Redis", 1)
    for kind in ("tcp", "unix"):
        ours = results.median("p50_ns", NEPHRITE, "vector_1000", f"1 connection, {kind}")
        echo = results.median("p50_ns", FLOOR, "echo", f"1 connection, {kind}, two cores")
        row = Row(7, f"1,000 locks in one request, {kind}", "<= echo + 100 us", bound=100e3)
        if ours is None or echo is None:
            row.why = "not measured"
        else:
            row.measured, row.against = show_time(ours), f"echo: {show_time(echo)}"
            row.value = ours - echo
            row.ratio = f"+ {show_time(row.value)}"
        yield row


def memory(results):
    for variant in results.variants(NEPHRITE, "memory_held_1m"):
        figure = results.find(NEPHRITE, "memory_held_1m", variant)
        held = max(figure.median("bytes_per_lock"), figure.median("resident_bytes_per_lock"))
        yield plain_row(8, f"a held lock of 1,000,000, {variant}", "<= 64 B", held, 64, show_bytes)
        yield plain_row(8, f"an object unlocked again, {variant}", "0 (< 1 B)",
                        figure.median("bytes_after_release") / figure.ops, 1, show_bytes)
    for variant in results.variants(NEPHRITE, "memory_waiters_1m"):
        figure = results.find(NEPHRITE, "memory_waiters_1m", variant)
        each = max(figure.median("bytes_per_waiter"), figure.median("resident_bytes_per_waiter"))
        what = f"a waiter of {figure.ops:,}, {variant}"
        row = plain_row(8, what, "<= 128 B", each, 128, show_bytes)
        if figure.ops < 1_000_000:
            row.value, row.why = None, "not a million: they could not queue in time"
        yield row


def waiting(results):
    for variant, bound in (("2 parties", 10e3), ("10 parties", 30e3), ("1000 parties", 500e3),
                           ("2 parties, runtime", 10e3), ("10 parties, runtime", 30e3)):
        yield plain_row(9, f"deadlock of {variant}, p50", f"<= {show_time(bound)}",
                        results.median("p50_ns", NEPHRITE, "deadlock", variant), bound, show_time)
    yield ratio_row(9, "joining a queue of 100,000", "<= 2 x a queue of 10",
                    results.median("p50_ns", NEPHRITE, "join_queue", "100000 waiting"),
                    results.median("p50_ns", NEPHRITE, "join_queue", "10 waiting"), "10 waiting",
                    2)
    yield plain_row(10, "a session with 100,000 locks dies", "<= 20 ms",
                    results.median("wall_ns", NEPHRITE, "session_death"), 20e6, show_time)
    yield ratio_row(10, "others' p99 meanwhile", "<= 2 x before",
                    results.median("others_p99_ns", NEPHRITE, "session_death"),
                    results.median("others_p99_before_ns", NEPHRITE, "session_death"), "before", 2)


def commits(results):
    yield ratio_row(11, "commit of 10 objects, sync off, p50", "<= 1.3 x RocksDB's batch",
                    results.median("p50_ns", NEPHRITE, "commit_10", "sync off"),
                    results.median("p50_ns", "rocksdb", "commit_10", "sync off"), "RocksDB", 1.3)
    variant = "sync on, 16 processes"
    yield faster_row(11, "time a commit, sync on, 16 processes",
                     ">= 0.9 x RocksDB's throughput",
                     results.median("wall_ns", NEPHRITE, "commit_10", variant),
                     results.median("wall_ns", "rocksdb", "commit_10", variant), "RocksDB", 0.9)
    early = results.find(NEPHRITE, "timers_1m")
    yield plain_row(12, "of 1,000,000 timeouts, early", "none",
                    None if early is None else early.get("early").most, 0, count)
    yield plain_row(12, "of 1,000,000 timeouts, late, p99", "<= 2 ms",
                    results.median("p99_ns", NEPHRITE, "timers_1m"), 2e6, show_time)


def sharing(results):
    yield ratio_row(13, "lock + unlock of an object at depth 3", "<= 2 x without a place",
                    results.median("wall_ns", NEPHRITE, "depth_3", "at depth 3"),
                    results.median("wall_ns", NEPHRITE, "depth_3", "no place"), "no place", 2)
    yield ratio_row(14, "lock + unlock of a resource by its name", "<= 3 x an object",
                    results.median("wall_ns", NEPHRITE, "resource_by_name", "name of 40 bytes"),
                    results.median("wall_ns", NEPHRITE, "resource_by_name", "object"), "object", 3)
    yield plain_row(15, "renewing one of 1,000,000 leases", "<= 1 us",
                    results.median("wall_ns", NEPHRITE, "leases_1m", "renewed"), 1e3, show_time)
    yield plain_row(15, "of 20,000 leases that end, late, p99", "<= 2 ms",
                    results.median("p99_ns", NEPHRITE, "lapses_20k"), 2e6, show_time)
    for variant in results.variants(NEPHRITE, "memory_held_1m"):
        yield plain_row(16, f"1,000,000 cold first locks, {variant}", "<= 250 ns each",
                        results.median("wall_ns", NEPHRITE, "memory_held_1m", variant), 250,
                        show_time)
        yield plain_row(16, f"the same, dropped, {variant}", "<= 100 ns each",
                        results.median("drop_ns", NEPHRITE, "memory_held_1m", variant), 100,
                        show_time)
    for variant in ("8 waiters", "32 waiters", "128 waiters"):
        yield ratio_row(17, f"hand-over with {variant}", "<= Berkeley DB",
                        results.median("wall_ns", NEPHRITE, "handover", variant),
                        results.median("wall_ns", "berkeleydb", "handover", variant),
                        "Berkeley DB", 1)


def rows(results):
    parts = (uncontended, scaling, handover, remote, memory, waiting, commits, sharing)
    return [row for part in parts for row in part(results)]
