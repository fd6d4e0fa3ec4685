"""tree.py [-a] PROGRAM CALLS LOG - prints the calls that trace.c has recorded as trees, one for each
request. See trace.sh.

Left out, unless -a is given: str.c and str.h, which all others use; and calls inside a file, unless they lead
to another file or to a system call. Calls of one function by the same caller stand on one line, with their
number, if the later ones lead to nothing new. An iteration of the event loop without an event is left out in
any case.
"""
import re
import subprocess
import sys

WIDTH = 16  # of the column with the place in the sources


class Call:
    """A call of a function or, if `place` is empty, of the system."""

    def __init__(self, name, place=''):
        self.name, self.place, self.calls, self.times = name, place, [], 1
        self.file = place.split(':')[0]

    def walk(self):
        yield self
        for call in self.calls:
            yield from call.walk()

    def has(self, name):
        return any(call.name == name for call in self.walk())


def find_places(program, addresses):
    """The name and the place of each function, by its address."""
    output = subprocess.run(['addr2line', '-f', '-s', '-e', program], check=True, text=True,
                            input='\n'.join(addresses), stdout=subprocess.PIPE).stdout.split('\n')
    return {address: (output[2 * i], output[2 * i + 1].split(' ')[0])
            for i, address in enumerate(addresses)}


def read_calls(program, path):
    """Returns the call of main, with all calls below it."""
    with open(path) as file:
        records = [line.split() for line in file]
    places = find_places(program, sorted({record[1] for record in records if record[0] == '+'}))
    stack = [Call('')]
    for record in records:
        if record[0] == '-':
            stack.pop()
        elif record[0] == '+':
            call = Call(*places[record[1]])
            stack[-1].calls.append(call)
            stack.append(call)
        else:
            stack[-1].calls.append(Call(f'{record[1]}() = {record[2]}'))
    return next(call for call in stack[0].calls if call.name == 'main')


def prune(call):
    call.calls = [below for below in call.calls if not below.file.startswith('str.')]
    for below in call.calls:
        prune(below)
    call.calls = [below for below in call.calls if any(other.file != call.file for other in below.walk())]


def covers(call, other):
    """Whether `other` calls the same function and leads to nothing that `call` does not lead to."""
    return (call.name, call.place) == (other.name, other.place) and all(
        any(covers(mine, theirs) for mine in call.calls) for theirs in other.calls)


def join_repeats(call):
    kept = []
    for below in call.calls:
        join_repeats(below)
        first = next((earlier for earlier in kept if covers(earlier, below)), None)
        if first:
            first.times += below.times
        else:
            kept.append(below)
    call.calls = kept


def label(call):
    return f'{call.name} x{call.times}' if call.times > 1 else call.name


def print_tree(call, indent=0):
    line, calls = label(call), call.calls
    if len(calls) == 1 and not calls[0].place:  # a system call and nothing else
        line, calls = f'{line}: {label(calls[0])}', []
    print(f'{call.place:{WIDTH}}{"  " * indent}{line}')
    for below in calls:
        print_tree(below, indent + 1)


def print_part(title, calls, show_all):
    print(f'\n==== {title}\n')
    for call in calls:
        if not show_all:
            prune(call)
        join_repeats(call)
        print_tree(call)


def title_of(iteration, requests):
    """What an iteration of the event loop is about, or None. Each request has a line in the log."""
    count = sum(call.name == 'log_request' for call in iteration.walk())
    if count > 0:
        return ', '.join(requests.pop(0) for _ in range(count))
    if iteration.has('add_connection'):
        return 'A client connects'
    return 'The client closes the connection' if iteration.has('close_connection') else None


def take_out(call, name):
    """Removes the calls of this function below `call`, and returns them."""
    found = [below for below in call.calls if below.name == name]
    call.calls = [below for below in call.calls if below.name != name]
    return found + [taken for below in call.calls for taken in take_out(below, name)]


def main():
    show_all = sys.argv[1] == '-a'
    program, path, log = sys.argv[-3:]
    with open(log) as file:
        requests = [f'{line} -> {status}' for line, status in re.findall(r'"(.*)" (\d+)', file.read())]
    started = read_calls(program, path)
    signals = take_out(started, 'on_stop_signal')  # a signal comes at any time
    run = [call.name for call in started.calls].index('server_run')
    print_part('The start', started.calls[:run], show_all)
    for iteration in started.calls[run].calls:
        title = title_of(iteration, requests) if iteration.name == 'run_once' else None
        if title:
            print_part(title, [iteration], show_all)
    ends = [call for call in started.calls[run].calls if call.name != 'run_once']
    print_part('The stop', signals + ends + started.calls[run + 1:], show_all)


main()
