"""Which functions of GoogleSQL are carried, and the few that DuckDB is taught, each for the types of its arguments.

A function stands here when DuckDB's own, or what sqlglot writes for it, was compared with BigQuery's documentation. Any other is refused:
a name that exists in both may still mean something else (`FORMAT`).
"""

NUMBER = r"[+-]?(\d+|0[xX][0-9a-fA-F]+)"
DAY = r"\d{1,4}-\d{1,2}-\d{1,2}"
SECONDS = "%Y-%m-%d %H:%M:%S"
INTEGERS, FLOAT, NUMERIC = ("INTEGER", "BIGINT", "HUGEINT"), ("DOUBLE",), ("DECIMAL(38, 9)",)


def _each(types: tuple[str, ...], body: str, more: str = "") -> str:
    """A macro's body for several types of its argument `x`."""
    return ", ".join(f"(x {kind}{more}) AS {body.format(kind=kind)}" for kind in types)


def _clock(value: str, form: str) -> str:
    """A time as text, with parts of a second in threes."""
    part = f"date_part('microsecond', {value}) %"
    shown = f"strftime({value}, '{form}"
    return f"(CASE WHEN {part} 1000000 = 0 THEN {shown}') WHEN {part} 1000 = 0 THEN {shown}.%g') ELSE {shown}.%f') END)"


