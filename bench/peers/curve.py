"""What a sweep says: its best points, and the queries a second at a given recall."""

import math


def pareto(points):
    """Of (recall, qps): those that no other beats in both, by ascending recall."""
    best, kept = -math.inf, []
    for recall, qps in sorted(points, reverse=True):
        if qps > best:
            best = qps
            kept.append((recall, qps))
    return kept[::-1]


def qps_at(points, recall):
    """On the curve through the best points, straight between logarithms of qps; None beyond the
    best recall. Below the lowest recall the curve is flat: nothing is extrapolated."""
    below = None
    for point in pareto(points):
        if point[0] >= recall:
            if below is None:
                return point[1]
            share = (recall - below[0]) / (point[0] - below[0])
            return math.exp(math.log(below[1]) * (1 - share) + math.log(point[1]) * share)
        below = point
    return None
