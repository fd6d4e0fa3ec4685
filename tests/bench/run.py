#!/usr/bin/env python3
"""Measures the server beside the floor and its rivals, and prints what came out.

    python3 tests/bench/run.py [-q]     from the top of the project, with ./server built
                                        (`make bench`, `make bench BENCH=-q`)
    -q  one round instead of five: rough, in about two minutes

Every load is given to all servers in turn, for a second each, and that for five rounds, so that a
machine that slows down slows all of them. A figure is the middle one of the rounds, and a ratio is
the middle one of the rounds' ratios. The server has the first core, the load the last. CPU time is
all that the server's threads spend, in the kernel and outside of it, divided by the requests.

Rivals are built where their libraries are found; what is missing is named and left out. It needs
Linux, wrk, and 10,100 descriptors (ulimit -n). Python is used for this alone. Speed is the
machine's as much as the server's: a target that is missed is named, and fails nothing.
"""
import atexit
import contextlib
import glob
import os
import platform
import re
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
QUICK = '-q' in sys.argv[1:]
ROUNDS, STARTS = (1, 5) if QUICK else (5, 15)
IDLE, SESSIONS, USERS = 10000, 1000000, 100000
ROWS = SESSIONS + SESSIONS // 10  # of user_sessions
SAMPLE = 10000  # of the sessions or users, for the requests
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]

os.makedirs('build', exist_ok=True)
WORK = tempfile.mkdtemp(prefix='bench.', dir='build')
atexit.register(shutil.rmtree, WORK)
FLOOR = f'{WORK}/floor PORT'
SERVER = './server -q -a 127.0.0.1 -c 12000 -p PORT'
NAN = float('nan')
RATE, CPU, MEMORY = 0, 1, 2  # of a measurement: requests a second, microseconds, bytes


def run(command, core=LOAD_CORE, **options):
    """Starts a program on one core."""
    return subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {core}),
                            text=True, **options)


def said_by(command):
    """What a program says until it ends; None where it fails."""
    process = run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    said = process.communicate()[0]
    return said if process.returncode == 0 else None


def load(server, what, *options):
    return said_by([f'{WORK}/load', *map(str, options), str(server.port), *what.split()])


def number_in(path, column):
    with open(path) as file:
        return int(file.read().split()[column])


# ---- Servers ----

