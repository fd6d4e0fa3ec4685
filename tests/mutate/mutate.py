#!/usr/bin/env python3
"""mutate.py - breaks the rooms at one place at a time, and sees whether the tests notice.

    python3 tests/mutate/mutate.py              200 mutants, chosen by chance
    python3 tests/mutate/mutate.py -n 0         all of them: hours
    python3 tests/mutate/mutate.py -r db.c -n 0 those of one room; or of str.h, which is in all
    python3 tests/mutate/mutate.py -s 7         another choice

A mutant is a room in which one operator, constant or condition is another one. It is compiled into
the test programs, the room's own first, and counts as killed by the first one that fails, crashes
or does not end in time. A mutant that compiles to the same code as the original is none. Those that
nobody kills are listed at the end, in the form in which they would stand in `equivalent`; what stands
there, with a reason, is left out.

Exit status 1 where less than 95 of 100 are killed. Needs the sources, cc and nothing else; all
files go to build/mutants.
"""
import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[2]
WORK = TOP / "build" / "mutants"
ROOMS = ["app.c", "server.c", "http.c", "json.c", "db.c", "sha1.c"]
SHARED = "str.h"  # it is compiled into every room
SOURCES = [*ROOMS, SHARED]
CC = [os.environ.get("CC", "cc"), "-std=c99", "-O1", "-w", "-I", str(TOP)]
SHORT = "-DSERVER_SECOND=50000000"  # as the tests of the server want it
LONG = "-DSERVER_SECOND=200000000LL"  # as the faults want it
WATCHED = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
GOAL = 95  # of 100
GROUPS = set()  # of the test programs that run now

# What is put in an operator's place. They stand between blanks: the sources are formatted so.
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
    """One change: text[start:end] of a room becomes `new`."""

    def __init__(self, room, text, start, end, new):
        self.room, self.line = room, text.count("\n", 0, start) + 1
        self.text = text[:start] + new + text[end:]
        functions = re.findall(r"^\w[^\n;]*?(\w+)\(", text[:start], re.MULTILINE)
        before = text[text.rfind("\n", 0, start) + 1 : start].lstrip()
        behind = text[end : text.find("\n", end)]
        self.what = f"{functions[-1] if functions else 'top'}: {before}[{text[start:end]} -> {new}]{behind}"

    def __str__(self):
        return f"{self.room} {self.what}"


def closing(text, at):
    """Where the parenthesis closes that opens at `at`."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == "(") - (text[i] == ")")
        if depth == 0:
            return i
    return at


def changes(text, found):
    """Yields what the code that was found may become: (start, end, new)."""
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
        if not re.search(r"[=!<>]=|&&|\|\||\s[<>]\s|^!", condition):  # else others negate it
            yield end - 1, close + 1, f"(!({condition}))"


def mutants_of(room):
    text = (TOP / room).read_text()
    for found in CODE.finditer(text):
        if found.lastgroup != "skip":
            for start, end, new in changes(text, found):
                yield Mutant(room, text, start, end, new)


def equivalents():
    """What is known to change nothing, as (room, what); see the file's head."""
    lines = (TOP / "tests/mutate/equivalent").read_text().splitlines()
    return {tuple(line.split(" ", 1)) for line in lines if line and line[0] != "#"}


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


def compile_room(source, output, *flags):
    return run([*CC, *flags, "-c", "-o", str(output), str(source)])


