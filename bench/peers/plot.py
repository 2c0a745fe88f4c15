"""A plot of recall against queries a second, as SVG."""

import math

WIDTH, HEIGHT = 760, 440
LEFT, RIGHT, TOP, BOTTOM = 78, 150, 36, 44
COLOURS = {"aeon": "#d62728", "aeon-int8": "#ff9896", "aeon-float32": "#8c564b",
           "hnswlib": "#1f77b4", "usearch-f32": "#2ca02c", "usearch-bf16": "#17becf",
           "usearch-i8": "#98df8a", "faiss-hnsw": "#9467bd", "faiss-ivf-sq8": "#bcbd22",
           "faiss-ivf-pq": "#e377c2", "pyglass": "#7f7f7f"}
RECALLS = (0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 1)
CLOSEST = 5e-4  # a recall of 1 is drawn here, as no logarithm of nothing exists


def nines(recall):
    return -math.log10(max(1 - recall, CLOSEST))


class Axes:
    def __init__(self, curves):
        points = [point for curve in curves.values() for point in curve]
        rates = [math.log10(qps) for _, qps in points]
        self.bottom, self.top = math.floor(min(rates) * 2) / 2, math.ceil(max(rates) * 2) / 2
        self.first = nines(0.75)

    def x(self, recall):
        share = (nines(recall) - self.first) / (nines(1) - self.first)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, qps):
        share = (math.log10(qps) - self.bottom) / max(self.top - self.bottom, 1e-9)
        return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)

    def grid(self):
        for recall in RECALLS:
            x = self.x(recall)
            yield line(x, TOP, x, HEIGHT - BOTTOM)
            yield text(x, HEIGHT - BOTTOM + 16, f"{recall:g}", "middle")
        for power in range(math.floor(self.bottom), math.ceil(self.top) + 1):
            for rate in (10**power, 2 * 10**power, 5 * 10**power):
                if self.bottom <= math.log10(rate) <= self.top:
                    yield line(LEFT, self.y(rate), WIDTH - RIGHT, self.y(rate))
                    yield text(LEFT - 6, self.y(rate) + 4, f"{rate:,.0f}", "end")


def line(x1, y1, x2, y2):
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>'


def text(x, y, words, anchor="start", extra=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{extra}>{words}</text>'


def svg(title, curves):
    """curves: name -> points (recall, qps), by ascending recall."""
    curves = {name: [p for p in points if p[0] >= 0.75] for name, points in curves.items()}
    curves = {name: points for name, points in curves.items() if points}
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
             'font-family="sans-serif" font-size="12">',
             f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
             text(LEFT, 20, title, extra=' font-size="14"')]
    if curves:
        axes = Axes(curves)
        parts += axes.grid()
        for number, (name, points) in enumerate(curves.items()):
            parts += curve(axes, name, points, TOP + 12 + 20 * number)
    parts += [text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "recall", "middle"),
              text(14, HEIGHT / 2, "queries a second", "middle",
                   f' transform="rotate(-90 14 {HEIGHT / 2:.0f})"'), "</svg>", ""]
    return "\n".join(parts)


def curve(axes, name, points, legend_y):
    colour = COLOURS.get(name, "black")
    width = 3 if name.startswith("aeon") else 1.5
    places = [(axes.x(recall), axes.y(qps)) for recall, qps in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    yield f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="{width}"/>'
    for x, y in places:
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>'
    x = WIDTH - RIGHT + 12
    yield f'<rect x="{x}" y="{legend_y - 8}" width="14" height="4" fill="{colour}"/>'
    yield text(x + 20, legend_y, name)
