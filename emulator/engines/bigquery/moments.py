"""Dates, times and time zones: where DuckDB counts, rounds or types otherwise."""

from __future__ import annotations

import re

from sqlglot import exp

from emulator.engines.bigquery.trees import Correction, Tree, call, called, cast, kind_of, macro, not_carried, unit_of

SHOWN, READ = set("YmdHMSyjbBaApIeFTDGVUWuwRGf%-"), set("YmdHMSybBaApIeFTDjRfZ%-")
"""Letters of format texts that mean one thing in both, for writing and for reading."""
MONTHS = {"month": 1, "quarter": 3, "year": 12}
DAYS = {"day": 1, "week": 7}


def _checked(node: Tree, letters: set[str]) -> None:
    """Refuses format texts that mean something else in DuckDB."""
    form = node.args.get("format")
    if not isinstance(form, exp.Literal):
        raise not_carried("A format that is no literal")
    for letter in re.findall(r"%(.)", form.name):
        if letter not in letters:
            raise not_carried(f"The format element %{letter}")


def _shown(node: Tree) -> Tree | None:
    """FORMAT_TIMESTAMP in a zone shows the clock there."""
    _checked(node, SHOWN)
    if isinstance(node.this, exp.TsOrDsToTime):
        # DuckDB shows no bare times.
        moment = exp.Add(this=exp.cast(exp.Literal.string("1970-01-01"), "DATE"), expression=cast(node.this.this, "TIME"))
        return exp.TimeToStr(this=moment, format=node.args["format"].copy())
    if zone := node.args.get("zone"):
        moment = node.this.this if isinstance(node.this, exp.TsOrDsToTimestamp) else node.this
        shown = exp.AtTimeZone(this=cast(moment, "TIMESTAMPTZ"), zone=zone.copy())
        return exp.TimeToStr(this=shown, format=node.args["format"].copy())
    return None


def _parse_timestamp(node: Tree) -> Tree | None:
    """PARSE_TIMESTAMP gives a moment, in UTC unless a zone is named; in DuckDB a time without zone."""
    _checked(node, READ)
    zone = node.args.get("zone")
    if zone is None:
        return cast(node, "TIMESTAMPTZ")
    plain = node.copy()
    plain.set("zone", None)
    return exp.AtTimeZone(this=exp.Paren(this=plain), zone=zone.copy())


def _parse_date(node: Tree) -> Tree | None:
    _checked(node, READ - {"Z"})
    return None


def _date(node: Tree) -> Tree | None:
    """What is made of a date is a date, in DuckDB a timestamp."""
    return called("bq_like", node.this, node)


def _timestamp_diff(node: Tree) -> Tree | None:
    """Whole units between two moments, where DuckDB's date_diff counts the boundaries that lie between."""
    return call("date_sub", unit_of(node), node.args["expression"], node.this)


def _time_diff(node: Tree) -> Tree | None:
    return call("date_diff", unit_of(node), node.args["expression"], node.this)


def _time_add(sign: type[Tree]) -> Correction:
    def correction(node: Tree) -> Tree | None:
        unit = unit_of(node)
        if unit not in ("hour", "minute", "second", "millisecond", "microsecond"):
            raise not_carried(f"{node.key.upper()} with {unit.upper()}")
        return sign(this=cast(node.this, "TIME"), expression=call(f"to_{unit}s", cast(node.args["expression"], "BIGINT")))

    return correction


def _extract(node: Tree) -> Tree | None:
    """The week begins on Sunday, which is day 1; parts of a second are counted within it."""
    part, value = node.this.name.upper(), node.expression
    if isinstance(node.this, exp.WeekStart):
        part = f"WEEK({node.this.this.name.upper()})"
    weeks = {"WEEK": "%U", "WEEK(SUNDAY)": "%U", "WEEK(MONDAY)": "%W"}
    if part in weeks:
        return cast(call("strftime", value, weeks[part]), "BIGINT")
    if part == "DATE":
        return cast(value, "DATE")
    if part == "TIME":
        return cast(cast(value, "TIMESTAMP"), "TIME")
    if part == "DATETIME":
        return cast(value, "TIMESTAMP")
    if part == "DAYOFWEEK":
        return exp.Paren(this=exp.Add(this=call("dayofweek", value), expression=exp.Literal.number(1)))
    names = {"ISOWEEK": "week", "ISOYEAR": "isoyear", "DAYOFYEAR": "dayofyear"}
    plain = ("YEAR", "QUARTER", "MONTH", "DAY", "HOUR", "MINUTE", "SECOND")
    if part in ("MILLISECOND", "MICROSECOND"):
        within = 1000 if part == "MILLISECOND" else 1_000_000
        return exp.Paren(this=exp.Mod(this=call("date_part", part.lower(), value), expression=exp.Literal.number(within)))
    if part not in names and part not in plain:
        raise not_carried(f"EXTRACT({part} …)")
    return call("date_part", names.get(part, part.lower()), value)


