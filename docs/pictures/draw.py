#!/usr/bin/env python3
"""draw.py [FOLDER] - draws the pictures in docs/, or in another folder. A function for each picture; the
places are chosen by hand. See svg.py."""
import os
import sys

from chart import draw_chart, read_table
from svg import Picture

DOCS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


# ---- request.svg: the files and the data types ----

def step_down(picture, x, y, function, file=''):
    """An arrow from one box to the next, with the function that leads there and its file."""
    picture.arrow([(x, y), (x, y + 36)])
    picture.text(x + 12, y + 22, function, 'code')
    picture.text(x + 172, y + 22, file, 'small t-blue')


def column(picture, x, title, steps):
    """A handler: which functions it calls, and what it gets from them."""
    picture.text(x, 94, title, 'code bold')
    for i, (function, file, gets) in enumerate(steps):
        y = 108 + 76 * i
        picture.arrow([(x + 10, y - 4), (x + 10, y + 36)])
        picture.text(x + 22, y + 12, function, 'code')
        picture.text(x + 22, y + 27, file, 'small t-blue')
        picture.box(x, y + 36, 164, 32, gets, 'blue')


def request():
    picture = Picture(800, 552, 'The path of a request from the socket through the files and their data types '
                      'and back to the socket')
    boxes = [
        ('struct text in', '"GET /home HTTP/1.1\\r\\nHost: ..."'),
        ('struct http_request', 'method, path, fields, body: views into the input'),
        ('struct route', '{"GET", "/home", handle_home}'),
        ('struct http_response', 'status, extra_fields, body'),
        ('struct text out', '"HTTP/1.1 200 OK\\r\\nDate: ..."'),
    ]
    steps = [('recv', 'server.c'), ('http_parse', 'http.c'), ('route_request', 'route.c'),
             ('handle_home', 'app.c'), ('http_format_response', 'http.c'), ('send', 'server.c')]
    picture.box(130, 12, 120, 30, 'socket', 'green')
    for i, (function, file) in enumerate(steps):
        step_down(picture, 190, 42 + 86 * i, function, file)
    for i, lines in enumerate(boxes):
        picture.box(30, 78 + 86 * i, 320, 50, lines)
    picture.box(130, 508, 120, 30, 'socket', 'green')

    picture.rect(422, 56, 370, 436, 'none dash', 8)
    picture.text(607, 46, 'What the handlers ask of the other files', 'dim', 'middle')
    picture.line([(402, 318), (422, 318)], 'line dash')
    column(picture, 434, 'handle_home', [
        ('http_find_cookie', 'http.c', 'struct str: the token'),
        ('db_use_session', 'db.c', 'struct session'),
        ('session->user', '', 'struct user'),
        ('json_escape', 'json.c', 'body of the response'),
    ])
    column(picture, 616, 'handle_login', [
        ('json_find_members', 'json.c', 'struct json_member'),
        ('json_unescape', 'json.c', 'struct text: password'),
        ('db_authenticate', 'db.c, sha1.c', 'struct user'),
        ('db_add_session', 'db.c, sha1.c', 'struct session'),
        ('http_add_field', 'http.c', 'Set-Cookie and body'),
    ])
    return picture


# ---- connection.svg: the states ----