def end_all(group):
    """Ends a test program and the servers that it has started."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        pass


def passes(command, folder, seconds):
    """Whether a test program ends well. It is stopped at the first check that fails."""
    env = dict(os.environ, SERVER=str(folder / "server"), TMPDIR=str(folder))
    child = subprocess.Popen(
        command, cwd=folder, env=env, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    GROUPS.add(child.pid)
    timer = threading.Timer(seconds, end_all, (child.pid,))
    timer.start()
    failed = any(b"FAIL" in line for line in child.stdout)
    timer.cancel()
    end_all(child.pid)
    GROUPS.discard(child.pid)
    return not failed and child.wait() == 0


def give_up(*_):
    """Told to stop: a mutant may never end by itself."""
    for group in list(GROUPS):
        end_all(group)
    os._exit(1)


def rooms_of(source):
    """The rooms that are other ones where this source is."""
    return ROOMS if source == SHARED else [source]


def compile_rooms(source, folder, watched=False):
    """Compiles the rooms that a source in `folder` changes. Returns whether that goes."""
    flags = WATCHED if watched else []
    return all(
        compile_room(folder / room, folder / object_name(room, watched), SHORT, *flags)
        for room in rooms_of(source)
    )


def object_name(room, watched):
    return ("watched_" if watched else "") + room.replace(".c", ".o")


class Tests:
    """The test programs, to be linked with a room that is broken, and their usual time."""

    # Those of each room, the quickest first; with a plus: watched by the sanitizers.
    NAMES = {
        "app.c": ["options", "server", "faults", "options+"],
        "server.c": ["rounds", "table", "server", "options", "faults", "table+", "server+"],
        "http.c": ["http", "compare", "http+", "table", "server"],
        "json.c": ["json", "json+", "server"],
        "db.c": ["db", "db+", "options", "server", "faults"],
        "sha1.c": ["sha1", "sha1+", "db"],
        SHARED: ["http", "json", "db", "rounds", "options", "server", "http+", "json+", "db+"],
    }

    def __init__(self):
        shutil.rmtree(WORK, ignore_errors=True)
        WORK.mkdir(parents=True)
        for room in ROOMS:
            compile_room(TOP / room, self.original(room), SHORT)
            compile_room(TOP / room, self.original(room, True), SHORT, *WATCHED)
        for name in ("server", "options"):
            run([*CC, "-o", str(WORK / f"test_{name}"), str(TOP / f"tests/test_{name}.c")])
        sources = [str(TOP / "tests/faults" / name) for name in ("faults.c", "walk.c")]
        run([*CC, LONG, "-o", str(WORK / "faults"), *sources])
        self.once = threading.Lock()
        calls = (TOP / "tests/faults/calls.h").read_text()
        names = re.findall(r"^(?:CALL\([^,]*, |OWN\()(\w+),", calls, re.MULTILINE)
        self.wrap = [f"-Wl,--wrap={name}" for name in [*names, "server_run"]]
        self.seconds = {}

    @staticmethod
    def original(room, watched=False):
        return WORK / object_name(room, watched)

    def objects(self, source, folder, watched):
        """The object of each room; those that `source` changes from the folder."""
        objects = {room: self.original(room, watched) for room in ROOMS}
        changed = {room: folder / object_name(room, watched) for room in rooms_of(source)}
        if not all(path.exists() for path in changed.values()):
            compile_rooms(source, folder, watched)
        return {room: str(path) for room, path in {**objects, **changed}.items()}

    def object_of(self, source, room, folder, *flags):
        """The object of a source among the tests, made once; anew where it includes the mutant."""
        includers = [f"tests/faults/{name}.c" for name in ("table", "rounds", "books")]
        place = WORK
        if room in ("server.c", SHARED) and source in includers:  # they find the copy's ../../server.c
            place = folder
            if not (folder / "tests/faults").exists():
                shutil.copytree(TOP / "tests/faults", folder / "tests/faults")
                shutil.copy(TOP / "tests/test.h", folder / "tests")
        name = "+".join([source.replace("/", "_"), *flags]).replace("/", "_")
        to = place / f"{name[:200]}.o"
        with self.once if place == WORK else contextlib.nullcontext():
            if not to.exists():
                compile_room((TOP if place == WORK else folder) / source, to, *flags)
        return str(to)

    def build_faults(self, room, folder, rooms):
        (folder / "build/faults").mkdir(parents=True)
        (folder / "build/faults/calls").touch()  # who calls what is not asked here
        names = ["books.c", "wrap.c", "heap.c"]
        parts = [self.object_of(f"tests/faults/{name}", room, folder, LONG) for name in names]
        run([*CC, *self.wrap, "-o", str(folder / "build/faults/server"), *parts, *rooms])

    def build(self, name, room, folder):
        """Links the program `name` with the room in `folder`. Returns how it is called."""
        flags = WATCHED if name.endswith("+") else []
        objects = self.objects(room, folder, name.endswith("+"))
        name = name.rstrip("+")
        source = f"tests/test_{name}.c"
        rooms = [objects[other] for other in ("http.c", "json.c", "db.c", "sha1.c")]
        if name in ("server", "options"):
            run([*CC, *flags, "-o", str(folder / "server"), *objects.values()])
            return [str(WORK / f"test_{name}")]
        if name == "faults":
            self.build_faults(room, folder, [objects["app.c"], *rooms])
            return [str(WORK / name), "-q"]
        if name in ("table", "rounds"):
            source = f"tests/faults/{name}.c"
        if name == "compare":  # it wants a small buffer
            source, rooms = "tests/model/compare.c", [str(folder / room)]
            flags = ["-DHTTP_BUFFER=2048"]
        test = self.object_of(source, room, folder, *flags)
        run([*CC, *flags, "-o", str(folder / name), test, *rooms])
        return [str(folder / name)]

    def limit(self, name):
        return 2 + 4 * self.seconds[name]

    def measure(self):
        """All programs must pass with the original."""
        for room in SOURCES:
            folder = WORK / "try"
            shutil.rmtree(folder, ignore_errors=True)
            copy_source(room, (TOP / room).read_text(), folder)
            for name in self.NAMES[room]:
                command, start = self.build(name, room, folder), time.monotonic()
                if name in self.seconds:
                    continue
                if not passes(command, folder, 300):
                    sys.exit(f"{name} fails without a mutant")
                self.seconds[name] = time.monotonic() - start


def copy_source(source, text, folder):
    """Makes a folder with this source, and with what includes it where it is shared."""
    folder.mkdir()
    if source == SHARED:
        for path in [*TOP.glob("*.c"), *TOP.glob("*.h")]:
            shutil.copy(path, folder)
    (folder / source).write_text(text)


def try_mutant(tests, number, mutant):
    """Returns who killed the mutant: a test's name, "none", or "invalid" where it is no mutant."""
    folder = WORK / str(number)
    copy_source(mutant.room, mutant.text, folder)
    try:
        if not compile_rooms(mutant.room, folder):
            return "invalid"
        if all(
            (folder / object_name(room, False)).read_bytes() == tests.original(room).read_bytes()
            for room in rooms_of(mutant.room)
        ):
            return "invalid"
        for name in tests.NAMES[mutant.room]:
            if not passes(tests.build(name, mutant.room, folder), folder, tests.limit(name)):
                return name
        return "none"
    finally:
        shutil.rmtree(folder, ignore_errors=True)


