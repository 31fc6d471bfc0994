"""What is written beside the figures: where and when they were taken."""

import datetime
import os
import pathlib
import platform
import subprocess
import time

PACKAGES = ["libboost1.81-dev", "librocksdb-dev", "libdb5.3-dev", "postgresql-15", "redis-server",
            "etcd-server"]


def output_of(*command, folder=None):
    try:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def load():
    return [round(value, 2) for value in os.getloadavg()]


def is_busy(loads):
    return loads[0] > 0.25 * os.cpu_count()


def wait_until_quiet(longest):
    """What was just built still counts in the load; others may be at work. False: it stays busy."""
    until = time.monotonic() + longest
    while is_busy(load()) and time.monotonic() < until:
        time.sleep(2)
    return not is_busy(load())


def cpu():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def memory():
    kilobytes = int(pathlib.Path("/proc/meminfo").read_text().split()[1])
    return f"{kilobytes / (1 << 20):.0f} GiB"


def commit(root):
    name = output_of("git", "rev-parse", "--short=12", "HEAD", folder=root) or "no git"
    return name + (" with changes" if output_of("git", "status", "--porcelain", "-uno",
                                                folder=root) else "")


def release():
    for line in pathlib.Path("/etc/os-release").read_text().splitlines():
        if line.startswith("PRETTY_NAME="):
            return line.split("=", 1)[1].strip('"')
    return ""


def file_system(folder):
    return output_of("findmnt", "-n", "-o", "FSTYPE", "-T", str(folder)) or "?"


def describe(root):
    versions = {}
    for package in PACKAGES:
        version = output_of("dpkg-query", "-W", "-f", "${Version}", package)
        versions[package] = version or "not installed"
    return {
        "date": datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d %H:%M UTC"),
        "commit": commit(root),
        "cpu": cpu(),
        "cores": os.cpu_count(),
        "virtual": output_of("systemd-detect-virt") or "none",
        "memory": memory(),
        "kernel": platform.release(),
        "system": release(),
        "compiler": output_of("g++", "--version").splitlines()[0],
        "disk": file_system(os.environ.get("TMPDIR", "/var/tmp")),
        "packages": versions,
    }
