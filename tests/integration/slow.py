"""slow.py PORT: slow bodies through HTTPS. One address, 127.9.9.9, opens 300 connections a second to
127.0.0.1, and on each it sends a request whose body does not end. They are not posts, which HAProxy
counts. Meanwhile 29 other addresses log in, and they too send their request in two pieces: user1 to
user29, whose password is `pw`. The last line is `N of 29 logged in`."""
import asyncio
import ssl
import sys

PORT = int(sys.argv[1])
PER_SECOND = 300
KEPT_OPEN = 1000  # connections of the one address; then the oldest is closed
OTHERS = 29
GAP = 3  # seconds between the two pieces
ENDLESS = b'GET /home HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\n\r\n{'

tls = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
tls.check_hostname = False
tls.verify_mode = ssl.CERT_NONE


def login(name):
    body = f'{{"username": "{name}", "password": "pw"}}'
    head = f'POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n'
    request = (head + body).encode()
    return request[:-20], request[-20:]


def connect(address):
    return asyncio.open_connection('127.0.0.1', PORT, ssl=tls, local_addr=(address, 0))


async def attack(writers):
    try:
        _, writer = await connect('127.9.9.9')
        writer.write(ENDLESS)
        writers.append(writer)
        if len(writers) > KEPT_OPEN:
            writers.pop(0).transport.abort()
    except OSError:
        pass  # refused


async def attack_all(writers):
    while True:
        asyncio.ensure_future(attack(writers))
        await asyncio.sleep(1 / PER_SECOND)


async def log_in(number):
    try:
        reader, writer = await connect(f'127.3.0.{number}')
        first, second = login(f'user{number}')
        writer.write(first)
        await asyncio.sleep(GAP)
        writer.write(second)
        response = await asyncio.wait_for(reader.read(1000), 30)
        writer.transport.abort()
        return b'"Logged in"' in response
    except (OSError, asyncio.TimeoutError):
        return False


async def main():
    writers = []
    attackers = asyncio.ensure_future(attack_all(writers))
    await asyncio.sleep(2)
    served = await asyncio.gather(*(log_in(number) for number in range(1, OTHERS + 1)))
    attackers.cancel()
    still_open = sum(not writer.transport.is_closing() for writer in writers)
    print(f'the attacker: {len(writers)} connections, {still_open} still open')
    print(f'{sum(served)} of {OTHERS} logged in')


asyncio.run(main())
