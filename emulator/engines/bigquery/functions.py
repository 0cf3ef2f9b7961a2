"""Which functions of GoogleSQL are carried, and the few that DuckDB is taught, each for the types of its arguments.

A function stands here when DuckDB's own, or what sqlglot writes for it, was compared with BigQuery's documentation. Any other is refused:
a name that exists in both may still mean something else (`FORMAT`).
"""

NUMBER = r"[+-]?(\d+|0[xX][0-9a-fA-F]+)"
INTEGERS, FLOAT, NUMERIC = ("INTEGER", "BIGINT", "HUGEINT"), ("DOUBLE",), ("DECIMAL(38, 9)",)


def _each(types: tuple[str, ...], body: str, more: str = "") -> str:
    """A macro's body for several types of its argument `x`."""
    return ", ".join(f"(x {kind}{more}) AS {body.format(kind=kind)}" for kind in types)


MACROS = tuple(
    f"CREATE OR REPLACE MACRO {macro}"
    for macro in (
        # A float rounds half away from zero, where DuckDB rounds half to even; a text must be a whole number, where DuckDB rounds it.
        f"""bq_int64{_each((*INTEGERS, "BOOLEAN"), "CAST(x AS BIGINT)")}, {_each(FLOAT + NUMERIC, "CAST(round(x) AS BIGINT)")},
        (x VARCHAR) AS CASE WHEN regexp_full_match(trim(x), '{NUMBER}') THEN CAST(x AS BIGINT) ELSE error('Bad int64 value: ' || x) END""",
        f"""bq_try_int64{_each((*INTEGERS, "BOOLEAN"), "TRY_CAST(x AS BIGINT)")}, {_each(FLOAT + NUMERIC, "TRY_CAST(round(x) AS BIGINT)")},
        (x VARCHAR) AS CASE WHEN regexp_full_match(trim(x), '{NUMBER}') THEN TRY_CAST(x AS BIGINT) END""",
        rf"""bq_string{_each((*INTEGERS, "BOOLEAN", "DATE", "TIME", "TIMESTAMP", "TIMESTAMPTZ"), "CAST(x AS VARCHAR)")},
        (x VARCHAR) AS x, (x BLOB) AS decode(x), (x DOUBLE) AS regexp_replace(CAST(x AS VARCHAR), '\.0$', ''),
        (x DECIMAL(38, 9)) AS regexp_replace(CAST(x AS VARCHAR), '\.?0+$', '')""",
        """bq_at(a, i) AS CASE WHEN typeof(a) = 'JSON' THEN error('A subscript of JSON is not emulated: use JSON_QUERY or JSON_VALUE.')
        WHEN a IS NULL OR i IS NULL THEN NULL WHEN i BETWEEN 1 AND len(a) THEN a[i]
        ELSE error('Array index ' || (i - 1) || ' is out of bounds') END""",
        "bq_divisor(x) AS CASE WHEN x = 0 THEN error('division by zero') ELSE x END",
        # DuckDB's functions change the type.
        "bq_sign(x) AS cast_to_type(sign(x), x)",
        "bq_like(x, y) AS cast_to_type(y, x)",
        f"""bq_round{_each(INTEGERS, "round(CAST(x AS DOUBLE))")}, {_each(FLOAT + NUMERIC, "CAST(round(x) AS {kind})")},
        {_each(INTEGERS, "round(CAST(x AS DOUBLE), CAST(n AS INTEGER))", ", n")},
        {_each(FLOAT + NUMERIC, "CAST(round(x, CAST(n AS INTEGER)) AS {kind})", ", n")}""",
        "bq_byte_length(x VARCHAR) AS strlen(x), (x BLOB) AS octet_length(x)",
        "bq_unix_seconds(x) AS CAST(floor(epoch_us(x) / 1000000.0) AS BIGINT)",
        # The type of an aggregate is not yet known where one of several bodies is chosen.
        r"""bq_int64_any(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN CAST(round(CAST(x AS DOUBLE)) AS BIGINT)
        WHEN typeof(x) = 'VARCHAR' THEN error('A cast of an aggregated STRING to INT64 is not emulated: cast inside.')
        ELSE CAST(x AS BIGINT) END""",
        r"""bq_try_int64_any(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN TRY_CAST(round(CAST(x AS DOUBLE)) AS BIGINT)
        WHEN typeof(x) = 'VARCHAR' THEN error('A cast of an aggregated STRING to INT64 is not emulated: cast inside.')
        ELSE TRY_CAST(x AS BIGINT) END""",
        r"""bq_string_any(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN regexp_replace(CAST(x AS VARCHAR), '\.0$', '')
        WHEN typeof(x) LIKE 'DECIMAL%' THEN regexp_replace(CAST(x AS VARCHAR), '\.?0+$', '') ELSE CAST(x AS VARCHAR) END""",
        "bq_round_any(x) AS round(x), (x, n) AS round(x, CAST(n AS INTEGER))",
        "bq_byte_length_any(x) AS strlen(CAST(x AS VARCHAR))",
    )
)
"""Made in the database when it is opened."""
OVERLOADED = {"bq_int64", "bq_try_int64", "bq_string", "bq_round", "bq_byte_length"}
"""Those with a body for each type of their first argument."""