def connection():
    picture = Picture(800, 420, 'The states of a connection: idle, reading, writing and lingering, and what '
                      'leads from one to another')
    picture.text(205, 30, 'accept', 'code', 'middle')
    picture.arrow([(205, 38), (205, 84)])
    picture.box(150, 84, 110, 196, ['IDLE', 'no request'], 'green', 'code bold')
    picture.box(490, 84, 120, 56, ['READING', 'a part is here'], 'blue', 'code bold')
    picture.box(490, 224, 120, 56, ['WRITING', 'output is unsent'], 'blue', 'code bold')

    picture.arrow([(260, 100), (490, 100)])
    picture.text(375, 92, 'part of a request has come', 'small', 'middle')
    picture.arrow([(490, 124), (260, 124)])
    picture.text(375, 142, 'all requests are handled', 'small', 'middle')
    picture.arrow([(260, 240), (490, 240)])
    picture.text(375, 217, 'a request is handled,', 'small', 'middle')
    picture.text(375, 232, 'but the socket is full', 'small', 'middle')
    picture.arrow([(490, 264), (260, 264)])
    picture.text(375, 282, 'all is sent, no input is left', 'small', 'middle')
    picture.arrow([(534, 140), (534, 224)])
    picture.text(526, 186, 'the socket is full', 'small', 'end')
    picture.arrow([(566, 224), (566, 140)])
    picture.text(576, 178, 'all is sent, and a part of', 'small')
    picture.text(576, 194, 'the next request is here', 'small')

    def ends(x, y, lines, step=34):
        picture.arrow([(x, y), (x + step, y)], 'red')
        for i, line in enumerate(lines):
            picture.text(x + step + 8, y + 4 + 16 * i, line, 'small t-red')

    ends(610, 100, ['10 s: 408, see below'])
    ends(610, 124, ['EOF or error:', 'closed, logged'])
    ends(610, 240, ['10 s: closed, logged'])
    ends(610, 264, ['error: closed, logged'])
    picture.arrow([(150, 182), (116, 182)], 'red')
    picture.text(108, 178, '15 s or EOF:', 'small t-red', 'end')
    picture.text(108, 194, 'closed', 'small t-red', 'end')

    picture.arrow([(150, 224), (120, 224), (120, 256), (150, 256)])
    for i, line in enumerate(('a request that', 'came whole is', 'handled, and its', 'response sent')):
        picture.text(112, 228 + 15 * i, line, 'small', 'end')

    picture.text(770, 30, 'In any state it may be evicted, or closed by a shutdown.', 'small dim', 'end')
    picture.line([(30, 312), (770, 312)], 'line dash')
    picture.text(30, 338, 'When the last response is sent (close_after_response):', 'small')
    picture.arrow([(402, 334), (442, 334)], 'red')
    picture.text(450, 338, 'no input is left: closed', 'small t-red')
    picture.arrow([(60, 348), (60, 380), (100, 380)])
    picture.text(106, 384, 'input is left: shutdown(SHUT_WR)', 'small')
    picture.arrow([(318, 380), (352, 380)])
    picture.box(352, 358, 150, 44, ['LINGERING', 'input is discarded'], 'box', 'code bold')
    ends(502, 380, ['EOF or 2 s: closed'])
    return picture


# ---- arrays.svg: pollfds, connections, buffers ----

def buffer(picture, y, kind):
    picture.rect(620, y, 80, 30, kind)
    picture.rect(700, y, 80, 30, kind)
    picture.text(660, y + 19, 'in', 'code', 'middle')
    picture.text(740, y + 19, 'out', 'code', 'middle')


def arrays():
    picture = Picture(800, 400, 'The arrays of server.c: pollfds and connections with the same index, divided '
                      'at active_end and nfds, and the pool of buffers')
    rows = [('LISTENER', 'listener', '(unused)', 'box'), ('STOP_PIPE', 'stop pipe', '(unused)', 'box'),
            ('FIRST', 'fd 12', 'buffer', 'green'), ('', 'fd 15', 'buffer = NULL', 'green'),
            ('', 'fd 9', 'buffer = NULL', 'blue'), ('', 'fd 11', 'buffer = NULL', 'blue'),
            ('', '', '', 'none dash'), ('', '', '', 'none dash')]
    picture.text(305, 32, 'pollfds[]', 'code bold', 'middle')
    picture.text(455, 32, 'connections[]', 'code bold', 'middle')
    picture.text(700, 32, 'pool of buffers', 'bold', 'middle')
    for i, (name, pollfd, held, kind) in enumerate(rows):
        y = 44 + 32 * i
        picture.text(214, y + 20, name, 'code', 'end')
        picture.text(234, y + 20, str(i), 'code dim', 'end')
        for x, width, text in ((245, 120, pollfd), (380, 150, held)):
            picture.rect(x, y, width, 32, kind)
            picture.text(x + width / 2, y + 20, text, 'code', 'middle')
    for index, name in ((4, 'active_end'), (6, 'nfds'), (8, 'max_nfds')):
        y = 44 + 32 * index
        picture.line([(150, y), (540, y)], 'line-red')
        picture.text(146, y + 4, name, 'code t-red', 'end')

    # Which entries the two kinds of poll look at.
    for x, end, name, label_y in ((30, 236, 'full poll', 250), (62, 172, 'active poll', 62)):
        picture.line([(x + 8, 44), (x, 44), (x, end), (x + 8, end)], 'line-blue')
        if name == 'full poll':
            picture.text(x - 8, label_y + 4, name, 'small t-blue')
        else:
            picture.text(x + 10, label_y, name, 'small t-blue')

    for i, kind in enumerate(('green', 'box', 'box')):
        buffer(picture, 109 + 62 * i, kind)
    picture.arrow([(530, 124), (620, 124)])
    picture.text(245, 336, 'green: active at the last full poll, or accepted since', 'small dim')
    picture.text(245, 354, 'blue: inactive', 'small dim')
    picture.text(245, 372, 'dashed: not in use', 'small dim')
    for i in range(2):
        y = 308 + 34 * i
        picture.rect(620, y, 160, 28, 'none')
        picture.text(700, y + 18, f'free_buffers[{i}]', 'code', 'middle')
    picture.arrow([(620, 322), (596, 322), (596, 248), (620, 248)])
    picture.arrow([(620, 356), (580, 356), (580, 186), (620, 186)])
    return picture


