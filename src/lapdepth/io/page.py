"""Reports as one HTML file: style and script inside, nothing from the network, light and dark."""

from __future__ import annotations

import html

from lapdepth.io.plots import STYLE as PLOTS

STYLE = """body{font:15px/1.55 system-ui,sans-serif;max-width:82rem;margin:0 auto;padding:1.5rem 1rem 4rem;color:var(--ink);
background:var(--paper)}
h1{font-size:1.6rem;line-height:1.25;margin:.2rem 0 .4rem}h2{font-size:1.2rem;margin:2.4rem 0 .5rem}
h3{font-size:1rem;margin:1.4rem 0 .4rem}
p{max-width:48rem;margin:.4rem 0}.dim,small,caption{color:var(--dim)}small{font-size:.8em}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
td,th{padding:.3rem .6rem;border-bottom:1px solid var(--rule);text-align:left;vertical-align:top}
td.n,th.n{text-align:right;white-space:nowrap}th{font-weight:600;color:var(--dim);font-size:.9em}
.yes{color:var(--s2)}.no{color:var(--s1);font-weight:600}figure{display:inline-block;margin:.5rem}figcaption{max-width:26rem}"""


def page(title: str, body: str, style: str = "", script: str = "") -> bytes:
    """A whole page.

    Args:
        title: As text.
        body: As HTML.
        style: Beyond the common one.
        script: Run at the end.
    """
    rules = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    ending = f"<script>{script}</script>" if script else ""
    return (
        "<!doctype html>\n<html lang=en><head><meta charset=utf-8>"
        f'<meta http-equiv=Content-Security-Policy content="{rules}">'
        "<meta name=viewport content='width=device-width,initial-scale=1'>"
        f"<title>{html.escape(title)}</title><style>{PLOTS}\n{STYLE}\n{style}</style></head>\n"
        f"<body>{body}{ending}</body></html>\n"
    ).encode(errors="backslashreplace")
