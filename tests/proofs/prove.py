#!/usr/bin/env python3
"""prove.py [--sources FOLDER] [--functions A,B] [FILE...]: proves the contracts with Frama-C's WP.

Prints each function with its goals, and each goal that is open. Those that open.txt names, with the reason, do
not count as failed. Without files it also runs programs.sh. Ends with `N passed, N failed`, where a function or
a program is one test. What it means is in docs/proofs.md. Needs Debian's frama-c-base, why3, z3, cvc4 and g++.
"""
import argparse
import concurrent.futures
import os
import pathlib
import re
import resource
import subprocess
import sys
import time

from annotate import functions_of, mask

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HEADERS = ["str.h", "sha1.h", "json.h", "http.h"]
SOURCES = ["str.c", "sha1.c", "json.c", "http.c"]
FLAGS = {"sha1.c": "-DUNSIGNED_BYTES"}
WP = """-no-frama-c-stdlib -machdep gcc_x86_64 -kernel-warn-key annot-error=abort -wp -wp-rte -wp-literals
    -wp-no-volatile -rte-no-pointer-call -wp-prover cvc4,z3 -wp-par 1 -wp-timeout 300""".split()


# Why3 must know the provers. Each may take a number of steps, not of seconds, so that a slow machine proves
# the same goals as a fast one. Few proofs take a tenth of them.
PROVERS = """[main]
magic = 14
memlimit = 2000
[prover]
name = "CVC4"
version = ""
driver = "cvc4_17"
command = "cvc4 --stats --rlimit=250000 --lang=smt2 %f"
editor = ""
shortcut = "cvc4"
[prover]
name = "Z3"
version = ""
driver = "z3_471"
command = "z3 -smt2 sat.random_seed=42 nlsat.randomize=false smt.random_seed=42 -st rlimit=2000000 %f"
editor = ""
shortcut = "z3"
"""


def annotate(sources, build, file):
    headers = [str(sources / name) for name in HEADERS if (HERE / f"{name}.acsl").exists()]
    command = [sys.executable, HERE / "annotate.py", build, *headers, sources / file]
    if subprocess.run(command).returncode != 0:
        sys.exit("0 passed, 1 failed")


def check_literals(source):
    """The contracts assume that these functions are called with literals of these lengths only."""
    lengths = {"expect": (1, 2, 6), "skip_literal": (4, 5)}
    for name, argument in re.findall(r"\b(expect|skip_literal)\(\w+, (.*?)\);", source.read_text()):
        literal = re.fullmatch(r'"((?:[^"\\]|\\.)*)"', argument)
        if not literal or len(re.sub(r"\\.", "x", literal[1])) not in lengths[name]:
            sys.exit(f"{source.name}: {name}({argument})\n0 passed, 1 failed")


def names_in(build, file):
    """{name: its length} of the functions that a file defines; the inline ones of str.h belong to str.c."""
    names = {}
    for name in [file, "str.h"] if file == "str.c" else [file]:
        for function, (start, end, is_defined) in functions_of(mask((build / name).read_text())).items():
            if is_defined:
                names[function] = end - start
    return names


