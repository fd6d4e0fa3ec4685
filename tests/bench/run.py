#!/usr/bin/env python3
"""Measures the server, a baseline and other servers, and prints the results.

    python3 tests/bench/run.py [-q] [LOAD]...   from the top of the project, with ./server built
                                                (`make bench`, `make bench BENCH=-q`)
    -q    each load once instead of five times: rough, in about two minutes
    LOAD  only the loads whose titles begin like this, and no goals

Every load is given to one server after the other, for a second each, and that five times, so that a
machine that slows down slows all of them. A figure is the median of the five, and a ratio is the
median of the five ratios. The server has the first core, the load the last. CPU time is what all
threads of the server spend, inside and outside of the kernel, divided by the requests.

The baseline is baseline.c. The other servers, in others/, are built if their libraries are installed;
one that is missing is reported and left out. It needs Linux, wrk, and 10,100 descriptors (ulimit -n).
The speed depends on the machine as well: a goal that is missed is reported, but it is not a failure.

To add a load, add a row to LOADS; to add a server, add it to find_others.
"""
import atexit
import contextlib
import glob
import json
import os
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, f'{HERE}/../../docs/pictures')
from chart import draw_chart  # noqa: E402

QUICK = '-q' in sys.argv[1:]
ONLY = [title for title in sys.argv[1:] if title != '-q']
REPEATS = 1 if QUICK else 5
IDLE = 10000
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]

os.makedirs('build', exist_ok=True)
WORK = tempfile.mkdtemp(prefix='bench.', dir='build')
atexit.register(shutil.rmtree, WORK)
SERVER = './server -q -a 127.0.0.1 -c 12000 -p PORT'
BASELINE = f'{WORK}/baseline PORT'
NAN = float('nan')
RATE, CPU, MEMORY = 0, 1, 2  # of a measurement: requests a second, microseconds, bytes

# SESSION stands for the id of a session that exists.
GET = 'GET /home HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: session_id=SESSION\r\n\r\n'
GET_ONCE = GET.replace('Cookie', 'Connection: close\r\nCookie')
POST = ('POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n'
        'Content-Length: 35\r\n\r\n{"username":"foo","password":"foo"}')

# Title, connections, idle connections in addition, what is sent in one write, and the baseline for it.
LOADS = [
    ('GET /home, 64 connections', 64, 0, GET, BASELINE),
    ('16 requests pipelined', 64, 0, 16 * GET, BASELINE),
    ('64 beside 10,000 idle', 64, IDLE, GET, BASELINE),
    ('one connection', 1, 0, GET, BASELINE),
    ('one beside 10,000 idle', 1, IDLE, GET, BASELINE),
    ('one connection per request', 64, 0, GET_ONCE, BASELINE + ' close'),
    ('POST /login', 64, 0, POST, None),
]
HOME, PIPELINED, HOME_IDLE, ONE, ONE_IDLE, CLOSING, LOGIN = (row[0] for row in LOADS)


# ---- Servers ----

class Server:
    """A running server; PORT in `command` stands for its port."""

    def __init__(self, command):
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            self.port = free.getsockname()[1]
        with open(f'{HERE}/others/nginx.conf') as conf, open(f'{WORK}/nginx.conf', 'w') as own:
            own.write(conf.read().replace('PORT', str(self.port)))
        began = time.monotonic()
        os.sched_setaffinity(0, {SERVER_CORE})
        with open(f'{WORK}/log', 'w') as log:
            self.leader = subprocess.Popen(command.replace('PORT', str(self.port)).split(),
                                           stdout=log, stderr=log, start_new_session=True)
        os.sched_setaffinity(0, {LOAD_CORE})
        self.session = '0' * 40
        with self.connect() as client:
            self.ask(client, GET)
            self.start_ms = (time.monotonic() - began) * 1e3
        with self.connect() as client:
            found = re.search(r'session_id=(\w{40})', self.ask(client, POST))
            self.session = found[1] if found else self.session  # the baseline takes any

    def connect(self):
        for _ in range(100000):
            with contextlib.suppress(ConnectionRefusedError):
                return socket.create_connection(('127.0.0.1', self.port), 10)
            time.sleep(0.0001)
        sys.exit(f'{self.leader.args[0]} does not start')

    def send(self, client, request):
        client.sendall(request.replace('SESSION', self.session).encode())

    def ask(self, client, request):
        self.send(client, request)
        return client.recv(4096).decode()

    def stop(self):
        os.killpg(self.leader.pid, signal.SIGKILL)
        self.leader.wait()

    def numbers(self, file, column):
        """The sum of a number that /proc has for its process and the children."""
        for pid in filter(str.isdigit, os.listdir('/proc')):
            with contextlib.suppress(OSError):
                if os.getsid(int(pid)) == self.leader.pid:
                    for path in glob.glob(f'/proc/{pid}/{file}'):
                        with open(path) as text:
                            yield int(text.read().split()[column])

    def cpu(self):
        return sum(self.numbers('task/*/schedstat', 0)) / 1e9

    def memory(self):
        return sum(self.numbers('statm', 1)) * resource.getpagesize()