# ---- The report ----


def report(results):
    survivors = sorted((m for m, by in results if by == "none"), key=lambda m: (m.room, m.line))
    for mutant in survivors:
        print(f"survives at line {mutant.line}:\n{mutant}")
    print(f"{'room':9} {'mutants':>7} {'killed':>7} {'of 100':>7}   by")
    for room in [*SOURCES, "all"]:
        of_room = [by for m, by in results if by != "invalid" and room in (m.room, "all")]
        killed = [by for by in of_room if by != "none"]
        by = ", ".join(f"{n} {killed.count(n)}" for n in sorted(set(killed)))
        if of_room:
            score = 100 * len(killed) / len(of_room)
            print(f"{room:9} {len(of_room):7} {len(killed):7} {score:7.1f}   {by}")
    return score >= GOAL


def main():
    parser = argparse.ArgumentParser(description="breaks the rooms, and sees who notices")
    parser.add_argument("-n", type=int, default=200, help="mutants; 0 for all")
    parser.add_argument("-s", type=int, default=1, help="seed of the choice")
    parser.add_argument("-r", choices=SOURCES, action="append", help="a room; several may be given")
    parser.add_argument("-j", type=int, default=2, help="at once")
    options = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, give_up)
    known = equivalents()
    everyone = [m for room in SOURCES for m in mutants_of(room)]
    for line in known - {(m.room, m.what) for m in everyone}:
        print("in `equivalent`, but no longer a mutant:", *line)
    rooms = options.r or SOURCES
    mutants = [m for m in everyone if m.room in rooms and (m.room, m.what) not in known]
    print(f"{len(mutants)} mutants there are beside the equivalent ones", flush=True)
    random.Random(options.s).shuffle(mutants)
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
