"""Runs the drivers in turns: repetition by repetition, case by case, system by system."""

import json
import os
import signal
import subprocess
import sys
import time

import machine

EXPECTED = ["floors", "nephrite", "peer_bdb", "peer_rocksdb", "peer_postgres", "peer_redis",
            "peer_etcd"]
# A floor and what stands on it one after the other, so that they see the same machine.
ORDER = ["clock_now", "cas_pair_1k", "mutex_pair_1k", "hash_mutex_1k", "uncontended_1k",
         "hash_mutex_1m_cold", "uncontended_1m_cold", "reentrant", "scaling_control",
         "two_threads_distinct", "two_threads_shared", "handover", "echo", "remote",
         "vector_1000", "memory_held_1m", "memory_waiters_1m", "deadlock", "join_queue",
         "session_death", "fsync", "commit_10", "timers_1m"]
LONGEST = 180  # Seconds that one repetition of one case may take.
FIRST_GUESS = 3  # ... and takes, as long as nobody knows.


def cases_of(program):
    listed = subprocess.run([program, "--list"], capture_output=True, text=True, timeout=30,
                            check=True).stdout
    return dict(line.split("\t", 1) for line in listed.splitlines() if "\t" in line)


def ended(process):
    """Asks a driver to end (it stops its servers then), and insists after ten seconds."""
    process.terminate()
    try:
        process.communicate(timeout=10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def run(program, case):
    """The figures of one repetition, and why it failed if it did."""
    try:
        process = subprocess.Popen([program, case], stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True)
    except OSError as error:
        return [], f"cannot be started: {error.strerror}"
    try:
        out, err = process.communicate(timeout=LONGEST)
    except subprocess.TimeoutExpired:
        ended(process)
        return [], f"not done after {LONGEST} s"
    except BaseException:
        ended(process)
        raise
    printed = []
    for line in out.splitlines():
        try:
            printed.append(json.loads(line))
        except ValueError:
            return printed, f"printed what is no JSON: {line[:100]}"
    if process.returncode == 0:
        return printed, None
    said = err.strip().splitlines()
    if process.returncode < 0:
        return printed, f"killed by {signal.Signals(-process.returncode).name}"
    if not said:
        return printed, "failed and did not say why"
    return printed, said[-1].removeprefix(f"{program} {case}: ")


def show_time(seconds):
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def measure(root, build, raw, repetitions, wanted_case, wanted_system, whole):
    programs, missing = {}, {}
    for name in EXPECTED:
        if not wanted_system.search(name):
            continue
        program = build / f"bench_{name}"
        if os.access(program, os.X_OK):
            programs[name] = str(program)
        else:
            missing[name] = "not built: its library or package is not here"
    cases = {name: cases_of(program) for name, program in programs.items()}
    listed = dict.fromkeys(case for of_driver in cases.values() for case in of_driver)
    order = [case for case in ORDER if case in listed]
    order += [case for case in listed if case not in ORDER]
    order = [case for case in order if wanted_case.search(case)]
    turns = [(name, case) for case in order for name in programs if case in cases[name]]
    if not turns:
        sys.exit("No driver has such a case. bench/run --help says how to list them.")

    for name, why in missing.items():
        print(f"    {name} is missing: {why}")
    if whole and machine.is_busy(machine.load()):
        print(f"    load {machine.load()[0]}: waiting up to three minutes for a quiet machine")
        if not machine.wait_until_quiet(180):
            print(f"    load {machine.load()[0]}: the machine is busy; what follows is only rough")
    about = machine.describe(root)
    about |= {"repetitions": repetitions, "whole": whole, "missing": missing, "cases": cases,
              "load_before": machine.load(), "busy": machine.is_busy(machine.load())}
    taken, gone = {}, set()
    with raw.with_suffix(".part").open("w") as file:
        file.write(json.dumps({"run": about}) + "\n")
        for repetition in range(repetitions):
            for at, turn in enumerate(turns):
                if turn in gone:
                    continue
                left = sum(taken.get(other, FIRST_GUESS) for other in turns[at:]
                           if other not in gone)
                left += (repetitions - repetition - 1) * sum(
                    taken.get(other, FIRST_GUESS) for other in turns if other not in gone)
                name, case = turn
                print(f"    {repetition + 1}/{repetitions}  {case:<22}{name:<15}"
                      f"{show_time(left):>7} left", flush=True)
                began = time.monotonic()
                printed, failure = run(programs[name], case)
                taken[turn] = time.monotonic() - began
                for figure in printed:
                    figure |= {"driver": name, "repetition": repetition}
                    file.write(json.dumps(figure) + "\n")
                if failure:
                    print(f"        {failure}", flush=True)
                    file.write(json.dumps({"failure": failure, "driver": name, "case": case,
                                           "repetition": repetition}) + "\n")
                    if taken[turn] > 20:
                        gone.add(turn)  # It would fail as slowly again.
                file.flush()
        file.write(json.dumps({"end": {"load_after": machine.load()}}) + "\n")
    raw.with_suffix(".part").rename(raw)