def build(source, *libraries):
    """Compiles a program of ours. Returns the command to run it, or '' if that fails."""
    name = os.path.basename(source)[:-len('.c')]
    command = [*os.environ.get('CC', 'cc').split(), '-O2', '-D_POSIX_C_SOURCE=200809L',
               '-o', f'{WORK}/{name}', f'{HERE}/{source}', *libraries]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f'{name} is left out, because it does not build: {done.stderr.splitlines()[0]}')
    return '' if done.returncode else f'{WORK}/{name} PORT'


def find_others():
    others = {'nginx': f'nginx -p {WORK} -c nginx.conf',
              'libmicrohttpd': build('others/libmicrohttpd.c', '-lmicrohttpd'),
              'libevent': build('others/libevent.c', '-levent'),
              'node': f'node {HERE}/others/node.js PORT'}
    for name in ('nginx', 'node'):
        if not shutil.which(name):
            print(f'{name} is left out, because it is not installed')
            others[name] = ''
    return {name: command for name, command in others.items() if command}


@contextlib.contextmanager
def running(commands):
    servers = {name: Server(command) for name, command in commands.items()}
    try:
        yield servers
    finally:
        for server in servers.values():
            server.stop()


# ---- Loads ----

@contextlib.contextmanager
def idle_connections(server, count):
    """Keeps so many connections open and idle; each has had a response. They end with a reset, so that
    their ports are free at once."""
    with contextlib.ExitStack() as stack:
        clients = []
        for number in range(count):
            clients.append(stack.enter_context(server.connect()))
            clients[-1].setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
            server.send(clients[-1], GET)
            if number % 100 == 99:
                for client in clients[-100:]:
                    client.recv(4096)
        yield


def start_wrk(server, connections, text, seconds, *runner):
    """Starts wrk, which sends the text on each connection, again and again."""
    with open(f'{WORK}/requests.lua', 'w') as script:
        text = json.dumps(text.replace('SESSION', server.session))  # Lua has the same escapes
        script.write(f'wrk.format = function() return {text} end')
    return subprocess.Popen([*runner, 'wrk', '-t1', f'-c{connections}', f'-d{seconds}s', '-s', script.name,
                             f'http://127.0.0.1:{server.port}/'], stdout=subprocess.PIPE, text=True)


def measure(server, connections, idle, text):
    """Loads the server for a second. Returns None if it fails."""
    with contextlib.suppress(OSError), idle_connections(server, idle):
        before = server.cpu()
        output = start_wrk(server, connections, text, 1).communicate()[0]
        time.sleep(0.02)  # the time of a process that sleeps is accounted for
        spent = server.cpu() - before
        found = re.search(r'([1-9]\d*) requests in ([\d.]+)s', output)
        if found and 'Non-2xx' not in output:
            return int(found[1]) / float(found[2]), spent / int(found[1]) * 1e6, server.memory()
    return None


def compare(title, servers, *load):
    """Loads one server after the other. Returns the results by name, without the servers that failed."""
    results = {name: [] for name in servers}
    for number in range(REPEATS):
        print(f'\r{title}: {number + 1} of {REPEATS} ', end='', flush=True)
        for name, server in servers.items():
            results[name].append(measure(server, *load))
    print()
    for name in [name for name, done in results.items() if not all(done)]:
        print(f'    {name} is left out, because it fails under this load')
        del results[name]
    return results


def compare_servers(others):
    """All servers under all loads. Returns the results by load and name, and the times that the servers
    took to start."""
    results, starts = {}, {}
    for title, connections, idle, text, baseline in LOADS:
        if ONLY and not title.startswith(tuple(ONLY)):
            continue
        commands = {'server': SERVER, **({'baseline': baseline} if baseline else {}), **others}
        if not baseline:
            commands.pop('nginx', None)  # its response is a constant, and it has no login
        with running(commands) as servers:
            results[title] = compare(title, servers, connections, idle, text)
            for name, server in servers.items():
                starts.setdefault(name, []).append(server.start_ms)
    return results, {name: statistics.median(times) for name, times in starts.items()}


def p99_beside(server, idle, text, clients, pause):
    """The 99th percentile, in ms, of the requests of some clients, one after the other with a pause in
    between, while 64 connections send the text."""
    times = []
    with contextlib.suppress(OSError), idle_connections(server, idle), contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(server.connect()) for _ in range(clients)]
        wrk = start_wrk(server, 64, text, 8, 'nice', '-n19')
        time.sleep(0.5)
        while wrk.poll() is None:
            time.sleep(pause)
            began = time.monotonic()
            server.ask(sockets[len(times) % clients], GET)
            times.append((time.monotonic() - began) * 1e3)
    return statistics.quantiles(times, n=100)[98] if len(times) > 10 else NAN


# ---- Results ----

def median(results, name, column):
    return statistics.median(each[column] for each in results[name]) if name in results else NAN