MACROS = tuple(
    f"CREATE OR REPLACE MACRO {macro}"
    for macro in (
        # A float rounds half away from zero, where DuckDB rounds half to even; a text must be a whole number, where DuckDB rounds it.
        f"""bq_int64{_each((*INTEGERS, "BOOLEAN"), "CAST(x AS BIGINT)")}, {_each(FLOAT + NUMERIC, "CAST(round(x) AS BIGINT)")},
        (x VARCHAR) AS CASE WHEN regexp_full_match(trim(x), '{NUMBER}') THEN CAST(x AS BIGINT) ELSE error('Bad int64 value: ' || x) END""",
        f"""bq_try_int64{_each((*INTEGERS, "BOOLEAN"), "TRY_CAST(x AS BIGINT)")}, {_each(FLOAT + NUMERIC, "TRY_CAST(round(x) AS BIGINT)")},
        (x VARCHAR) AS CASE WHEN regexp_full_match(trim(x), '{NUMBER}') THEN TRY_CAST(x AS BIGINT) END""",
        """bq_bool(x) AS CASE lower(x) WHEN 'true' THEN true WHEN 'false' THEN false ELSE CAST(CAST('Bad bool value: ' || x AS INTEGER)
        AS BOOLEAN) END""",
        "bq_try_bool(x) AS CASE lower(x) WHEN 'true' THEN true WHEN 'false' THEN false END",
        # As few digits as say which number it is, with an exponent from 1e15 on.
        """bq_float(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN isinf(x) THEN CASE WHEN x > 0 THEN 'inf' ELSE '-inf' END
        WHEN CAST(printf('%.15g', x) AS DOUBLE) = x THEN printf('%.15g', x) ELSE printf('%.17g', x) END""",
        f"""bq_string_time(x) AS {_clock("(DATE '1970-01-01' + x)", "%H:%M:%S")}""",
        f"""bq_string_datetime(x) AS {_clock("x", SECONDS)}""",
        f"""bq_string_timestamp(x) AS {_clock("x", SECONDS)} || '+00'""",
        f"""bq_string{_each((*INTEGERS, "BOOLEAN", "DATE"), "CAST(x AS VARCHAR)")}, (x TIME) AS bq_string_time(x),
        (x TIMESTAMP) AS bq_string_datetime(x), (x TIMESTAMPTZ) AS bq_string_timestamp(x), (x VARCHAR) AS x, (x BLOB) AS decode(x),
        (x DOUBLE) AS bq_float(x), (x DECIMAL(38, 9)) AS regexp_replace(CAST(x AS VARCHAR), '\\.?0+$', '')""",
        """bq_at(a, i) AS CASE WHEN typeof(a) = 'JSON' THEN error('A subscript of JSON is not emulated: use JSON_QUERY or JSON_VALUE.')
        WHEN a IS NULL OR i IS NULL THEN NULL WHEN i BETWEEN 1 AND len(a) THEN a[i]
        ELSE error('Array index ' || (i - 1) || ' is out of bounds') END""",
        "bq_at_or_null(a, i) AS CASE WHEN i BETWEEN 1 AND len(a) THEN a[i] END",
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
        r"""bq_string_any(x) AS CASE WHEN typeof(x) IN ('DOUBLE', 'FLOAT') THEN bq_float(CAST(x AS DOUBLE))
        WHEN typeof(x) LIKE 'DECIMAL%' THEN regexp_replace(CAST(x AS VARCHAR), '(\.\d*?)0+$', '\1').rtrim('.')
        WHEN typeof(x) LIKE 'TIME%' THEN error('A cast of an aggregated time to STRING is not emulated: cast inside.')
        ELSE CAST(x AS VARCHAR) END""",
        "bq_round_any(x) AS round(x), (x, n) AS round(x, CAST(n AS INTEGER))",
        "bq_byte_length_any(x) AS strlen(CAST(x AS VARCHAR))",
        # Beyond where a function is defined DuckDB gives NaN or infinity. A cast fails, for `try` does not take `error`.
        """bq_real(f, y, x) AS CASE WHEN isfinite(y) OR NOT isfinite(x) THEN y
        ELSE CAST('The argument of ' || f || ' is out of range: ' || x AS DOUBLE) END""",
        "bq_range_bucket(x, a) AS len(list_filter(a, lambda e: e <= x))",
        """bq_start(x, p) AS CASE WHEN p = 0 THEN 1 WHEN p < 0 THEN greatest(length(x) + p + 1, 1) ELSE p END""",
        """bq_substring(x, p) AS substring(x, bq_start(x, p)),
        (x, p, n) AS substring(x, bq_start(x, p), CASE WHEN n < 0
         THEN CAST('The length of SUBSTR cannot be ' || n AS BIGINT) ELSE n END)""",
        "bq_unicode(x) AS CASE WHEN x = '' THEN 0 ELSE CAST(unicode(x) AS BIGINT) END",
        "bq_code_points(x) AS list_transform(string_split(x, ''), lambda c: CAST(unicode(c) AS BIGINT))",
        """bq_of_code_points(a) AS CASE WHEN list_count(a) = len(a)
        THEN array_to_string(list_transform(a, lambda c: chr(CAST(c AS INTEGER))), '') END""",
        "bq_unix_millis(x) AS CAST(floor(epoch_us(x) / 1000.0) AS BIGINT)",
        """bq_dates_by_days(s, e, n) AS CASE WHEN n = 0 THEN error('The step cannot be 0.')
        WHEN s IS NULL OR e IS NULL OR n IS NULL THEN NULL
        ELSE list_transform(range(0, greatest((e - s) // n + 1, 0)), lambda i: s + CAST(i * n AS INTEGER)) END""",
        """bq_dates_by_months(s, e, n) AS CASE WHEN n = 0 THEN error('The step cannot be 0.')
        WHEN s IS NULL OR e IS NULL OR n IS NULL THEN NULL
        ELSE list_filter(list_transform(range(0, abs(date_diff('month', s, e)) // abs(n) + 1),
        lambda i: CAST(s + to_months(CAST(i * n AS INTEGER)) AS DATE)), lambda d: CASE WHEN n > 0 THEN d <= e ELSE d >= e END) END""",
        "bq_valid_json(x) AS CASE WHEN json_valid(x) THEN x END",
        "bq_infinite(x) AS CASE WHEN isnan(x) THEN 'NaN' WHEN x > 0 THEN 'Infinity' WHEN x < 0 THEN '-Infinity' END",
        rf"""bq_date(x) AS CASE WHEN regexp_full_match(trim(x), '{DAY}') THEN CAST(x AS DATE)
        ELSE CAST('Invalid date: ' || x AS DATE) END""",
        rf"""bq_try_date(x) AS CASE WHEN regexp_full_match(trim(x), '{DAY}') THEN TRY_CAST(x AS DATE) END""",
        """bq_json_array(j, p) AS CASE WHEN json_type(j, p) = 'ARRAY' THEN CAST(json_extract(j, p) AS JSON[]) END""",
        """bq_json_values(j, p) AS CASE WHEN json_type(j, p) = 'ARRAY' AND NOT list_contains(
        list_transform(CAST(json_extract(j, p) AS JSON[]), lambda e: json_type(e) IN ('ARRAY', 'OBJECT')), true)
        THEN list_transform(CAST(json_extract(j, p) AS JSON[]), lambda e: json_extract_string(e, '$')) END""",
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
    "PercentileCont", "PercentileDisc", "ArgMax", "ArgMin",
    # numbers
    "Abs", "Sign", "Round", "Floor", "Ceil", "Trunc", "Greatest", "Least", "Exp", "Ln", "Log", "Sqrt", "Pow", "Sin", "Cos", "Tan", "Asin",
    "Acos", "Atan", "Atan2", "Sinh", "Cosh", "Tanh", "SafeDivide", "IntDiv", "Mod", "IsNan", "IsInf", "Rand", "CosineDistance",
    "EuclideanDistance", "SafeAdd", "SafeSubtract", "SafeMultiply", "SafeNegate", "RangeBucket",
    # strings
    "Lower", "Upper", "Length", "Concat", "Substring", "Trim", "Pad", "Replace", "Reverse", "Repeat", "Split", "StrPosition", "StartsWith",
    "EndsWith", "RegexpLike", "RegexpExtract", "RegexpExtractAll", "RegexpReplace", "RegexpInstr", "Left", "Right", "Uuid", "Hex", "Unhex",
    "LowerHex", "MD5", "MD5Digest", "SHA", "SHA2", "SHA2Digest", "SHA1Digest", "ToBase64", "FromBase64", "String", "Initcap",
    "Contains", "ByteLength", "BitwiseCount", "Ascii", "Format", "Translate", "Chr", "Unicode", "ToCodePoints", "CodePointsToString",
    "FarmFingerprint", "SafeConvertBytesToString", "Levenshtein",
    # arrays
    "ArraySize", "ArrayConcat", "ArrayReverse", "ArrayToString", "ArrayFirst", "ArrayLast", "GenerateSeries", "GenerateDateArray",
    "GenerateTimestampArray",
    # dates and times
    "CurrentDate", "CurrentTimestamp", "CurrentTime", "Date", "Timestamp", "TsOrDsToDatetime", "TsOrDsToTime",
    "TsOrDsToDate", "TsOrDsToTimestamp", "DateFromParts", "TimestampFromParts", "TimeFromParts", "DateAdd", "DateSub", "DateDiff",
    "DateTrunc", "DatetimeAdd", "DatetimeSub", "DatetimeDiff", "DatetimeTrunc", "TimestampAdd", "TimestampSub", "TimestampDiff",
    "TimestampTrunc", "Extract", "LastDay", "TimeToStr", "StrToTime", "StrToDate", "ParseDatetime", "UnixDate", "UnixSeconds",
    "UnixMillis", "UnixMicros", "UnixToTime", "DateFromUnixDate", "WeekStart", "Datetime", "TimeAdd", "TimeSub", "TimeDiff",
    "CurrentDatetime",
    # JSON
    "ParseJSON", "JSONExtract", "JSONExtractScalar", "JSONExtractArray", "JSONValue", "JSONValueArray", "JSONFormat",
    # nothing but syntax
    "Distinct", "Interval", "Paren",
})  # fmt: skip
"""Names of sqlglot's classes."""

ANONYMOUS = {"ERROR": "error", "IEEE_DIVIDE": ""}
"""Functions that sqlglot does not know → DuckDB's name."""
