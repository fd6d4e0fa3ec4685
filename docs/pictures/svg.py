"""svg.py - the few shapes that the pictures in docs/ consist of, in one style for light and dark pages.

    picture = Picture(760, 200, 'what it shows, for those who cannot see it')
    box = picture.box(20, 20, 160, 40, 'struct text in', 'accent')
    picture.arrow([(180, 40), (300, 40)], 'http_parse')
    picture.write('docs/request.svg')

Coordinates are pixels. The background is a part of the picture, so that it can be read even if a page is
light and the system dark. Texts are in fonts of the reader's system, whose widths differ: leave room.
"""
import xml.sax.saxutils

STYLE = '''
svg { --ink: #1f2328; --dim: #59636e; --line: #818b98; --paper: #ffffff; --box: #f6f8fa;
      --blue: #0969da; --blue-box: #ddf4ff; --red: #bc4c00; --red-box: #fff1e5;
      --green: #1a7f37; --green-box: #dafbe1 }
@media (prefers-color-scheme: dark) {
svg { --ink: #e6edf3; --dim: #9198a1; --line: #767e88; --paper: #0d1117; --box: #1c2129;
      --blue: #58a6ff; --blue-box: #11253f; --red: #f0883e; --red-box: #341d0a;
      --green: #3fb950; --green-box: #0c2d17 } }
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: var(--ink) }
.code { font-family: ui-monospace, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12px }
.dim { fill: var(--dim) } .small { font-size: 12px } .bold { font-weight: 600 }
.t-blue { fill: var(--blue) } .t-red { fill: var(--red) } .t-green { fill: var(--green) }
.paper { fill: var(--paper) }
.box { fill: var(--box); stroke: var(--line) } .none { fill: none; stroke: var(--line) }
.blue { fill: var(--blue-box); stroke: var(--blue) } .red { fill: var(--red-box); stroke: var(--red) }
.green { fill: var(--green-box); stroke: var(--green) }
.bar { fill: var(--line) } .bar-blue { fill: var(--blue) }
.line { fill: none; stroke: var(--line); stroke-width: 1.3 }
.line-blue { fill: none; stroke: var(--blue); stroke-width: 1.3 }
.line-red { fill: none; stroke: var(--red); stroke-width: 1.3 }
.dash { stroke-dasharray: 4 3 }
.head { fill: var(--line) } .head-blue { fill: var(--blue) } .head-red { fill: var(--red) }
'''


class Picture:
    def __init__(self, width, height, description):
        self.width, self.height, self.description, self.parts = width, height, description, []

    def add(self, part):
        self.parts.append(part)

    def text(self, x, y, text, kind='', anchor='start'):
        """`y` is the base line."""
        classes = f' class="{kind}"' if kind else ''
        where = f' text-anchor="{anchor}"' if anchor != 'start' else ''
        self.add(f'<text x="{x:g}" y="{y:g}"{classes}{where} xml:space="preserve">'
                 f'{xml.sax.saxutils.escape(text)}</text>')

    def rect(self, x, y, width, height, kind='box', radius=0):
        self.add(f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="{radius}" '
                 f'class="{kind}"/>')

    def box(self, x, y, width, height, lines, kind='box', text_kind='code'):
        """A rounded box with lines of text in the middle."""
        self.rect(x, y, width, height, kind, 6)
        lines = [lines] if isinstance(lines, str) else lines
        first = y + height / 2 + 4.5 - 8.5 * (len(lines) - 1)
        for i, line in enumerate(lines):
            self.text(x + width / 2, first + 17 * i, line, text_kind if i == 0 else 'small dim', 'middle')

    def line(self, points, kind='line'):
        self.add(f'<path d="M{" L".join(f"{x:g} {y:g}" for x, y in points)}" class="{kind}"/>')

    def arrow(self, points, kind=''):
        """A line with a head at its last point. The last part is horizontal or vertical."""
        (x0, y0), (x, y) = points[-2:]
        dx, dy = (x > x0) - (x < x0), (y > y0) - (y < y0)
        suffix = f'-{kind}' if kind else ''
        self.line([*points[:-1], (x - 6 * dx, y - 6 * dy)], f'line{suffix}')
        self.add(f'<path d="M{x:g} {y:g} L{x - 8 * dx + 4 * dy:g} {y - 8 * dy + 4 * dx:g} '
                 f'L{x - 8 * dx - 4 * dy:g} {y - 8 * dy - 4 * dx:g} Z" class="head{suffix}"/>')

    def write(self, path):
        description = xml.sax.saxutils.escape(self.description)
        with open(path, 'w') as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {self.width} {self.height}" '
                       f'width="{self.width}" height="{self.height}" role="img">\n'
                       f'<title>{description}</title>\n<style>{STYLE}</style>\n'
                       f'<rect width="100%" height="100%" rx="8" class="paper"/>\n'
                       + '\n'.join(self.parts) + '\n</svg>\n')