def ratio(results, name, other, column):
    if name not in results or other not in results:
        return NAN
    return statistics.median(a[column] / b[column] for a, b in zip(results[name], results[other]))


def measure_floods(others):
    print('one client beside 64 that send without end')
    with running({'server': SERVER, 'baseline': BASELINE, **others}) as servers:
        return {name: p99_beside(server, 0, 128 * GET, 1, 0) for name, server in servers.items()}


def measure_goals(results, starts, floods):
    """Each goal: its name, what was measured, and the limit."""
    def own(title, other, column):
        return ratio(results[title], 'server', other, column)

    with running({'server': SERVER, 'logging': SERVER.replace(' -q', '')}) as servers:
        log = compare('with the access log', servers, 64, 0, GET)
        print('idle clients beside 64 connections and 10,000 idle ones')
        idle = p99_beside(servers['server'], IDLE, GET, 20, 0.005)
    beside = {'idle': results[HOME_IDLE]['server'], 'without': results[HOME]['server']}
    memory = median(results[HOME_IDLE], 'server', MEMORY) / 2**20
    return [
        (f'{HOME}: CPU / baseline', own(HOME, 'baseline', CPU), '<=', 1.06),
        (f'{PIPELINED}: requests/s / nginx', own(PIPELINED, 'nginx', RATE), '>=', 4),
        (f'{CLOSING}: CPU / nginx', own(CLOSING, 'nginx', CPU), '<=', 1.1),
        (f'{LOGIN}: CPU / libmicrohttpd', own(LOGIN, 'libmicrohttpd', CPU), '<=', 1),
        (f'{HOME_IDLE}: requests/s / without them', ratio(beside, 'idle', 'without', RATE), '>=', 0.9),
        (f'{HOME_IDLE}: memory in all, MB', memory, '<=', 4),
        ('request of an idle client beside that: p99, ms', idle, '<=', 60),
        ('with the access log: CPU / without it', ratio(log, 'logging', 'server', CPU), '<=', 1.25),
        ('start to first response, ms', starts['server'], '<=', 5),
        ('beside 64 that send without end: p99, ms', floods['server'], '<=', 5),
    ]


def number(value):
    """Three significant digits, or whole numbers with a comma for thousands."""
    if value != value:
        return '-'
    return f'{value:,.0f}' if value >= 1000 else f'{value:#.3g}'.rstrip('.')


def print_table(results, starts, floods):
    """In Markdown, for docs/performance.md."""
    names = list(starts)
    print('\nRequests per second and, in brackets, microseconds of CPU per request:\n')
    print('| |', ' | '.join(names), '|\n|---|' + '---:|' * len(names))
    for title, servers in results.items():
        cells = [f'{number(median(servers, name, RATE))} ({number(median(servers, name, CPU))})'
                 if name in servers else '-' for name in names]
        print(f'| {title} |', ' | '.join(cells), '|')
    if HOME_IDLE in results:
        cells = [number(median(results[HOME_IDLE], name, MEMORY) / 2**20) for name in names]
        print('| memory with 10,000 idle, MB |', ' | '.join(cells), '|')
    for title, times in (('start to first response, ms', starts),
                         ('p99 beside 64 that send without end, ms', floods)):
        if times:
            print(f'| {title} |', ' | '.join(number(times[name]) for name in names), '|')


def print_goals(rows):
    print('\n| goal | measured | limit | |\n|---|---:|---:|---|')
    for what, value, sign, limit in rows:
        met = value <= limit if sign == '<=' else value >= limit
        print(f'| {what} | {number(value)} | {"at most" if sign == "<=" else "at least"} {limit} |'
              f' {"met" if met else "unknown" if value != value else "**missed**"} |')


def describe_machine():
    with open('/proc/cpuinfo') as file:
        model = re.search(r'model name\s*: (.*)', file.read())
    return (f'{time.strftime("%d %B %Y").lstrip("0")}, {len(CORES)} cores of '
            f'{model[1] if model else platform.machine()}, {platform.system()} '
            f'{platform.release().split("-")[0]}, a second for each load, {REPEATS} times')


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit != resource.RLIM_INFINITY and limit < IDLE + 100:
        sys.exit(f'{IDLE + 100} descriptors are needed; ulimit -n says {limit}')
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if not shutil.which('wrk'):
        sys.exit('wrk is needed, but not installed')
    if not build('baseline.c'):
        sys.exit(1)
    others = find_others()
    results, starts = compare_servers(others)
    floods = {} if ONLY else measure_floods(others)
    goals = [] if ONLY else measure_goals(results, starts, floods)
    print('\n' + describe_machine())
    print_table(results, starts, floods)
    if ONLY:
        return
    print_goals(goals)
    draw_chart({title: {name: median(servers, name, RATE) for name in servers}
                for title, servers in results.items()}).write('build/bench.svg')
    print('\nThe chart is build/bench.svg.')


if __name__ == '__main__':
    main()
