#!/usr/bin/env python3
"""prove.py [--sources FOLDER] [--functions A,B] [FILE...]: proves the contracts with Frama-C's WP.

Prints each function with its goals, and each goal that is open. Those that open.txt names, with the reason, do
not count as failed. Ends with `N passed, N failed`, where a function is one test. What it means is in
docs/proofs.md. Needs Debian's frama-c-base, why3, z3 and cvc4.
"""
import argparse
import os
import pathlib
import re
import resource
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
HEADERS = ["str.h", "sha1.h", "json.h", "http.h"]
SOURCES = ["str.c", "sha1.c", "json.c", "http.c"]
FLAGS = {"sha1.c": "-DUNSIGNED_BYTES"}
WP = """-no-frama-c-stdlib -machdep gcc_x86_64 -kernel-warn-key annot-error=abort -wp -wp-rte -wp-literals
    -wp-no-volatile -rte-no-pointer-call -wp-prover z3,cvc4 -wp-timeout 20 -wp-par 2""".split()


def find_provers(build):
    """Why3 must know the provers. Its configuration stays below build/."""
    os.environ["WHY3CONFIG"] = str(build / "why3.conf")
    if not (build / "why3.conf").exists():
        subprocess.run(["why3", "config", "detect"], capture_output=True, check=True)


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


def run_wp(build, file, functions):
    """Returns the properties: (function, kind, is_proved, text)."""
    report = build / f"{file}.csv"
    report.unlink(missing_ok=True)
    includes = f"-I{HERE}/include -I/usr/share/frama-c/libc {FLAGS.get(file, '')}"
    cache = ["-wp-cache", "update", "-wp-cache-dir", str(ROOT / "build/proofs/cache")]
    skipped = re.search(r"^=== unproved\n(.*)", (HERE / f"{file}.acsl").read_text(), re.M)
    skip = ["-wp-skip-fct", ",".join(skipped[1].split())] if skipped else []
    skip += ["-wp-fct", functions] if functions else []
    command = ["frama-c", *WP, *cache, *skip, f"-cpp-extra-args={includes}", file,
               "-then", "-no-wp", "-report-csv", report.name]
    environment = {**os.environ, "PWD": str(build)}  # Frama-C looks here for its folder
    done = subprocess.run(command, cwd=build, env=environment, capture_output=True, text=True)
    (build / f"{file}.log").write_text(done.stdout + done.stderr)
    if done.returncode != 0 or not report.exists():
        print(done.stdout[-2000:] + done.stderr[-2000:])
        sys.exit("0 passed, 1 failed")
    properties = []
    for line in report.read_text().splitlines()[1:]:
        columns = line.split("\t")
        if len(columns) < 7 or columns[0] != ".":
            continue  # a line of a longer property, or the C library's contract
        _, _, _, function, kind, status, text = columns[:7]
        if status != "Considered valid":
            properties.append((function, kind, status in ("Valid", "Partially proven"), text))
    return properties


def known_open():
    """{(function, kind and the beginning of the property)}: the goals that may be open."""
    lines = (HERE / "open.txt").read_text().splitlines()
    return [tuple(line.split("|")[:3]) for line in lines if line and not line.startswith("#")]


def table_of(file, properties):
    """Prints the functions of a file. Returns the open goals and those that open.txt does not know."""
    known, opened, unknown = known_open(), [], []
    print(f"\n{file:28}{'goals':>7}{'proved':>8}{'open':>6}")
    for function in dict.fromkeys(p[0] for p in properties):
        goals = [p for p in properties if p[0] == function]
        bad = [p for p in goals if not p[2]]
        opened += bad
        print(f"  {function:26}{len(goals):7}{len(goals) - len(bad):8}{len(bad):6}")
    for function, kind, _, text in opened:
        is_known = any((function, kind) == k[:2] and text.startswith(k[2]) for k in known)
        print(f"  {'known to be open' if is_known else 'OPEN'}: {function}: {kind}: {text}")
        if not is_known:
            unknown.append(function)
    return len(opened), unknown


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--sources", type=pathlib.Path, default=ROOT)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build/proofs")
    parser.add_argument("--functions", help="only these")
    parser.add_argument("files", nargs="*", default=SOURCES)
    args = parser.parse_args()
    args.build.mkdir(parents=True, exist_ok=True)
    find_provers(args.build)
    functions = goals = opened = 0
    failed, start = set(), time.monotonic()
    seen = set()
    for file in args.files:
        check_literals(args.sources / file)
        annotate(args.sources.resolve(), args.build, file)
        # The inline functions of a header belong to the first file that includes it.
        properties = [p for p in run_wp(args.build, file, args.functions) if p[0] not in seen]
        seen |= {p[0] for p in properties}
        count, unknown = table_of(file, properties)
        functions += len({p[0] for p in properties})
        goals += len(properties)
        opened += count
        failed |= set(unknown)
    memory = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    print(f"\n{goals} goals in {functions} functions, {opened} open, {time.monotonic() - start:.0f} s, "
          f"largest process {memory} MB")
    print(f"{functions - len(failed)} passed, {len(failed)} failed")
    sys.exit(1 if failed else 0)


main()