def take_port(command):
    """A free port, and the words of the command with it in place of PORT."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    with open(f'{HERE}/rivals/nginx.conf') as conf, open(f'{WORK}/{port}.conf', 'w') as own:
        own.write(conf.read().replace('PORT', str(port)))
    return port, command.replace('PORT', str(port)).split()


class Server:
    """A server that runs; `command` names its port as PORT."""

    def __init__(self, command):
        self.port, self.command = take_port(command)
        with open(f'{WORK}/log', 'w') as log:
            self.leader = run(self.command, SERVER_CORE, start_new_session=True,
                              stdout=subprocess.DEVNULL, stderr=log)
        self.wait()
        self.sessions = self.log_in(1)

    def wait(self):
        for _ in range(1000):
            with contextlib.suppress(OSError):
                socket.create_connection(('127.0.0.1', self.port)).close()
                return
            time.sleep(0.01)
        sys.exit(f'{self.command[0]} does not start')

    def stop(self):
        os.killpg(self.leader.pid, signal.SIGKILL)
        self.leader.wait()

    def processes(self):
        """Their folders in /proc: its own, and those of its children."""
        for pid in filter(str.isdigit, os.listdir('/proc')):
            with contextlib.suppress(OSError):
                if os.getsid(int(pid)) == self.leader.pid:
                    yield f'/proc/{pid}'

    def cpu(self):
        threads = [path for process in self.processes() for path in glob.glob(f'{process}/task/*')]
        return sum(number_in(f'{thread}/schedstat', 0) for thread in threads) / 1e9

    def memory(self):
        pages = sum(number_in(f'{process}/statm', 1) for process in self.processes())
        return pages * resource.getpagesize()

    def log_in(self, times):
        """Opens so many sessions, and returns the ids of some of them."""
        at_once = min(times, 50)
        load(self, 'login', f'-c{at_once}', f'-n{times // at_once}', f'-o{WORK}/ids')
        with open(f'{WORK}/ids') as file:
            ids = file.read().split() or ['0' * 40]  # the floor takes any
        return ids[::max(1, len(ids) // SAMPLE)]


def build(source, *libraries):
    """Compiles a program of ours. Returns how it is run, or '' after a word about what is wrong."""
    name = os.path.basename(source)[:-len('.c')]
    command = [*os.environ.get('CC', 'cc').split(), '-O2', '-D_POSIX_C_SOURCE=200809L',
               '-o', f'{WORK}/{name}', f'{HERE}/{source}', *libraries]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        print(f'{name} is left out, as it does not build: {done.stderr.splitlines()[0]}')
    return '' if done.returncode else f'{WORK}/{name} PORT'


def find_rivals():
    rivals = {'nginx': f'nginx -p {WORK} -c PORT.conf',
              'libmicrohttpd': build('rivals/libmicrohttpd.c', '-lmicrohttpd'),
              'libevent': build('rivals/libevent.c', '-levent'),
              'node': f'node {HERE}/rivals/node.js PORT'}
    for name in ('nginx', 'node'):
        if not shutil.which(name):
            print(f'{name} is left out, as it is not installed')
            rivals[name] = ''
    return {name: command for name, command in rivals.items() if command}


@contextlib.contextmanager
def running(commands):
    servers = {name: Server(command) for name, command in commands.items()}
    try:
        yield servers
    finally:
        for server in servers.values():
            server.stop()


# ---- Loads. Each returns requests and seconds, or None where the server does not stand it. ----

def wrk(server, writes):
    with open(f'{WORK}/writes', 'w') as file:
        file.writelines(text.replace('\r\n', '\\r\\n') + '\n' for text in writes)
    said = said_by(['wrk', '-t1', '-c64', '-d1s', '-s', f'{HERE}/requests.lua',
                    f'http://127.0.0.1:{server.port}/', '--', f'{WORK}/writes']) or ''
    found = re.search(r'([1-9]\d*) requests in ([\d.]+)s', said)
    return found and 'Non-2xx' not in said and (int(found[1]), float(found[2]))


def ask(server, what, connections):
    said = load(server, what, f'-c{connections}', '-t1')
    return said and (int(said.split()[0]), float(said.split()[1]))


def get(session, fields=''):
    return f'GET /home HTTP/1.1\r\nHost: 127.0.0.1\r\n{fields}Cookie: session_id={session}\r\n\r\n'


def post(name):
    body = f'{{"username":"{name}","password":"{name}"}}'
    return ('POST /login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n'
            f'Content-Length: {len(body)}\r\n\r\n{body}')


def home(server):
    return wrk(server, [get(server.sessions[0])])


def home_of_one(server):
    return wrk(server, SAMPLE * [get(server.sessions[0])])


def home_of_many(server):
    return wrk(server, [get(session) for session in server.sessions])


def pipelined(server):
    return wrk(server, [16 * get(server.sessions[0])])


def closing(server):
    return wrk(server, [get(server.sessions[0], 'Connection: close\r\n')])


def login(server):
    return wrk(server, [post('foo')])


def login_of_one(server):
    return wrk(server, SAMPLE * [post('foo')])


def login_of_many(server):
    return wrk(server, [post(f'user{i}') for i in range(0, USERS, USERS // SAMPLE)])


def one(server):
    return ask(server, 'home', 1)


def turns(server):
    return ask(server, 'turn', 64)


# ---- Measuring ----

@contextlib.contextmanager
def holding(server, connections):
    """Beside so many connections that are open and idle; whether the server holds them."""
    if not connections:
        yield True
        return
    holder = run([f'{WORK}/load', f'-c{connections}', str(server.port), 'hold'],
                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield holder.stdout.readline() == 'ready\n'
    holder.communicate()


def measure(server, loaded, idle):
    with holding(server, idle) as held:
        before = server.cpu()
        done = held and loaded(server)
        time.sleep(0.02)  # who sleeps has all its time accounted for
        spent = server.cpu() - before
        return done and (done[0] / done[1], spent / done[0] * 1e6, server.memory())


def compare(title, servers, loads):
    """Loads the servers in turn, each with its (load, idle connections). Returns their rounds by
    their names, without those that do not stand it."""
    rounds = {name: [] for name in servers}
    for number in range(ROUNDS):
        print(f'\r{title}: round {number + 1} of {ROUNDS} ', end='', flush=True)
        for name, server in servers.items():
            rounds[name].append(measure(server, *loads[name]))
    print()
    for name in [name for name, done in rounds.items() if not all(done)]:
        print(f'    {name} is left out, as it does not stand this')
        del rounds[name]
    return rounds


# What all servers get: title, load, connections that are idle beside it, and the floor for it.
LOADS = [
    ('GET /home, 64 connections', home, 0, FLOOR),
    ('16 requests pipelined', pipelined, 0, FLOOR),
    ('64 beside 10,000 idle', home, IDLE, FLOOR),
    ('one connection', one, 0, FLOOR),
    ('one beside 10,000 idle', one, IDLE, FLOOR),
    ('a connection a request', closing, 0, FLOOR + ' close'),
    ('POST /login', login, 0, None),
    ('POST /login and /logout', turns, 0, None),
]
HOME, PIPELINED, HOME_IDLE, ONE, ONE_IDLE, CLOSING, LOGIN, TURNS = (row[0] for row in LOADS)


def compare_rivals(rivals):
    """All of them under all loads. Returns the rounds by load and name."""
    results = {}
    for title, loaded, idle, floor in LOADS:
        commands = {'server': SERVER, **({'floor': floor} if floor else {}), **rivals}
        if not floor:
            commands.pop('nginx', None)  # it answers with a constant, and logs nobody in
        with running(commands) as servers:
            results[title] = compare(title, servers, dict.fromkeys(servers, (loaded, idle)))
    return results


def compare_ways():
    """The server beside itself, run in two ways. Returns the rounds by way, as 'one' and 'many'."""
    users = f'{WORK}/users'
    with open(os.open(users, os.O_CREAT | os.O_WRONLY, 0o600), 'w') as file:
        file.writelines(f'user{i}:user{i}\n' for i in range(USERS))
    share = f'{SERVER} -s {USERS}'
    ways = {
        'idle': ((SERVER, home, 0), (SERVER, home, IDLE)),
        'log': ((SERVER, home, 0), (SERVER.replace(' -q', ''), home, 0)),
        'sessions': ((SERVER, home_of_one, 0), (f'{SERVER} -s {ROWS}', home_of_many, 0)),
        'users': ((share, login_of_one, 0), (f'{share} -u {users}', login_of_many, 0)),
    }
    results = {}
    for title, (one_way, other_way) in ways.items():
        with running({'one': one_way[0], 'many': other_way[0]}) as servers:
            if title == 'sessions':
                servers['many'].sessions = servers['many'].log_in(SESSIONS)
            results[title] = compare(f'many {title}', servers,
                                     {'one': one_way[1:], 'many': other_way[1:]})
    return results


def flooded(server):
    """The 99th percentile, in ms, of one client's requests while others send without end."""
    flood = run(['nice', '-n', '19', f'{WORK}/load', '-c64', str(server.port), 'flood'],
                stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    said = load(server, 'home', '-t2')
    stands = flood.poll() is None
    flood.kill()
    flood.wait()
    return int(said.split()[3]) / 1e3 if said and stands else NAN


def starting(command):
    """From the start to the first answer, in ms."""
    times = []
    for _ in range(STARTS):
        port, words = take_port(command)
        times.append(float(said_by([f'{WORK}/load', str(port), 'start', *words]) or NAN))
    return statistics.median(times)


def text_size():
    return int(said_by(['size', './server']).splitlines()[1].split()[0])


# ---- What came out ----

def middle(rounds, name, column):
    return statistics.median(each[column] for each in rounds[name]) if name in rounds else NAN


def ratio(rounds, name, other, column):
    if name not in rounds or other not in rounds:
        return NAN
    return statistics.median(a[column] / b[column] for a, b in zip(rounds[name], rounds[other]))


def targets(results, ways, single):
    """What is aimed at: its name, what came out, and the bound."""
    def own(load_title, other, column):
        return ratio(results[load_title], 'server', other, column)

    def way(name, column):
        return ratio(ways[name], 'many', 'one', column)

    rivals = [name for name in results[HOME] if name not in ('server', 'floor')]
    best = min((own(HOME, name, RATE) for name in rivals), default=NAN)
    table = middle(ways['sessions'], 'many', MEMORY) - middle(ways['sessions'], 'one', MEMORY)
    memory = middle(results[HOME_IDLE], 'server', MEMORY) / 2**20
    return [
        (f'{HOME}: CPU, times the floor', own(HOME, 'floor', CPU), '<=', 1.06),
        (f'{HOME}: requests/s, times the best rival', best, '>=', 1),
        (f'{PIPELINED}: requests/s, times the floor', own(PIPELINED, 'floor', RATE), '>=', 0.55),
        (f'{PIPELINED}: requests/s, times nginx', own(PIPELINED, 'nginx', RATE), '>=', 4),
        (f'{HOME_IDLE}: requests/s, times those without', way('idle', RATE), '>=', 0.9),
        (f'{HOME_IDLE}: requests/s, times nginx', own(HOME_IDLE, 'nginx', RATE), '>=', 1),
        (f'{HOME_IDLE}: memory in all, MB', memory, '<=', 4),
        (f'{ONE}: CPU, times the floor', own(ONE, 'floor', CPU), '<=', 1.03),
        (f'{ONE_IDLE}: requests/s, times nginx', own(ONE_IDLE, 'nginx', RATE), '>=', 0.9),
        (f'{CLOSING}: CPU, times nginx', own(CLOSING, 'nginx', CPU), '<=', 1),
        (f'{LOGIN}: CPU, times libmicrohttpd', own(LOGIN, 'libmicrohttpd', CPU), '<=', 1),
        (f'{TURNS}: CPU, times libmicrohttpd', own(TURNS, 'libmicrohttpd', CPU), '<=', 1),
        ('a million sessions: CPU of GET /home, times one', way('sessions', CPU), '<=', 1.2),
        ('100,000 users: CPU of POST /login, times one', way('users', CPU), '<=', 1.2),
        ('a row of user_sessions, bytes', table / ROWS, '<=', 128),
        ('the access log on: CPU, times off', way('log', CPU), '<=', 1.25),
        ('start to first answer, ms', single['start']['server'], '<=', 5),
        ('text of the program, KB', text_size() / 1024, '<=', 40),
        ('beside 64 that send without end: p99, ms', single['flood']['server'], '<=', 5),
    ]


def number(value):
    """Three digits that count, or whole thousands with a comma."""
    if value != value:
        return '-'
    return f'{value:,.0f}' if value >= 1000 else f'{value:#.3g}'.rstrip('.')


def print_bars(results):
    print('\nRequests a second, CPU time a request, and that as a multiple of the server\'s:')
    for title, rounds in results.items():
        print(f'\n{title}')
        most = max(middle(rounds, name, RATE) for name in rounds)
        for name in rounds:
            rate, cpu = middle(rounds, name, RATE), middle(rounds, name, CPU)
            times = ratio(rounds, name, 'server', CPU)
            print(f'  {name:14} {rate:10,.0f}/s {cpu:7.2f} us {times:6.2f} x '
                  f'{"#" * round(30 * rate / most)}')


def print_tables(results, single, aims):
    """In Markdown, for the README."""
    names = list(results[HOME])
    print(f'\n{time.strftime("%d %B %Y").lstrip("0")}, {machine()}. '
          'Made by `make bench`.\n\nRequests a second (microseconds of CPU a request):\n')
    print('| |', ' | '.join(names), '|\n|---|' + '---:|' * len(names))
    for title, rounds in results.items():
        cells = [f'{number(middle(rounds, name, RATE))} ({number(middle(rounds, name, CPU))})'
                 if name in rounds else '-' for name in names]
        print(f'| {title} |', ' | '.join(cells), '|')
    cells = [number(middle(results[HOME_IDLE], name, MEMORY) / 2**20) for name in names]
    print('| memory with 10,000 idle, MB |', ' | '.join(cells), '|')
    for title, key in (('start to first answer, ms', 'start'),
                       ('p99 beside 64 that send without end, ms', 'flood')):
        print(f'| {title} |', ' | '.join(number(single[key][name]) for name in names), '|')
    print('\n| target | measured | bound | |\n|---|---:|---:|---|')
    for what, value, sign, bound in aims:
        met = value <= bound if sign == '<=' else value >= bound
        print(f'| {what} | {number(value)} | {"at most" if sign == "<=" else "at least"} {bound} |'
              f' {"met" if met else "unknown" if value != value else "**missed**"} |')


def machine():
    with open('/proc/cpuinfo') as file:
        model = re.search(r'model name\s*: (.*)', file.read())
    return (f'{len(CORES)} cores of {model[1] if model else platform.machine()}, '
            f'{platform.system()} {platform.release().split("-")[0]}, '
            f'{"one round" if QUICK else f"{ROUNDS} rounds"} of a second')


def write_chart(results, path):
    """An SVG with one group of bars a load; the longest of a group is its fastest."""
    colours = {'server': '#1f6feb', 'floor': '#8c959f'}
    lines, y = [], 10
    for title, rounds in results.items():
        y += 26
        lines.append(f'<text x="10" y="{y}" font-weight="bold">{title}</text>')
        most = max(middle(rounds, name, RATE) for name in rounds)
        for name in rounds:
            rate = middle(rounds, name, RATE)
            y += 18
            lines.append(f'<text x="110" y="{y}" text-anchor="end">{name}</text>'
                         f'<rect x="116" y="{y - 11}" width="{400 * rate / most:.1f}" height="13" '
                         f'fill="{colours.get(name, "#c8d1dc")}"/>'
                         f'<text x="{122 + 400 * rate / most:.1f}" y="{y}">{rate:,.0f}/s</text>')
    with open(path, 'w') as file:
        file.write(f'<svg xmlns="http://www.w3.org/2000/svg" width="620" height="{y + 16}" '
                   'font-family="sans-serif" font-size="12">\n<rect width="100%" height="100%" '
                   'fill="white"/>\n' + '\n'.join(lines) + '\n</svg>\n')


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit != resource.RLIM_INFINITY and limit < IDLE + 100:
        sys.exit(f'{IDLE + 100} descriptors are needed; ulimit -n says {limit}')
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if not shutil.which('wrk'):
        sys.exit('wrk is needed, and not installed')
    if not build('load.c') or not build('floor.c'):
        sys.exit(1)
    rivals = find_rivals()
    results, ways = compare_rivals(rivals), compare_ways()
    print('start, and a neighbour who floods')
    commands = {'server': SERVER, 'floor': FLOOR, **rivals}
    single = {'start': {name: starting(command) for name, command in commands.items()}}
    with running(commands) as servers:
        single['flood'] = {name: flooded(server) for name, server in servers.items()}
    print_bars(results)
    print_tables(results, single, targets(results, ways, single))
    write_chart(results, 'build/bench.svg')
    print('\nThe chart is build/bench.svg.')


if __name__ == '__main__':
    main()
