"""A picture of a load: one panel for each column of the samples, over time, as an SVG."""

from __future__ import annotations

from collections.abc import Sequence

from tests.load.vitals import Sample

WIDTH, HEIGHT, LEFT, GAP = 900, 150, 60, 40
COLUMNS = {
    "rss": "memory of the host, MiB",
    "descriptors": "open descriptors",
    "latency": "a small request, ms",
}
STYLE = (
    "text{font:12px sans-serif;fill:#333} path{fill:none;stroke:#1b6ca8;stroke-width:1.2}"
    " line{stroke:#bbb} .kill{stroke:#c33;stroke-dasharray:3 3}"
)


def svg(samples: Sequence[Sample], kills: Sequence[float], title: str) -> str:
    """The panels below each other; dashed lines are kills. A gap is a host that was not there."""
    end = max((sample.second for sample in samples), default=1) or 1
    panels = [
        _panel(samples, column, label, end, kills, GAP + number * (HEIGHT + GAP))
        for number, (column, label) in enumerate(COLUMNS.items())
    ]
    whole = GAP + len(panels) * (HEIGHT + GAP)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + LEFT + 20} {whole}">'
        f"<style>{STYLE}</style>"
        f'<rect width="100%" height="100%" fill="#fff"/><text x="{LEFT}" y="16">{title}</text>'
        f"{''.join(panels)}</svg>\n"
    )


def _panel(
    samples: Sequence[Sample], column: str, label: str, end: float, kills: Sequence[float], top: int
) -> str:
    values = [getattr(sample, column) for sample in samples]
    most = max((value for value in values if value is not None), default=1) or 1
    bottom = top + HEIGHT
    path, pen = [], "M"
    for sample, value in zip(samples, values, strict=True):
        if value is None:
            pen = "M"
            continue
        path.append(f"{pen}{LEFT + sample.second / end * WIDTH:.1f} {bottom - value / most * HEIGHT:.1f}")
        pen = "L"
    marks = "".join(
        f'<line class="kill" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
        for x in (LEFT + kill / end * WIDTH for kill in kills)
    )
    return (
        f'<line x1="{LEFT}" x2="{LEFT + WIDTH}" y1="{bottom}" y2="{bottom}"/>'
        f'<line x1="{LEFT}" x2="{LEFT}" y1="{top}" y2="{bottom}"/>{marks}<path d="{" ".join(path)}"/>'
        f'<text x="{LEFT + 6}" y="{top + 12}">{label}</text>'
        f'<text x="{LEFT - 8}" y="{top + 10}" text-anchor="end">{most:,.0f}</text>'
        f'<text x="{LEFT - 8}" y="{bottom}" text-anchor="end">0</text>'
        f'<text x="{LEFT + WIDTH}" y="{bottom + 14}" text-anchor="end">{end:,.0f} s</text>'
    )