# ---- loop.svg: the event loop in time ----

def polls(picture, y, full, active):
    for x in active:
        picture.rect(x - 1.5, y - 14, 3, 14, 'bar')
    for x in full:
        picture.rect(x - 2, y - 34, 4, 34, 'bar-blue')


def loop():
    picture = Picture(800, 370, 'The event loop in time: under load short active polls and, every 8 ms, a full '
                      'poll; at rest only full polls, which wait')
    left, per_ms = 70, 15
    picture.text(left, 28, 'Under load', 'bold')
    picture.rect(340, 14, 4, 18, 'bar-blue')
    picture.text(352, 28, 'full poll: all connections', 'small')
    picture.rect(530, 20, 3, 12, 'bar')
    picture.text(542, 28, 'active poll: active ones, listener, pipe', 'small')
    full = [left + per_ms * t for t in (0, 8.2, 16.3, 24.5, 32.7, 40.8)]
    active = [left + per_ms * t for t in (1.1, 2, 3.1, 3.8, 4.9, 5.6, 6.8, 9.1, 9.9, 11.2, 12, 12.9, 14.3, 15.4,
                                          17.1, 18.3, 19, 19.9, 21.2, 22, 23.4, 25.3, 26.4, 27.1, 28.4, 29.3,
                                          30.2, 31.5, 33.5, 34.8, 35.6, 36.4, 37.7, 38.8, 39.9, 41.7, 42.9)]
    picture.line([(left, 150), (780, 150)])
    polls(picture, 150, full, active)
    for t in (0, 10, 20, 30, 40):
        picture.line([(left + per_ms * t, 150), (left + per_ms * t, 156)])
        picture.text(left + per_ms * t, 170, f'{t} ms', 'small dim', 'middle')
    # Two requests: the first is seen by the next poll, the second by the next full poll.
    x = left + per_ms * 5.2
    picture.arrow([(x, 82), (x, 134)], 'red')
    picture.text(left + 8, 62, 'a request on an active', 'small t-red')
    picture.text(left + 8, 77, 'connection: seen at once', 'small t-red')
    x, seen = left + per_ms * 18, left + per_ms * 24.5
    picture.arrow([(x, 82), (x, 134)], 'red')
    picture.arrow([(x, 100), (seen, 100), (seen, 116)], 'red')
    picture.text((x + seen) / 2, 114, 'waits', 'small t-red', 'middle')
    picture.text(x - 8, 62, 'a request on an inactive connection: seen by the next', 'small t-red')
    picture.text(x - 8, 77, 'full poll, about 8 ms later at most (48 ms with 10,000 connections)', 'small t-red')

    picture.text(left, 226, 'At rest: no connection is active', 'bold')
    picture.line([(left, 310), (780, 310)])
    for t, name in ((0, '0 s'), (5, '5 s'), (10, '10 s'), (15, '15 s')):
        x = left + 45 * t
        picture.line([(x, 310), (x, 316)])
        picture.text(x, 330, name, 'small dim', 'middle')
    polls(picture, 310, [left, left + 45 * 6.2, left + 45 * 15], [])
    picture.arrow([(left + 6, 296), (left + 45 * 6.2 - 4, 296)])
    picture.text(left + 24, 288, 'waits until an event or a deadline', 'small')
    x = left + 45 * 6.2
    picture.arrow([(x, 252), (x, 274)], 'red')
    picture.text(x + 8, 262, 'a request on any connection: seen at once', 'small t-red')
    picture.arrow([(x + 6, 296), (left + 45 * 15 - 4, 296)])
    picture.text(x + 24, 288, 'polls as under load for 50 ms, then waits again', 'small')
    picture.text(780, 352, 'a deadline: a connection has been idle for 15 s', 'small dim', 'end')
    return picture