CARRIED = frozenset({
    # logic and types
    "And", "Or", "Xor", "If", "Case", "Coalesce", "Nullif", "Cast", "TryCast", "Array", "Struct", "Exists", "Unnest", "ArrayContains",
    # aggregates
    "Count", "CountIf", "Sum", "Avg", "Min", "Max", "AnyValue", "ArrayAgg", "ArrayConcatAgg", "GroupConcat", "LogicalAnd",
    "LogicalOr", "ApproxDistinct", "ApproxQuantiles", "Stddev", "StddevSamp", "StddevPop", "Variance", "VariancePop", "Corr", "CovarPop",
    "CovarSamp", "BitwiseAndAgg", "BitwiseOrAgg", "BitwiseXorAgg",
    # windows
    "RowNumber", "Rank", "DenseRank", "PercentRank", "CumeDist", "Ntile", "Lag", "Lead", "FirstValue", "LastValue", "NthValue",
    "PercentileCont", "PercentileDisc",
    # numbers
    "Abs", "Sign", "Round", "Floor", "Ceil", "Trunc", "Greatest", "Least", "Exp", "Ln", "Log", "Sqrt", "Pow", "Sin", "Cos", "Tan", "Asin",
    "Acos", "Atan", "Atan2", "Sinh", "Cosh", "Tanh", "SafeDivide", "IntDiv", "Mod", "IsNan", "IsInf", "Rand", "CosineDistance",
    "EuclideanDistance",
    # strings
    "Lower", "Upper", "Length", "Concat", "Substring", "Trim", "Pad", "Replace", "Reverse", "Repeat", "Split", "StrPosition", "StartsWith",
    "EndsWith", "RegexpLike", "RegexpExtract", "RegexpExtractAll", "RegexpReplace", "RegexpInstr", "Left", "Right", "Uuid", "Hex", "Unhex",
    "LowerHex", "MD5", "MD5Digest", "SHA", "SHA2", "SHA2Digest", "SHA1Digest", "ToBase64", "FromBase64", "String", "Initcap",
    "Contains", "ByteLength", "BitwiseCount", "Ascii",
    # arrays
    "ArraySize", "ArrayConcat", "ArrayReverse", "ArrayToString", "ArrayFirst", "ArrayLast", "GenerateSeries", "GenerateDateArray",
    "GenerateTimestampArray",
    # dates and times
    "CurrentDate", "CurrentTimestamp", "CurrentTime", "Date", "Timestamp", "TsOrDsToDatetime", "TsOrDsToTime",
    "TsOrDsToDate", "TsOrDsToTimestamp", "DateFromParts", "TimestampFromParts", "TimeFromParts", "DateAdd", "DateSub", "DateDiff",
    "DateTrunc", "DatetimeAdd", "DatetimeSub", "DatetimeDiff", "DatetimeTrunc", "TimestampAdd", "TimestampSub", "TimestampDiff",
    "TimestampTrunc", "Extract", "LastDay", "TimeToStr", "StrToTime", "StrToDate", "ParseDatetime", "UnixDate", "UnixSeconds",
    "UnixMillis", "UnixMicros", "UnixToTime", "DateFromUnixDate", "WeekStart",
    # JSON
    "ParseJSON", "JSONExtract", "JSONExtractScalar", "JSONExtractArray", "JSONValue", "JSONFormat",
    # nothing but syntax
    "Distinct", "Interval", "Paren",
})  # fmt: skip
"""Names of sqlglot's classes."""

ANONYMOUS = {"ERROR": "error"}
"""Functions that sqlglot does not know → DuckDB's name."""
