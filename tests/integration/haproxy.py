"""haproxy.py SERVER FOLDER - tests examples/haproxy.cfg, which haproxy.sh has prepared in FOLDER.

A thousand clients, each a user with an address and a connection of its own, log in and are greeted through
HTTPS, while HAProxy reloads and starts anew, and a server is killed. Before, the limits are tried, and an
attack. The last line is `N passed, N failed`.
"""
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
import http.client
import os
import re
import signal
import ssl
import subprocess
import sys
import time

sys.path.append('tests')
from check import check, report  # noqa: E402

SERVER, FOLDER = sys.argv[1:]
SITE = '127.0.0.1'
BACKENDS = {'a': '10.0.0.11', 'b': '10.0.0.12', 'c': '10.0.0.13'}
USERS = range(1, 1001)
processes = {}
cookies = {}  # of each user, as HAProxy set them

TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
TLS.check_hostname = False
TLS.verify_mode = ssl.CERT_NONE


def eventually(condition):
    deadline = time.monotonic() + 20
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.1)
    return condition()


# ---- Requests ----

def connect(host, source, timeout=20):
    """A backend is asked without TLS, and without HAProxy."""
    if host in BACKENDS.values():
        return http.client.HTTPConnection(host, 8080, timeout, (source, 0))
    return http.client.HTTPSConnection(host, 443, timeout=timeout, source_address=(source, 0), context=TLS)


def ask(connection, method, path, body=None, **headers):
    """Returns the status, 0 without a response, the text, and the header."""
    try:
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        return response.status, response.read().decode(), response.headers
    except (OSError, http.client.HTTPException):
        return 0, '', {}


def ask_once(host, source, *request, **headers):
    connection = connect(host, source)
    response = ask(connection, *request, **headers)
    connection.close()
    return response


def credentials(user, password='pw'):
    return f'{{"username": "user{user}", "password": "{password}"}}'


# ---- The users ----

def for_users(function):
    """Calls it for each user, 50 at a time. Returns the users for each result."""
    results = {}
    with ThreadPoolExecutor(50) as pool:
        for user, result in zip(USERS, pool.map(function, USERS)):
            results.setdefault(result, set()).add(user)
    return results


def address(user):
    return f'127.1.{user // 250}.{user % 250 + 1}'


def log_in(user):
    status, _, header = ask_once(SITE, address(user), 'POST', '/login', credentials(user))
    cookies[user] = header.get('Set-Cookie', '').split(';')[0]
    return status


def greet(user, host=SITE):
    """`right`, if the user is greeted by its name. HAProxy removes its prefix; a backend gets none."""
    cookie = cookies[user] if host == SITE else re.sub('=.*~', '=', cookies[user])
    status, text, _ = ask_once(host, address(user), 'GET', '/home', Cookie=cookie)
    if text == f'{{"message": "Hello, user{user}"}}':
        return 'right'
    return 'lost' if status == 401 else 'wrong'


ALL = {'right': set(USERS)}


# ---- HAProxy and the servers ----

def start(name, *command):
    log = open(f'{FOLDER}/{name}.log', 'w')
    processes[name] = subprocess.Popen(command, stdout=log, stderr=log)


def start_server(name):
    start(name, SERVER, '-a', BACKENDS[name], '-S', '-q', '-u', f'{FOLDER}/users')


def start_haproxy():
    start('haproxy', 'haproxy', '-W', '-f', f'{FOLDER}/haproxy.cfg')
    return eventually(lambda: ask_once(SITE, SITE, 'GET', '/home')[0] == 401)


def reload_haproxy():
    processes['haproxy'].send_signal(signal.SIGUSR2)


def haproxy_says(text):
    return eventually(lambda: text in open(f'{FOLDER}/haproxy.log').read())


def has_one_worker():
    command = ['pgrep', '-c', '-P', str(processes['haproxy'].pid)]
    return subprocess.run(command, stdout=subprocess.PIPE).stdout == b'1\n'


