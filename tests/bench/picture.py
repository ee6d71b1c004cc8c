"""Line charts as SVG, drawn by hand: no library, small files, readable on light and dark pages."""

import html
import math

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 12, 46, 44
COLORS = ("#1f77b4", "#d6711e", "#2e8b57", "#9467bd")


def short(value):
    """1500000 as "1.5M"."""
    for limit, unit in ((1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.3g}{unit}"
    return f"{value:.3g}"


def _ticks(low, high, log):
    if log:
        first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
        return [10.0 ** power for power in range(first, last + 1)]
    step = 10 ** math.floor(math.log10(high))
    for part in (0.2, 0.5, 1):
        if high / (step * part) <= 6:
            step *= part
            break
    return [step * i for i in range(int(math.ceil(high / step - 1e-9)) + 1)]


def _scale(ticks, begin, end, log):
    def place(value):
        if log:
            a, b, v = (math.log10(x) for x in (ticks[0], ticks[-1], value))
        else:
            a, b, v = ticks[0], ticks[-1], value
        return begin + (v - a) / ((b - a) or 1) * (end - begin)
    return place


def chart(title, x_name, y_name, series, y_log=False):
    """series: {name: [(x, y), …]} with x > 0; the x axis is logarithmic."""
    points = [point for line in series.values() for point in line]
    xs = _ticks(min(x for x, _ in points), max(x for x, _ in points), True)
    ys = _ticks(min(y for _, y in points), max(y for _, y in points), y_log)
    x_at = _scale(xs, LEFT, WIDTH - RIGHT, True)
    y_at = _scale(ys, HEIGHT - BOTTOM, TOP, y_log)
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
           f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="11">',
           f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
           f'<text x="{LEFT}" y="16" font-size="13" font-weight="bold">{html.escape(title)}</text>']
    for x in xs:
        at = x_at(x)
        out.append(f'<path d="M{at:.1f} {TOP}V{HEIGHT - BOTTOM}" stroke="#ddd"/>'
                   f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle">'
                   f'{short(x)}</text>')
    for y in ys:
        at = y_at(y)
        out.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
                   f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{short(y)}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
               f'{html.escape(x_name)}</text>')
    out.append(f'<text transform="translate(14 {(TOP + HEIGHT - BOTTOM) / 2}) rotate(-90)" '
               f'text-anchor="middle">{html.escape(y_name)}</text>')
    at = LEFT
    for color, (name, line) in zip(COLORS, series.items()):
        path = " ".join(f"{x_at(x):.1f},{y_at(y):.1f}" for x, y in line)
        out.append(f'<polyline points="{path}" fill="none" stroke="{color}" stroke-width="2"/>')
        out += [f'<circle cx="{x_at(x):.1f}" cy="{y_at(y):.1f}" r="2.5" fill="{color}"/>'
                for x, y in line]
        out.append(f'<rect x="{at}" y="25" width="10" height="10" fill="{color}"/>'
                   f'<text x="{at + 14}" y="34">{html.escape(name)}</text>')
        at += 26 + 7 * len(name)
    return "\n".join(out) + "\n</svg>\n"