def _micros(node: Tree) -> Tree | None:
    """TIMESTAMP_MICROS and its like give a TIMESTAMP, which has a zone."""
    scale = node.args.get("scale")
    factor = {"0": 10**6, "3": 10**3, "6": 1}.get(scale.name if scale else "0")
    if factor is None:
        raise not_carried("This conversion to a timestamp")
    micros = exp.Mul(this=exp.Paren(this=node.this.copy()), expression=cast(exp.Literal.number(factor), "BIGINT"))
    return exp.Anonymous(this="make_timestamptz", expressions=[micros])


def _datetime(node: Tree) -> Tree | None:
    """DATETIME of a moment in a zone, of a date and a time, or of one value."""
    second = node.args.get("expression")
    if second is None:
        return cast(node.this, "TIMESTAMP")
    if kind_of(second) == "TIME":
        return exp.Add(this=cast(node.this, "DATE"), expression=second.copy())
    if kind_of(second) != "STRING":
        raise not_carried("DATETIME of two values whose types cannot be told")
    return exp.AtTimeZone(this=cast(node.this, "TIMESTAMPTZ"), zone=second.copy())


def _dates(node: Tree) -> Tree | None:
    """GENERATE_DATE_ARRAY by months counts each from the start, so that the last day of a month stays one."""
    step = node.args.get("step")
    unit = unit_of(step) if step is not None else "day"
    count = step.this if step is not None and step.this is not None else exp.Literal.number(1)
    factor = MONTHS.get(unit) or DAYS.get(unit)
    if factor is None:
        raise not_carried(f"GENERATE_DATE_ARRAY by {unit.upper()}")
    steps = exp.Mul(this=cast(count, "BIGINT"), expression=exp.Literal.number(factor))
    name = "bq_dates_by_months" if unit in MONTHS else "bq_dates_by_days"
    return call(name, cast(node.args["start"], "DATE"), cast(node.args["end"], "DATE"), steps)


def _string(node: Tree) -> Tree | None:
    """STRING of a moment shows the clock of its zone, with the offset."""
    if node.args.get("zone"):
        raise not_carried("STRING with a time zone", "use FORMAT_TIMESTAMP.")
    return called("bq_string", node.this)


def _from_unix(node: Tree) -> Tree | None:
    return exp.Paren(this=exp.Add(this=exp.cast(exp.Literal.string("1970-01-01"), "DATE"), expression=cast(node.this, "INTEGER")))


def _today(kind: str) -> Correction:
    """CURRENT_DATE and its like, in UTC unless a zone is named."""

    def correction(node: Tree) -> Tree | None:
        zone = node.this if node.args.get("this") is not None else exp.Literal.string("UTC")
        return cast(exp.AtTimeZone(this=call("now"), zone=zone.copy()), kind)

    return correction


CORRECTIONS: dict[type[Tree], Correction] = {
    exp.CurrentDate: _today("DATE"),
    exp.CurrentDatetime: _today("TIMESTAMP"),
    exp.CurrentTime: _today("TIME"),
    exp.DateAdd: _date,
    exp.DateSub: _date,
    exp.DateTrunc: _date,
    exp.TimeAdd: _time_add(exp.Add),
    exp.TimeSub: _time_add(exp.Sub),
    exp.TimeDiff: _time_diff,
    exp.TimestampDiff: _timestamp_diff,
    exp.UnixSeconds: macro("bq_unix_seconds"),
    exp.UnixMillis: macro("bq_unix_millis"),
    exp.DateFromUnixDate: _from_unix,
    exp.TimeToStr: _shown,
    exp.StrToTime: _parse_timestamp,
    exp.StrToDate: _parse_date,
    exp.ParseDatetime: _parse_date,
    exp.Extract: _extract,
    exp.UnixToTime: _micros,
    exp.Datetime: _datetime,
    exp.GenerateDateArray: _dates,
    exp.String: _string,
}
