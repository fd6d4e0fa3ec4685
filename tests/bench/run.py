#!/usr/bin/env python3
"""Measures the server, a baseline and other servers, and prints the results.

    python3 tests/bench/run.py [-q]     from the top of the project, with ./server built
                                        (`make bench`, `make bench BENCH=-q`)
    -q  each load once instead of five times: rough, in about three minutes

Every load is given to one server after the other, for a second each, and that five times, so that a
machine that slows down slows all of them. A figure is the median of the five, and a ratio is the
median of the five ratios. The server has the first core, the load the last. CPU time is what all
threads of the server spend, inside and outside of the kernel, divided by the requests.

The baseline is floor.c. The other servers, in rivals/, are built if their libraries are installed;
one that is missing is reported and left out. It needs Linux, wrk, and 10,100 descriptors (ulimit -n).
The speed depends on the machine as well: a goal that is missed is reported, but it is not a failure.
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
sys.path.insert(0, f'{HERE}/../../docs/pictures')
from chart import draw_chart  # noqa: E402

QUICK = '-q' in sys.argv[1:]
REPEATS, STARTS = (1, 5) if QUICK else (5, 15)
IDLE, SESSIONS, USERS = 10000, 1000000, 100000
ROWS = SESSIONS + SESSIONS // 10  # of user_sessions
SAMPLE = 10000  # of the sessions or users, for the requests
CORES = sorted(os.sched_getaffinity(0))
SERVER_CORE, LOAD_CORE = CORES[0], CORES[-1]

os.makedirs('build', exist_ok=True)
WORK = tempfile.mkdtemp(prefix='bench.', dir='build')
atexit.register(shutil.rmtree, WORK)
BASELINE = f'{WORK}/floor PORT'
SERVER = './server -q -a 127.0.0.1 -c 12000 -p PORT'
NAN = float('nan')
RATE, CPU, MEMORY = 0, 1, 2  # of a measurement: requests a second, microseconds, bytes


def run(command, core=LOAD_CORE, **options):
    """Starts a program on one core."""
    return subprocess.Popen(command, preexec_fn=lambda: os.sched_setaffinity(0, {core}),
                            text=True, **options)


def output_of(command):
    """The output of a program, or None if it fails."""
    process = run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    output = process.communicate()[0]
    return output if process.returncode == 0 else None


def load(server, what, *options):
    return output_of([f'{WORK}/load', *map(str, options), str(server.port), *what.split()])


def number_in(path, column):
    with open(path) as file:
        return int(file.read().split()[column])


# ---- Servers ----

def take_port(command):
    """A free port, and the words of the command with this port for PORT."""
    with socket.socket() as free:
        free.bind(('127.0.0.1', 0))
        port = free.getsockname()[1]
    with open(f'{HERE}/rivals/nginx.conf') as conf, open(f'{WORK}/{port}.conf', 'w') as own:
        own.write(conf.read().replace('PORT', str(port)))
    return port, command.replace('PORT', str(port)).split()


class Server:
    """A running server; PORT in `command` stands for its port."""

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
        """The folders in /proc of its process and of the children."""
        for pid in filter(str.isdigit, os.listdir('/proc')):
            with contextlib.suppress(OSError):
                if os.getsid(int(pid)) == self.leader.pid:
                    yield f'/proc/{pid}'

    def cpu(self):
        threads = [path for process in self.processes() for path in glob.glob(f'{process}/task/*')]
        return sum(number_in(f'{thread}/schedstat', 0) for thread in threads) / 1e9

    def wakeups(self):
        """How often its threads have gone to sleep, or were interrupted, so far."""
        count = 0
        for process in self.processes():
            for status in glob.glob(f'{process}/task/*/status'):
                with open(status) as file:
                    count += sum(map(int, re.findall(r'ctxt_switches:\s*(\d+)', file.read())))
        return count

    def memory(self):
        pages = sum(number_in(f'{process}/statm', 1) for process in self.processes())
        return pages * resource.getpagesize()

    def log_in(self, times):
        """Opens so many sessions, and returns the ids of some of them."""
        connections = min(times, 50)
        load(self, 'login', f'-c{connections}', f'-n{times // connections}', f'-o{WORK}/ids')
        with open(f'{WORK}/ids') as file:
            ids = file.read().split() or ['0' * 40]  # the baseline takes any
        return ids[::max(1, len(ids) // SAMPLE)]


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
    others = {'nginx': f'nginx -p {WORK} -c PORT.conf',
              'libmicrohttpd': build('rivals/libmicrohttpd.c', '-lmicrohttpd'),
              'libevent': build('rivals/libevent.c', '-levent'),
              'node': f'node {HERE}/rivals/node.js PORT'}
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


# ---- Loads. Each returns requests and seconds, or None if the server fails under it. ----

def wrk_command(server, writes, seconds):
    with open(f'{WORK}/writes', 'w') as file:
        file.writelines(text.replace('\r\n', '\\r\\n') + '\n' for text in writes)
    return ['wrk', '-t1', '-c64', f'-d{seconds}s', '-s', f'{HERE}/requests.lua',
            f'http://127.0.0.1:{server.port}/', '--', f'{WORK}/writes']


def wrk(server, writes):
    output = output_of(wrk_command(server, writes, 1)) or ''
    found = re.search(r'([1-9]\d*) requests in ([\d.]+)s', output)
    return found and 'Non-2xx' not in output and (int(found[1]), float(found[2]))


def send_batches(server, what, connections):
    output = load(server, what, f'-c{connections}', '-t1')
    return output and (int(output.split()[0]), float(output.split()[1]))


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
    return send_batches(server, 'home', 1)


def logout(server):
    return send_batches(server, 'logout', 64)


# ---- Measuring ----

@contextlib.contextmanager
def idle_connections(server, count):
    """Keeps so many connections open and idle; whether the server keeps them."""
    if not count:
        yield True
        return
    holder = run([f'{WORK}/load', f'-c{count}', str(server.port), 'hold'],
                 stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    yield holder.stdout.readline() == 'ready\n'
    holder.communicate()


def measure(server, loaded, idle):
    with idle_connections(server, idle) as kept:
        before = server.cpu()
        done = kept and loaded(server)
        time.sleep(0.02)  # the time of a process that sleeps is accounted for
        spent = server.cpu() - before
        return done and (done[0] / done[1], spent / done[0] * 1e6, server.memory())


def compare(title, servers, loads):
    """Loads one server after the other, each with its (load, idle connections). Returns the results
    by name, without the servers that failed."""
    results = {name: [] for name in servers}
    for number in range(REPEATS):
        print(f'\r{title}: {number + 1} of {REPEATS} ', end='', flush=True)
        for name, server in servers.items():
            results[name].append(measure(server, *loads[name]))
    print()
    for name in [name for name, done in results.items() if not all(done)]:
        print(f'    {name} is left out, because it fails under this load')
        del results[name]
    return results


# What all servers get: title, load, idle connections in addition, and the baseline for it.
LOADS = [
    ('GET /home, 64 connections', home, 0, BASELINE),
    ('16 requests pipelined', pipelined, 0, BASELINE),
    ('64 beside 10,000 idle', home, IDLE, BASELINE),
    ('one connection', one, 0, BASELINE),
    ('one beside 10,000 idle', one, IDLE, BASELINE),
    ('one connection per request', closing, 0, BASELINE + ' close'),
    ('POST /login', login, 0, None),
    ('POST /login and /logout', logout, 0, None),
]
HOME, PIPELINED, HOME_IDLE, ONE, ONE_IDLE, CLOSING, LOGIN, LOGOUT = (row[0] for row in LOADS)


def compare_servers(others):
    """All servers under all loads. Returns the results by load and name."""
    results = {}
    for title, loaded, idle, baseline in LOADS:
        commands = {'server': SERVER, **({'baseline': baseline} if baseline else {}), **others}
        if not baseline:
            commands.pop('nginx', None)  # its response is a constant, and it has no login
        with running(commands) as servers:
            results[title] = compare(title, servers, dict.fromkeys(servers, (loaded, idle)))
    return results


def compare_ways():
    """The server in one way and in another. Returns the results by way, as 'one' and 'many'."""
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


def p99_beside(server, command, what, *options):
    """The 99th percentile, in ms, of a client's requests while another program loads the server."""
    other = run(['nice', '-n', '19', *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    time.sleep(0.5)
    output = load(server, what, *options)
    loaded = other.poll() is None
    other.kill()
    other.wait()
    return int(output.split()[3]) / 1e3 if output and loaded else NAN


def p99_under_flood(server):
    return p99_beside(server, [f'{WORK}/load', '-c64', str(server.port), 'flood'], 'home', '-t2')


def p99_of_idle(server):
    """Of clients that are idle between two requests, beside 64 connections and 10,000 idle ones."""
    command = wrk_command(server, [get(server.sessions[0])], 8)
    with idle_connections(server, IDLE) as kept:
        return p99_beside(server, command, 'idle', '-c20', '-p5000', '-t5') if kept else NAN


def wakeups_at_rest(server):
    """A second, after the last timeout of a connection."""
    time.sleep(17)
    before = server.wakeups()
    time.sleep(5)
    return (server.wakeups() - before) / 5


def cpu_at_rest(server):
    """With 10,000 idle connections, in percent."""
    with idle_connections(server, IDLE) as kept:
        time.sleep(1)
        before = server.cpu()
        time.sleep(5)
        return (server.cpu() - before) / 5 * 100 if kept else NAN


def startup_time(command):
    """From the start to the first response, in ms."""
    times = []
    for _ in range(STARTS):
        port, words = take_port(command)
        times.append(float(output_of([f'{WORK}/load', str(port), 'start', *words]) or NAN))
    return statistics.median(times)


def measure_others(others):
    """What is not a load."""
    commands = {'server': SERVER, 'baseline': BASELINE, **others}
    single = {'start': {name: startup_time(command) for name, command in commands.items()}}
    with running(commands) as servers:
        single['flood'] = {name: p99_under_flood(server) for name, server in servers.items()}
    with running({'server': SERVER}) as servers:
        single['idle'] = p99_of_idle(servers['server'])
        single['cpu'] = cpu_at_rest(servers['server'])
        single['wakeups'] = wakeups_at_rest(servers['server'])
    return single


# ---- Results ----

def median(results, name, column):
    return statistics.median(each[column] for each in results[name]) if name in results else NAN


def ratio(results, name, other, column):
    if name not in results or other not in results:
        return NAN
    return statistics.median(a[column] / b[column] for a, b in zip(results[name], results[other]))


def goals(results, ways, single):
    """Each goal: its name, what was measured, and the limit."""
    def own(load_title, other, column):
        return ratio(results[load_title], 'server', other, column)

    def way(name, column):
        return ratio(ways[name], 'many', 'one', column)

    table = median(ways['sessions'], 'many', MEMORY) - median(ways['sessions'], 'one', MEMORY)
    memory = median(results[HOME_IDLE], 'server', MEMORY) / 2**20
    return [
        (f'{HOME}: CPU / baseline', own(HOME, 'baseline', CPU), '<=', 1.06),
        (f'{PIPELINED}: requests/s / nginx', own(PIPELINED, 'nginx', RATE), '>=', 4),
        (f'{CLOSING}: CPU / nginx', own(CLOSING, 'nginx', CPU), '<=', 1.1),
        (f'{LOGIN}: CPU / libmicrohttpd', own(LOGIN, 'libmicrohttpd', CPU), '<=', 1),
        (f'{HOME_IDLE}: requests/s / without them', way('idle', RATE), '>=', 0.9),
        (f'{HOME_IDLE}: memory in all, MB', memory, '<=', 4),
        ('request of an idle client beside that: p99, ms', single['idle'], '<=', 60),
        ('wake-ups a second without a connection', single['wakeups'], '<=', 0),
        ('CPU at rest with 10,000 idle, %', single['cpu'], '<=', 0.5),
        ('a million sessions: CPU of GET /home / one session', way('sessions', CPU), '<=', 1.2),
        ('100,000 users: CPU of POST /login / one user', way('users', CPU), '<=', 1.2),
        ('a row of user_sessions, bytes', table / ROWS, '<=', 128),
        ('with the access log: CPU / without it', way('log', CPU), '<=', 1.25),
        ('start to first response, ms', single['start']['server'], '<=', 5),
        ('beside 64 that send without end: p99, ms', single['flood']['server'], '<=', 5),
    ]


def number(value):
    """Three significant digits, or whole numbers with a comma for thousands."""
    if value != value:
        return '-'
    return f'{value:,.0f}' if value >= 1000 else f'{value:#.3g}'.rstrip('.')


def print_bars(results):
    print('\nRequests a second, CPU time per request, and that as a multiple of the server\'s:')
    for title, servers in results.items():
        print(f'\n{title}')
        fastest = max(median(servers, name, RATE) for name in servers)
        for name in servers:
            rate, cpu = median(servers, name, RATE), median(servers, name, CPU)
            times = ratio(servers, name, 'server', CPU)
            print(f'  {name:14} {rate:10,.0f}/s {cpu:7.2f} us {times:6.2f} x '
                  f'{"#" * round(30 * rate / fastest)}')


def print_tables(results, single, goal_rows):
    """In Markdown, for the README."""
    names = list(results[HOME])
    print(f'\n{time.strftime("%d %B %Y").lstrip("0")}, {machine()}. '
          'Made by `make bench`.\n\nRequests a second (microseconds of CPU per request):\n')
    print('| |', ' | '.join(names), '|\n|---|' + '---:|' * len(names))
    for title, servers in results.items():
        cells = [f'{number(median(servers, name, RATE))} ({number(median(servers, name, CPU))})'
                 if name in servers else '-' for name in names]
        print(f'| {title} |', ' | '.join(cells), '|')
    cells = [number(median(results[HOME_IDLE], name, MEMORY) / 2**20) for name in names]
    print('| memory with 10,000 idle, MB |', ' | '.join(cells), '|')
    for title, key in (('start to first response, ms', 'start'),
                       ('p99 beside 64 that send without end, ms', 'flood')):
        print(f'| {title} |', ' | '.join(number(single[key][name]) for name in names), '|')
    print('\n| goal | measured | limit | |\n|---|---:|---:|---|')
    for what, value, sign, limit in goal_rows:
        met = value <= limit if sign == '<=' else value >= limit
        print(f'| {what} | {number(value)} | {"at most" if sign == "<=" else "at least"} {limit} |'
              f' {"met" if met else "unknown" if value != value else "**missed**"} |')


def machine():
    with open('/proc/cpuinfo') as file:
        model = re.search(r'model name\s*: (.*)', file.read())
    return (f'{len(CORES)} cores of {model[1] if model else platform.machine()}, '
            f'{platform.system()} {platform.release().split("-")[0]}, '
            f'a second for each load, {"once" if QUICK else f"{REPEATS} times"}')


def write_chart(results, path):
    draw_chart({title: {name: median(servers, name, RATE) for name in servers}
                for title, servers in results.items()}).write(path)


def main():
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if limit != resource.RLIM_INFINITY and limit < IDLE + 100:
        sys.exit(f'{IDLE + 100} descriptors are needed; ulimit -n says {limit}')
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    if not shutil.which('wrk'):
        sys.exit('wrk is needed, but not installed')
    if not build('load.c') or not build('floor.c'):
        sys.exit(1)
    others = find_others()
    results, ways = compare_servers(others), compare_ways()
    print('start, flood, idle clients, rest')
    single = measure_others(others)
    print_bars(results)
    print_tables(results, single, goals(results, ways, single))
    write_chart(results, 'build/bench.svg')
    print('\nThe chart is build/bench.svg.')


if __name__ == '__main__':
    main()
