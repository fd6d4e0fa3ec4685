#!/usr/bin/env python3
"""mutate.py - changes the sources in one place at a time, and checks that the tests notice.

    python3 tests/mutate/mutate.py              200 mutants, chosen by a hash
    python3 tests/mutate/mutate.py -n 0         all of them: hours
    python3 tests/mutate/mutate.py -r db.c -n 0 those of one source; or of str.h, which all include
    python3 tests/mutate/mutate.py -s 7         another choice

A mutant is a source in which one operator, constant or condition was changed. It is compiled into the
test programs, and is killed by the first one that fails, crashes or does not end in time. A mutant that
compiles to the same code as the original does not count. Those that survive are listed at the end, in
the form that they would have in the file `equivalent`. A mutant that is in that file, with a reason, is
not tried.

The exit status is 1 if less than 95 % are killed. Needs only the sources and cc; all files go to
build/mutants.
"""
import argparse
import concurrent.futures
import contextlib
import hashlib
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
WORK = TOP / "build" / "mutants"
MODULES = ["app.c", "server.c", "listen.c", "log.c", "route.c", "http.c", "json.c", "db.c", "sha1.c",
           "str.c"]  # fmt: skip
SHARED = "str.h"  # it is compiled into every module
SOURCES = [*MODULES, SHARED]
CC = [os.environ.get("CC", "cc"), "-std=c99", "-O1", "-w", "-I", str(TOP)]
SHORT = "-DSERVER_SECOND=50000000LL"  # as in the Makefile
LONG = "-DSERVER_SECOND=200000000LL"  # as in tests/fault/run.sh
SANITIZE = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
GOAL = 95  # of 100
GROUPS = set()  # process groups of the test programs that are running

# What replaces an operator. In these sources, operators stand between blanks.
OPERATORS = {
    "==": ["!="], "!=": ["=="], "<": ["<=", ">="], "<=": ["<", ">"], ">": [">=", "<="],
    ">=": [">", "<"], "&&": ["||"], "||": ["&&"], "+": ["-"], "-": ["+"], "*": ["+"], "/": ["*"],
    "%": ["/"], "&": ["|"], "|": ["&"], "^": ["|"], "<<": [">>"], ">>": ["<<"], "+=": ["-="],
    "-=": ["+="], "|=": ["&="], "&=": ["|="],
}  # fmt: skip