def run_wp(build, file, functions):
    """Returns the goals: (function, the rest of the name, whether it is proved)."""
    skipped = re.search(r"^=== unproved\n(.*)", (HERE / f"{file}.acsl").read_text(), re.M)
    names = names_in(build, file)
    wanted = functions.split(",") if functions else set(names) - set(skipped[1].split() if skipped else [])
    (build / f"{file}.log").unlink(missing_ok=True)
    # About four functions at a time, because Frama-C keeps the goals in memory; long and short ones mixed, for
    # two processes at once.
    wanted = sorted(wanted, key=lambda name: (-names[name], name))
    count = (len(wanted) + 3) // 4
    groups = [wanted[i::count] for i in range(count)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        results = pool.map(lambda group: run_group(build, file, group, names, functions), groups)
        return [goal for goals in results for goal in goals]


def run_group(build, file, group, names, formulas):
    includes = f"-I{HERE}/include -I/usr/share/frama-c/libc {FLAGS.get(file, '')}"
    cache = ["-wp-cache", "update", "-wp-cache-dir", str(ROOT / "build/proofs/cache")]
    command = ["frama-c", *WP, *cache, "-wp-fct", ",".join(group), f"-cpp-extra-args={includes}", file]
    if formulas:
        command.append("-wp-print")
    environment = {**os.environ, "WHY3CONFIG": str(build / "why3.conf"),
                   "PWD": str(build)}  # Frama-C looks here for its folder
    done = subprocess.run(command, cwd=build, env=environment, capture_output=True, text=True)
    with open(build / f"{file}.log", "a") as log:
        log.write(done.stdout + done.stderr)
    total = re.search(r"Proved goals: +(\d+) / (\d+)", done.stdout)
    if done.returncode != 0 or not total:
        print(done.stdout[-2000:] + done.stderr[-2000:])
        sys.exit("0 passed, 1 failed")
    goals = []
    for line in re.findall(r"^\[wp\] \[.*\] Goal (.*)$", done.stdout, re.M):
        goal = line.split()[0].removeprefix("typed_")
        function = max((name for name in names if goal.startswith(name + "_")), key=len)
        goals.append((function, goal[len(function) + 1:], " : Valid" in line))
    if sum(goal[2] for goal in goals) != int(total[1]) or len(goals) != int(total[2]):
        raise SystemExit(f"{file}: {len(goals)} goals, but Frama-C says {total[0]}\n0 passed, 1 failed")
    return goals


def known_open():
    """The names of the goals that may be open."""
    lines = (HERE / "open.txt").read_text().splitlines()
    return {line.split(":")[0] for line in lines if line and not line.startswith("#")}


def table_of(file, goals):
    """Prints the functions of a file. Returns the names of the open goals, and the functions that fail."""
    known, opened, failed = known_open(), set(), set()
    print(f"\n{file:28}{'goals':>7}{'proved':>8}{'open':>6}")
    for function in dict.fromkeys(goal[0] for goal in goals):
        states = [goal[2] for goal in goals if goal[0] == function]
        print(f"  {function:26}{len(states):7}{sum(states):8}{len(states) - sum(states):6}")
    for function, rest, is_proved in goals:
        name = f"{function}_{rest}"
        if is_proved:
            continue
        opened.add(name)
        print(f"  {'known to be open' if name in known else 'OPEN'}: {name}", flush=True)
        if name not in known:
            failed.add(function)
    return opened, failed


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sources", type=pathlib.Path, default=ROOT)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/proofs")
    parser.add_argument("--functions", help="only these, with the formulas in the log")
    parser.add_argument("files", nargs="*", default=SOURCES)
    args = parser.parse_args()
    args.build = args.build.resolve()
    args.build.mkdir(parents=True, exist_ok=True)
    (args.build / "why3.conf").write_text(PROVERS)
    goals = 0
    opened, failed, seen, start = set(), set(), set(), time.monotonic()
    for file in args.files:
        check_literals(args.sources / file)
        annotate(args.sources.resolve(), args.build, file)
        found = run_wp(args.build, file, args.functions)
        seen |= {goal[0] for goal in found}
        names, bad = table_of(file, found)
        goals += len(found)
        opened |= names
        failed |= bad
    is_whole = args.files == SOURCES and not args.functions
    for name in known_open() - opened if is_whole else ():
        print(f"  PROVED: {name}, which open.txt lists")
        failed.add(name)
        seen.add(name)
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(f"\n{goals} goals in {len(seen)} functions, {len(opened)} open, {time.monotonic() - start:.0f} s "
          f"({usage.ru_utime:.0f} s of a processor), largest process {usage.ru_maxrss // 1024} MB", flush=True)
    others_passed, others_failed = run_programs() if is_whole else (0, 0)
    bad = len(failed) + others_failed
    print(f"{len(seen) - len(failed) + others_passed} passed, {bad} failed")
    sys.exit(1 if bad else 0)


def run_programs():
    """Runs the proofs that need no prover. Returns how many passed and failed."""
    done = subprocess.run(["sh", HERE / "programs.sh"], stdout=subprocess.PIPE, text=True)
    *lines, last = done.stdout.splitlines()
    print("\n".join(lines))
    return [int(number) for number in re.findall(r"\d+", last)]


main()
