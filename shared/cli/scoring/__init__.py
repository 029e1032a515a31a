"""`leadflow scoring`: what scoring knows and learns, each command from the module that owns it."""

from __future__ import annotations

import typer

from shared.cli.scoring import backtesting, evaluating, explaining, models, rescoring, training

app = typer.Typer(help="Look into scores, and learn from how leads ended.", no_args_is_help=True)


@app.callback()
def scoring() -> None:
    """Look into scores, and learn from how leads ended."""


app.command()(evaluating.evaluate)
app.command()(explaining.explain)
app.command()(rescoring.rescore)
app.command()(backtesting.backtest)
app.command()(training.train)
app.add_typer(models.app, name="models")