CODE = re.compile(
    r"""(?P<skip>/\*.*?\*/ | ^[ ]*\#(?:[^\n]*\\\n)*[^\n]* | "(?:\\.|[^"\\])*" )
      | (?P<char>'(?:\\.|[^'\\])+')
      | (?<=\s)(?P<operator>[=!<>]=|&&|\|\||<<|>>|[-+|&]=|[-+*/%&|^<>])(?=\s)
      | (?P<step>\+\+|--)
      | (?P<not>!)(?=[\w(])
      | (?P<truth>\b(?:true|false)\b)
      | (?P<number>\b(?:0x[0-9a-fA-F]+|\d+)(?:[uU]?[lL]*)\b)
      | (?P<condition>\b(?:if|while)\ \()""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)


class Mutant:
    """One change: text[start:end] of a source becomes `new`."""

    def __init__(self, source, text, start, end, new):
        self.source, self.line = source, text.count("\n", 0, start) + 1
        self.text = text[:start] + new + text[end:]
        functions = re.findall(r"^\w[^\n;]*?(\w+)\(", text[:start], re.MULTILINE)
        before = text[text.rfind("\n", 0, start) + 1 : start].lstrip()
        behind = text[end : text.find("\n", end)]
        self.what = f"{functions[-1] if functions else 'top'}: {before}[{text[start:end]} -> {new}]{behind}"

    def __str__(self):
        return f"{self.source} {self.what}"


def closing(text, at):
    """The position of the parenthesis that closes the one at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return i
    return at


def changes(text, found):
    """Yields the changes of the code that was found: (start, end, new)."""
    start, end, old = found.start(), found.end(), found.group()
    kind = found.lastgroup
    if kind == "operator":
        for new in OPERATORS[old]:
            yield start, end, new
    elif kind == "step":
        yield start, end, "--" if old == "++" else "++"
    elif kind == "not":
        yield start, end, ""
    elif kind == "truth":
        yield start, end, "false" if old == "true" else "true"
    elif kind == "number":
        digits = re.match(r"0x[0-9a-fA-F]+|\d+", old).group()
        value = int(digits, 0) if digits.startswith("0x") or digits == "0" else int(digits)
        yield start, end, str(value + 1)
        if value > 0:
            yield start, end, str(value - 1)
    elif kind == "char":
        yield start, end, f"({old} + 1)"
    elif kind == "condition":
        close = closing(text, end - 1)
        condition = text[end:close]
        if not re.search(r"[=!<>]=|&&|\|\||\s[<>]\s|^!", condition):  # otherwise other mutants negate it
            yield end - 1, close + 1, f"(!({condition}))"


def mutants_of(source):
    text = (TOP / source).read_text()
    for found in CODE.finditer(text):
        if found.lastgroup != "skip":
            for start, end, new in changes(text, found):
                yield Mutant(source, text, start, end, new)


def equivalents():
    """The mutants that are known to change nothing, as (source, what). A line that fits none is kept."""
    mutants = [(m.source, m.what) for source in SOURCES for m in mutants_of(source)]
    known = set()
    for line in (TOP / "tests/mutate/equivalent").read_text().splitlines():
        if line and line[0] != "#":
            source, part = line.split(" ", 1)
            fits = {m for m in mutants if source in (m[0], "*") and part in m[1]}
            known |= fits or {(source, part)}
    return known


# ---- Building and running ----


def run(command, cwd=None, env=None, seconds=60):
    """Whether a command succeeds."""
    try:
        return subprocess.run(
            command, cwd=cwd, env=env, timeout=seconds,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, stdin=subprocess.DEVNULL,
        ).returncode == 0  # fmt: skip
    except subprocess.TimeoutExpired:
        return False


def compile_source(source, output, *flags):
    return run([*CC, *flags, "-c", "-o", str(output), str(source)])


def kill_group(group):
    """Kills a test program and the servers that it has started."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def passes(command, folder, seconds):
    """Whether a test program succeeds. It is killed after the first check that fails."""
    env = dict(os.environ, SERVER=str(folder / "server"), TMPDIR=str(folder))
    child = subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    GROUPS.add(child.pid)
    timer = threading.Timer(seconds, kill_group, (child.pid,))
    timer.start()
    failed = any(b"FAIL" in line for line in child.stdout)
    timer.cancel()
    kill_group(child.pid)
    GROUPS.discard(child.pid)
    return not failed and child.wait() == 0


def on_fatal_signal(*_):
    """A mutant may never end by itself."""
    for group in list(GROUPS):
        kill_group(group)
    os._exit(1)


def modules_of(source):
    """The modules that a source is compiled into."""
    return MODULES if source == SHARED else [source]


def compile_modules(source, folder, sanitize=False):
    """Compiles the modules that a changed source in `folder` changes. Whether that succeeds."""
    flags = SANITIZE if sanitize else []
    return all(
        compile_source(folder / module, folder / object_name(module, sanitize), SHORT, *flags)
        for module in modules_of(source)
    )


def object_name(module, sanitize):
    return ("sanitize_" if sanitize else "") + module.replace(".c", ".o")


class Tests:
    """The test programs, to be linked with a changed module, and the time that they usually take."""

    # Those of each source, the fastest first; a plus means with sanitizers.
    NAMES = {
        "app.c": ["options", "server", "faults", "options+"],
        "server.c": ["event_loop", "server", "options", "faults", "event_loop+", "server+"],
        "listen.c": ["event_loop", "options", "server", "faults", "server+"],
        "log.c": ["event_loop", "options", "server", "faults", "server+"],
        "route.c": ["route", "route+", "server"],
        "http.c": ["http", "exhaustive", "http+", "server"],
        "json.c": ["json", "exhaustive", "json+", "server"],
        "db.c": ["db", "db+", "options", "server", "faults"],
        "sha1.c": ["sha1", "sha1+", "db"],
        "str.c": ["str", "http", "json", "db", "route", "str+", "http+", "server"],
        SHARED: ["str", "http", "json", "db", "event_loop", "options", "server", "http+", "json+", "db+"],
    }
    INCLUDED = {  # tests that include sources, which are compiled again with a changed one
        "tests/fault/event_loop.c": ["server.c", "listen.c", "log.c", SHARED],
        "tests/fault/checked_server.c": ["server.c", SHARED],
    }

    def __init__(self):
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir(parents=True)
        for module in MODULES:
            compile_source(TOP / module, self.original(module), SHORT)
            compile_source(TOP / module, self.original(module, True), SHORT, *SANITIZE)
        for name in ("server", "options"):
            run([*CC, "-o", str(WORK / f"test_{name}"), str(TOP / f"tests/server/test_{name}.c")])
        sources = [str(TOP / "tests/fault" / name) for name in ("faults.c", "scenario.c")]
        run([*CC, LONG, "-o", str(WORK / "faults"), *sources])
        self.once = threading.Lock()
        names = subprocess.check_output(["sh", "tests/fault/names.sh"], cwd=TOP, text=True).split()
        self.wrap = [f"-Wl,--wrap={name}" for name in [*names, "server_run"]]
        self.seconds = {}

    @staticmethod
    def original(module, sanitize=False):
        return WORK / object_name(module, sanitize)

    def objects(self, source, folder, sanitize):
        """The object of each module; those that `source` changes are in the folder."""
        objects = {module: self.original(module, sanitize) for module in MODULES}
        changed = {module: folder / object_name(module, sanitize) for module in modules_of(source)}
        if not all(path.exists() for path in changed.values()):
            compile_modules(source, folder, sanitize)
        return {module: str(path) for module, path in {**objects, **changed}.items()}

    def object_of(self, test, source, folder, *flags):
        """The object of a test, compiled once; again if it includes the changed source."""
        place = WORK
        if source in self.INCLUDED.get(test, []):
            place = folder
            if not (folder / "tests/fault").exists():
                shutil.copytree(TOP / "tests/fault", folder / "tests/fault")
                shutil.copy(TOP / "tests/test.h", folder / "tests")
        name = "+".join([test.replace("/", "_"), *flags]).replace("/", "_")
        to = place / f"{name[:200]}.o"
        with self.once if place == WORK else contextlib.nullcontext():
            if not to.exists():
                compile_source((TOP if place == WORK else folder) / test, to, *flags)
        return str(to)

    def build_faults(self, source, folder, objects):
        (folder / "build/fault").mkdir(parents=True)
        names = ["checked_server.c", "injection.c"]
        tests = [self.object_of(f"tests/fault/{name}", source, folder, LONG) for name in names]
        objects = [path for module, path in objects.items() if module != "server.c"]
        run([*CC, *self.wrap, "-o", str(folder / "build/fault/server"), *tests, *objects])

    def build(self, name, source, folder):
        """Links the program `name` with the source in `folder`. Returns the command to run it."""
        flags = SANITIZE if name.endswith("+") else []
        objects = self.objects(source, folder, name.endswith("+"))
        name = name.rstrip("+")
        test = f"tests/unit/test_{name}.c"
        linked = [path for module, path in objects.items() if module not in ("app.c", "server.c")]
        if name in ("server", "options"):
            run([*CC, *flags, "-o", str(folder / "server"), *objects.values()])
            return [str(WORK / f"test_{name}")]
        if name == "faults":
            self.build_faults(source, folder, objects)
            return [str(WORK / name), "-q"]
        if name == "event_loop":
            included = ("app.c", "server.c", "listen.c", "log.c")
            linked = [path for module, path in objects.items() if module not in included]
            test = f"tests/fault/{name}.c"
        if name == "exhaustive":  # it needs a small buffer
            test, linked = "tests/fuzz/exhaustive.c", [objects["json.c"], objects["str.c"]]
            flags = ["-DHTTP_BUFFER_SIZE=2048"]
            linked.append(str((folder if source == "http.c" else TOP) / "http.c"))
        run([*CC, *flags, "-o", str(folder / name), self.object_of(test, source, folder, *flags),
             *linked])  # fmt: skip
        return [str(folder / name)]

    def limit(self, name):
        return 2 + 4 * self.seconds[name]

    def measure(self):
        """All programs must pass with the original."""
        for source in SOURCES:
            folder = WORK / "try"
            shutil.rmtree(folder, ignore_errors=True)
            copy_sources(source, (TOP / source).read_text(), folder)
            for name in self.NAMES[source]:
                command, start = self.build(name, source, folder), time.monotonic()
                if name in self.seconds:
                    continue
                if not passes(command, folder, 300):
                    sys.exit(f"{name} fails without a mutant")
                self.seconds[name] = time.monotonic() - start


def copy_sources(source, text, folder):
    """Makes a folder with all sources, in which `source` has the changed text."""
    folder.mkdir()
    for path in [*TOP.glob("*.c"), *TOP.glob("*.h")]:
        shutil.copy(path, folder)
    (folder / source).write_text(text)


def try_mutant(tests, number, mutant):
    """Returns the test that killed the mutant, or "none", or "invalid" if it does not count."""
    folder = WORK / str(number)
    copy_sources(mutant.source, mutant.text, folder)
    try:
        if not compile_modules(mutant.source, folder):
            return "invalid"
        if all(
            (folder / object_name(module, False)).read_bytes() == tests.original(module).read_bytes()
            for module in modules_of(mutant.source)
        ):
            return "invalid"
        for name in tests.NAMES[mutant.source]:
            command = tests.build(name, mutant.source, folder)
            if not passes(command, folder, tests.limit(name)):
                return name
        return "none"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# ---- The report ----


def report(results):
    survivors = sorted((m for m, by in results if by == "none"), key=lambda m: (m.source, m.line))
    for mutant in survivors:
        print(f"survives at line {mutant.line}:\n{mutant}")
    print(f"{'source':9} {'mutants':>7} {'killed':>7} {'of 100':>7}   by")
    for source in [*SOURCES, "all"]:
        tried = [by for m, by in results if by != "invalid" and source in (m.source, "all")]
        killed = [by for by in tried if by != "none"]
        by = ", ".join(f"{n} {killed.count(n)}" for n in sorted(set(killed)))
        if tried:
            score = 100 * len(killed) / len(tried)
            print(f"{source:9} {len(tried):7} {len(killed):7} {score:7.1f}   {by}")
    return score >= GOAL


def main():
    parser = argparse.ArgumentParser(description="changes the sources, and checks that tests fail")
    parser.add_argument("-n", type=int, default=200, help="mutants; 0 for all")
    parser.add_argument("-s", type=int, default=1, help="seed of the choice")
    parser.add_argument("-r", choices=SOURCES, action="append", help="a source; may be given several times")
    parser.add_argument("-j", type=int, default=2, help="how many at a time")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, on_fatal_signal)
    known = equivalents()
    candidates = [m for source in SOURCES for m in mutants_of(source)]
    for line in known - {(m.source, m.what) for m in candidates}:
        print("in `equivalent`, but no longer a mutant:", *line)
    # In the order of a hash, so the choice hardly changes when the sources or the list change.
    candidates.sort(key=lambda m: hashlib.sha1(f"{options.s} {m}".encode()).digest())
    sources = options.r or SOURCES
    mutants = [m for m in candidates if m.source in sources and (m.source, m.what) not in known]
    print(f"{len(mutants)} mutants, without the equivalent ones", flush=True)
    tests = Tests()
    tests.measure()
    chosen = mutants[: options.n] if options.n else mutants
    results = []
    with concurrent.futures.ThreadPoolExecutor(options.j) as pool:
        tries = {pool.submit(try_mutant, tests, i, m): m for i, m in enumerate(chosen)}
        for done in concurrent.futures.as_completed(tries):
            results.append((tries[done], done.result()))
            if done.result() == "none":
                print(f"survives so far ({len(results)} tried): {tries[done]}", flush=True)
    sys.exit(0 if report(results) else 1)


if __name__ == "__main__":
    main()
