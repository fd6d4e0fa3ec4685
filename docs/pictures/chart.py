"""chart.py - the chart of the benchmark: a group of bars for each load. tests/bench/run.py draws what it has
measured, and draw.py the table in docs/performance.md."""
import re

from svg import Picture

GROUP_WIDTH, BAR, LEFT, MAX_BAR = 400, 17, 108, 190


def read_table(path):
    """Returns the requests per second from the first table in a Markdown file: {load: {server: rate}}. The
    rows without CPU time in brackets are no loads."""
    with open(path) as file:
        rows = [line.strip().strip('|').split('|') for line in file if line.startswith('|')]
    names = [cell.strip() for cell in rows[0][1:]]
    loads = {}
    for title, *row in rows[2:]:
        cells = [re.match(r'\s*([\d,]+) \(', cell) for cell in row]
        rates = {name: int(cell[1].replace(',', '')) for name, cell in zip(names, cells) if cell}
        if not rates:
            break
        loads[title.strip()] = rates
    return loads


def draw_group(picture, x, y, title, rates):
    """The longest bar of a group is the fastest server."""
    picture.text(x + 14, y, title, 'bold')
    fastest = max(rates.values())
    for i, (name, rate) in enumerate(rates.items()):
        line = y + BAR * (i + 1)
        length = MAX_BAR * rate / fastest
        picture.text(x + LEFT, line, name, 'small', 'end')
        picture.rect(x + LEFT + 6, line - 10, length, 12, 'bar-blue' if name == 'server' else 'bar')
        picture.text(x + LEFT + 12 + length, line, f'{rate:,.0f}', 'small dim')


def draw_chart(loads):
    """`loads` is {load: {server: requests per second}}. Two groups stand side by side."""
    height = max(len(rates) for rates in loads.values()) * BAR + 34
    rows = (len(loads) + 1) // 2
    picture = Picture(2 * GROUP_WIDTH, rows * height + 30,
                      'Requests per second of this server and of others, a group of bars for each load')
    for i, (title, rates) in enumerate(loads.items()):
        draw_group(picture, GROUP_WIDTH * (i % 2), 28 + height * (i // 2), title, rates)
    picture.text(14, rows * height + 20, 'Requests per second. Compare within a group only. No bar: not supported, or '
                 'failed.', 'small dim')
    return picture