def start_all():
    with open(f'{FOLDER}/users', 'w', opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        file.writelines(f'user{user}:pw\n' for user in USERS)
    for name in BACKENDS:
        start_server(name)
    check('HAProxy starts', start_haproxy())


# ---- The tests ----

def test_example():
    cookie = ask_once(SITE, SITE, 'POST', '/login', credentials(1))[2].get('Set-Cookie', '')
    check('A login through HTTPS gets a cookie marked Secure', re.sub('[abc]~[0-9a-f]{40}', 'ID', cookie),
          'session_id=ID; Path=/; HttpOnly; SameSite=Lax; Secure')
    check('The user is greeted and logs out through HAProxy',
          [ask_once(SITE, SITE, method, path, Cookie=cookie.split(';')[0])[1] for method, path in (
              ('GET', '/home'), ('POST', '/logout'))],
          ['{"message": "Hello, user1"}', '{"message": "logged out"}'])
    curl = ['curl', '-sk', '--http2', '-o', '/dev/null', '-w', '%{http_version}', f'https://{SITE}/home']
    check('HAProxy speaks HTTP/2 to the client, HTTP/1.1 to the server',
          subprocess.run(curl, stdout=subprocess.PIPE).stdout, b'2')
    for sentence, origin, expected in (
            ("A browser's post from a page of the site is accepted", f'https://{SITE}', 200),
            ('One from a page of another origin is refused', 'https://example.org', 403)):
        check(sentence, ask_once(SITE, SITE, 'POST', '/logout', Origin=origin)[0], expected)
    for host, url in ((SITE, f'https://{SITE}/home'), ('::1', 'https://[::1]/home')):
        status, _, header = ask(http.client.HTTPConnection(host, 80, timeout=20), 'GET', '/home')
        check(f'Port 80 of {host} redirects to HTTPS', (status, header.get('Location')), (301, url))


def posts(source, count, host=SITE):
    """How many of these posts from this address are accepted."""
    connection = connect(host, source)
    return sum(ask(connection, 'POST', '/logout')[0] == 200 for _ in range(count))


def pupil(user):
    """Types the password wrong three times, logs in, and logs out."""
    attempts = [('/login', credentials(user, 'pv'))] * 3 + [('/login', credentials(user)), ('/logout', '')]
    return [ask_once(SITE, '127.2.2.4', 'POST', *attempt)[0] for attempt in attempts]


def test_limits():
    check('The posts from one address are limited', (posts('127.2.2.2', 250), posts('127.2.2.3', 10)),
          (200, 10))
    check('So are those from a /64 network of IPv6', (
        posts('fd00:0:0:1::1', 150, '::1'), posts('fd00:0:0:1::2', 150, '::1'),
        posts('fd00:0:0:2::1', 10, '::1')), (150, 50, 10))
    with ThreadPoolExecutor(30) as pool:
        results = list(pool.map(pupil, USERS[:30]))
    check('A class of 30 behind one address is not refused', Counter(sum(results, [])), {401: 90, 200: 60})


def attack(connections, stop):
    """One address sends requests whose bodies do not end. They are not posts, which are counted."""
    while not stop:
        connection = connect(SITE, '127.9.9.9')
        try:
            connection.request('GET', '/home', headers={'Content-Length': '99'})
            connections.append(connection)
        except OSError:
            pass  # refused
        if len(connections) > 1000:
            connections.pop(0).close()


def log_in_slowly(user):
    """Sends the body in two pieces."""
    connection, body = connect(SITE, f'127.3.0.{user}', 30), credentials(user).encode()
    try:
        connection.request('POST', '/login', headers={'Content-Length': str(len(body))})
        time.sleep(3)
        connection.send(body)
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return None


def is_open(connection):
    connection.sock.setblocking(False)
    try:
        return connection.sock.recv(1) == b'never'
    except ssl.SSLWantReadError:
        return True
    except OSError:
        return False


def test_slow_bodies():
    connections, stop = [], []
    with ThreadPoolExecutor(40) as pool:
        for _ in range(4):
            pool.submit(attack, connections, stop)
        time.sleep(2)
        seen = Counter(pool.map(log_in_slowly, USERS[:29]))
        still_open = sum(map(is_open, list(connections)))
        stop.append(True)
    print(f'the attacker: {len(connections)} connections, {still_open} still open')
    check('While one address sends slow bodies, others log in with slow ones', seen, {200: 29})
    check('That address can hold 180 to 200 connections: a class of 30 needs 180',
          180 <= still_open <= 200 or still_open)


def test_reload():
    """The reload and the restart happen while the users come."""
    check('Every user logs in', for_users(log_in), {200: set(USERS)})
    check('Every user is greeted by its name', for_users(greet), ALL)
    reload_haproxy()
    check('A reload loses no session and no response', for_users(greet), ALL)
    check('The old process ends', eventually(has_one_worker))
    check('Nor is a session lost later', for_users(greet), ALL)
    connection = connect(SITE, SITE)
    ask(connection, 'GET', '/home')
    reload_haproxy()
    time.sleep(1)
    check('A connection that was idle at a reload accepts one more request',
          ask(connection, 'GET', '/home')[0], 401)
    # A table of sessions would be lost with the old HAProxy, and a new HAProxy passes its table to the
    # process of a reload only after 5 s.
    processes['haproxy'].terminate()
    processes['haproxy'].wait()
    start_haproxy()
    reload_haproxy()
    check('A restart of HAProxy and an immediate reload lose no session', for_users(greet), ALL)


def test_kill():
    def at(name):
        return for_users(lambda user: greet(user, BACKENDS[name])).get('right', set())

    homes = {name: at(name) for name in BACKENDS}
    check('Each session is in one server', sorted(sum(map(list, homes.values()), [])), list(USERS))
    check('Each server has some', all(homes.values()))
    victims = homes['a']
    with ThreadPoolExecutor(1) as pool:
        visit = pool.submit(for_users, greet)
        time.sleep(0.5)
        processes['a'].kill()
    check('While a server is killed, the users of the others are greeted',
          visit.result()['right'] | victims, set(USERS))
    processes['a'].wait()
    check('HAProxy notices that it is down', haproxy_says('app/a is DOWN'))
    check('Only the sessions of the killed server are lost', for_users(greet),
          {'right': set(USERS) - victims, 'lost': victims})
    start_server('a')
    check('HAProxy notices that it is back', haproxy_says('app/a is UP'))
    check('Then every user logs in', for_users(log_in), {200: set(USERS)})
    check('and is greeted', for_users(greet), ALL)
    check('It gets its share again', bool(at('a')))


def main():
    start_all()
    for test in (test_example, test_limits, test_slow_bodies, test_reload, test_kill):
        test()
    report()


signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
try:
    main()
finally:
    for process in processes.values():
        process.terminate()
        process.wait()