# ---- tables.svg: users and user_sessions ----

def cells(picture, y, name, note, texts, kinds=None):
    """An array of cells, the first at x = 200."""
    picture.text(16, y + 13, name, 'code bold')
    picture.text(16, y + 29, note, 'small dim')
    for i, text in enumerate(texts):
        picture.rect(200 + 68 * i, y, 68, 30, kinds[i] if kinds else 'box')
        picture.text(234 + 68 * i, y + 19, text, 'code dim', 'middle')


def point(picture, x, y, *path):
    """An arrow that begins in a cell."""
    picture.add(f'<circle cx="{x}" cy="{y}" r="3" class="head-blue"/>')
    picture.arrow([(x, y), *path], 'blue')


def both_ways(picture, x0, x1, y):
    picture.arrow([(x0, y - 6), (x1, y - 6)])
    picture.arrow([(x1, y + 6), (x0, y + 6)])


def tables():
    picture = Picture(800, 500, 'The tables of db.c: the users in a list, the sessions of each user in a circular '
                      'list by age, a hash index for each table, and the array of all session rows')
    cells(picture, 16, 'user_buckets', 'hash of the name', ['', ''])
    cells(picture, 340, 'session_buckets', 'digits of the token', ['NULL', '', *['NULL'] * 4, '', 'NULL'])
    picture.text(16, 137, 'users_head', 'code bold')
    picture.text(16, 153, 'in order of insertion', 'small dim')
    picture.arrow([(160, 133), (220, 133)])
    picture.box(220, 108, 130, 50, ['struct user', 'foo'], 'green')
    picture.arrow([(350, 133), (510, 133)])
    picture.text(430, 126, 'next', 'code', 'middle')
    picture.box(510, 108, 130, 50, ['struct user', 'bar'], 'green')
    picture.arrow([(640, 133), (700, 133)])
    picture.text(708, 137, 'NULL', 'code dim')
    point(picture, 234, 31, (234, 108))
    point(picture, 302, 31, (302, 80), (574, 80), (574, 108))

    # The sessions of foo.
    for x, token, age in ((200, '3f2a...', 'the oldest'), (390, 'c81d...', ''), (580, 'c8f0...', 'the newest')):
        picture.box(x, 236, 140, 50, ['struct session', f'token {token}'], 'blue')
        picture.text(x + 132, 228, age, 'small dim', 'end')
    picture.arrow([(236, 158), (236, 236)])
    picture.arrow([(248, 236), (248, 158)])
    picture.text(228, 196, 'sessions', 'code', 'end')
    picture.text(228, 212, 'by age', 'small dim', 'end')
    both_ways(picture, 340, 390, 261)
    both_ways(picture, 530, 580, 261)
    picture.arrow([(608, 236), (608, 184), (330, 184), (330, 158)])
    picture.arrow([(318, 158), (318, 196), (596, 196), (596, 236)])
    picture.text(457, 177, 'the list ends where it begins', 'small dim', 'middle')
    point(picture, 302, 355, (302, 286))
    point(picture, 642, 355, (642, 286))
    picture.arrow([(610, 286), (610, 310), (460, 310), (460, 286)], 'blue')
    picture.text(535, 326, 'hash_next: in the same bucket', 'small t-blue', 'middle')

    cells(picture, 420, 'session_rows', 'allocated at the start',
          ['3f2a', 'free', 'c81d', 'c8f0', 'new', 'new', 'new', 'new'],
          ['blue', 'box', 'blue', 'blue', *['none dash'] * 4])
    picture.arrow([(302, 474), (302, 450)])
    picture.text(310, 478, 'free_sessions', 'code')
    picture.arrow([(506, 474), (506, 450)])
    picture.text(514, 478, 'first_unused: no physical memory yet', 'small')
    return picture


def main():
    folder = sys.argv[1] if len(sys.argv) > 1 else DOCS
    for draw in (request, connection, arrays, loop, tables):
        draw().write(f'{folder}/{draw.__name__}.svg')
    draw_chart(read_table(f'{DOCS}/performance.md')).write(f'{folder}/speed.svg')


if __name__ == '__main__':
    main()
