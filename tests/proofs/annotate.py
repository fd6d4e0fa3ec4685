#!/usr/bin/env python3
"""annotate.py FOLDER FILE...: writes copies of the sources with their contracts into FOLDER.

The contracts of str.c stand in str.c.acsl, and those of str.h in str.h.acsl, so the sources hold none. A
section begins with a line that says where its text goes:

    === global TEXT             before TEXT, which occurs once in the file
    === NAME                    before the function NAME
    === NAME loop 2             before the second loop of NAME, counted as one reads
    === NAME before TEXT        before the statement of NAME that begins with TEXT, which occurs once
    === replace TEXT            in the place of TEXT, which occurs once in the file: C, not a contract
    === short NAME              stands for each line `$NAME` of the file
    === unproved                lists functions that are not proved

Everything fails loudly: a section whose place does not exist, a function or a loop without a section.
Each function gets `terminates \\true`, so its termination has to be proved too.
"""
import pathlib
import re
import sys

HERE = pathlib.Path(__file__).parent


def mask(text):
    """The text with comments, strings and preprocessor lines as blanks, so that offsets stay."""
    pattern = r'/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'|^#(?:\\\n|[^\n])*$'
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m[0]), text, flags=re.S | re.M)


def parse_sections(path):
    """{place: text} of a file of contracts."""
    sections = {}
    if path.exists():
        for section in re.split(r"^=== ", path.read_text(), flags=re.M)[1:]:
            place, text = section.split("\n", 1)
            if place in sections:
                sys.exit(f"{path.name}: two sections '{place}'")
            sections[place] = text.strip()
    shorts = {"$" + place[6:]: text for place, text in sections.items() if place.startswith("short ")}
    return {place: re.sub(r"^\$\w+$", lambda m: shorts[m[0]], text, flags=re.M)
            for place, text in sections.items() if not place.startswith("short ")}


def functions_of(code):
    """{name: (start, end, is_defined)} of masked code."""
    found = {}
    head = r"^(?!typedef)\w[\w \t\n*]*?\b(\w+)\([^;{}]*\)\s*([;{])"
    for match in re.finditer(head, code, flags=re.M):
        end = match.end()
        if match[2] == "{":
            depth = 1
            while depth > 0:
                depth += {"{": 1, "}": -1}.get(code[end], 0)
                end += 1
        found[match[1]] = (match.start(), end, match[2] == "{")
    return found


def loops_of(code, start, end):
    loops = re.finditer(r"\b(?:for|while)\s*\(|\bdo\b", code[start:end])
    return [start + m.start() for m in loops
            if m[0] == "do" or not is_end_of_do(code, start + m.start())]


def is_end_of_do(code, at):
    """Whether the `while` here ends a do loop: a brace stands before it, and nothing is its body."""
    end, depth = code.index("(", at) + 1, 1
    while depth > 0:
        depth += {"(": 1, ")": -1}.get(code[end], 0)
        end += 1
    return (code.startswith("while", at) and code[:at].rstrip().endswith("}")
            and code[end:].lstrip().startswith(";"))


def place_of(name, place, text, code, functions):
    """The offset where a section goes."""
    words = place.split(" ", 2)
    if words[0] == "global":
        words, functions = ["", "before", place.split(" ", 1)[1]], {"": (0, len(text), False)}
    if words[0] not in functions:
        sys.exit(f"{name}: no function {words[0]}")
    start, end, _ = functions[words[0]]
    if len(words) == 1:
        return start
    if words[1] == "loop":
        loops = loops_of(code, start, end)
        if int(words[2]) > len(loops):
            sys.exit(f"{name}: {words[0]} has no loop {words[2]}")
        return loops[int(words[2]) - 1]
    places = [start + m.start() for m in re.finditer(re.escape(words[2]), text[start:end])]
    if words[1] != "before" or len(places) != 1:
        sys.exit(f"{name}: no single place for '{place}'")
    return places[0]


def add_termination(contract):
    """The clause must stand between `requires` and the others."""
    first = "decreases" if "decreases" in contract else "assigns"
    return contract.replace(first, "terminates \\true;\n" + first, 1)


def annotate(source, declared):
    """The text with its contracts. `declared` collects the functions that have one."""
    text = source.read_text()
    code, sections = mask(text), parse_sections(HERE / (source.name + ".acsl"))
    functions = functions_of(code)
    inserts, skipped = [], sections.get("unproved", "").split()
    for place, annotation in sections.items():
        if place == "unproved":
            declared.update(annotation.split())
        if place == "unproved" or place.startswith("replace "):
            continue
        if place in functions:
            declared.add(place)
            annotation = add_termination(annotation)
        inserts.append((place_of(source.name, place, text, code, functions), annotation))
    for name, (start, end, is_defined) in functions.items():
        if name not in declared:
            sys.exit(f"{source.name}: {name} has no contract")
        for i in range(len(loops_of(code, start, end)) if is_defined and name not in skipped else 0):
            if f"{name} loop {i + 1}" not in sections:
                sys.exit(f"{source.name}: loop {i + 1} of {name} has no invariant")
    for at, annotation in sorted(inserts, reverse=True):
        clauses = re.split(r"(?<=;)\n(?=assert |admit (?!requires))", annotation)
        text = text[:at] + "".join(f"/*@ {clause} */\n" for clause in clauses) + text[at:]
    return replace(source.name, text, sections)


def replace(name, text, sections):
    for place, code in sections.items():
        old = place.removeprefix("replace ")
        if old == place:
            continue
        if text.count(old) != 1:
            sys.exit(f"{name}: no single place for '{place}'")
        text = text.replace(old, code)
    return text


def main():
    folder, declared = pathlib.Path(sys.argv[1]), set()
    for source in map(pathlib.Path, sys.argv[2:]):
        (folder / source.name).write_text(annotate(source, declared))


if __name__ == "__main__":
    main()
