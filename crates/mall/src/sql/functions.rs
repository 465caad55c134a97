//! The functions that `mall sql` may call. Each computes a value from its arguments, or tells something about the session.
//!
//! This lists what is allowed, because a list of what is dangerous could never be complete: servers have functions that read
//! files (`load_file`), wait (`sleep`, `benchmark`), lock (`get_lock`) or draw numbers (`nextval`), and users add others.

/// The allowed functions, in lower case and sorted.
#[rustfmt::skip]
const ALLOWED: [&str; 256] = [
    "abs", "acos", "adddate", "addtime", "ascii", "asin", "atan", "atan2", "avg", "bin", "bin_to_uuid", "bit_and",
    "bit_count", "bit_length", "bit_or", "bit_xor", "cast", "ceil", "ceiling", "char", "char_length",
    "character_length", "charset", "coalesce", "coercibility", "collation", "concat", "concat_ws", "connection_id",
    "conv", "convert", "convert_tz", "cos", "cot", "count", "crc32", "cume_dist", "curdate", "current_date",
    "current_role", "current_time", "current_timestamp", "current_user", "curtime", "database", "date", "date_add",
    "date_format", "date_sub", "datediff", "datetime", "day", "dayname", "dayofmonth", "dayofweek", "dayofyear",
    "degrees", "dense_rank", "elt", "exp", "export_set", "extract", "field", "find_in_set", "first_value", "floor",
    "format", "format_bytes", "from_base64", "from_days", "from_unixtime", "get_format", "glob", "greatest",
    "group_concat", "grouping", "hex", "hour", "if", "ifnull", "iif", "inet6_aton", "inet6_ntoa", "inet_aton",
    "inet_ntoa", "instr", "is_ipv4", "is_ipv6", "is_uuid", "isnull", "json", "json_array", "json_array_length",
    "json_arrayagg", "json_compact", "json_contains", "json_contains_path", "json_depth", "json_detailed",
    "json_exists", "json_extract", "json_group_array", "json_group_object", "json_insert", "json_keys",
    "json_length", "json_loose", "json_merge_patch", "json_merge_preserve", "json_object", "json_objectagg",
    "json_overlaps", "json_patch", "json_pretty", "json_query", "json_quote", "json_remove", "json_replace",
    "json_search", "json_set", "json_storage_size", "json_type", "json_unquote", "json_valid", "json_value",
    "julianday", "lag", "last_day", "last_value", "lcase", "lead", "least", "left", "length", "like", "ln",
    "localtime", "localtimestamp", "locate", "log", "log10", "log2", "lower", "lpad", "ltrim", "makedate",
    "maketime", "max", "md5", "median", "microsecond", "mid", "min", "minute", "mod", "month", "monthname", "now",
    "nth_value", "ntile", "nullif", "oct", "octet_length", "ord", "percent_rank", "percentile_cont",
    "percentile_disc", "period_add", "period_diff", "pi", "position", "pow", "power", "quarter", "quote", "radians",
    "rand", "random", "rank", "regexp_instr", "regexp_like", "regexp_replace", "regexp_substr", "replace",
    "reverse", "right", "round", "row_number", "rpad", "rtrim", "schema", "sec_to_time", "second", "session_user",
    "sha", "sha1", "sha2", "sign", "sin", "space", "sqlite_version", "sqrt", "std", "stddev", "stddev_pop",
    "stddev_samp", "str_to_date", "strcmp", "strftime", "string_agg", "subdate", "substr", "substring",
    "substring_index", "subtime", "sum", "sysdate", "system_user", "tan", "time", "time_format", "time_to_sec",
    "timediff", "timestamp", "timestampadd", "timestampdiff", "to_base64", "to_days", "to_seconds", "total", "trim",
    "trunc", "truncate", "typeof", "ucase", "unhex", "unicode", "unix_timestamp", "unixepoch", "upper", "user",
    "utc_date", "utc_time", "utc_timestamp", "uuid", "uuid_to_bin", "var_pop", "var_samp", "variance", "version",
    "week", "weekday", "weekofyear", "weight_string", "year", "yearweek",
];

/// Words of the language behind which a parenthesis may open, and types with a length; in lower case and sorted.
#[rustfmt::skip]
const SYNTAX: [&str; 70] = [
    "against", "all", "analyze", "and", "any", "as", "between", "bigint", "binary", "blob", "by", "case",
    "character", "dec", "decimal", "desc", "describe", "distinct", "div", "double", "else", "escape", "except",
    "exists", "explain", "filter", "float", "from", "having", "in", "index", "int", "integer", "intersect",
    "interval", "is", "join", "key", "keys", "lateral", "limit", "materialized", "nchar", "not", "numeric", "of",
    "offset", "on", "or", "over", "partition", "real", "regexp", "rlike", "row", "select", "signed", "some", "text",
    "then", "union", "unsigned", "using", "value", "values", "varbinary", "varchar", "when", "where", "xor",
];

/// Whether a function may be called. Names are compared as servers do, without regard to case.
pub fn is_allowed(name: &str) -> bool {
    ALLOWED.binary_search(&&*name.to_ascii_lowercase()).is_ok()
}

/// Whether a parenthesis behind this word belongs to the language and calls nothing.
pub fn is_syntax(word: &str) -> bool {
    SYNTAX.binary_search(&&*word.to_ascii_lowercase()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted_so_that_names_are_found() {
        assert!(ALLOWED.is_sorted() && SYNTAX.is_sorted());
        assert!(is_allowed("COUNT") && is_syntax("In"));
    }

    #[test]
    fn what_reads_files_waits_locks_or_numbers_is_not_on_a_list() {
        for name in [
            "load_file",
            "sleep",
            "benchmark",
            "get_lock",
            "release_lock",
            "release_all_locks",
            "is_free_lock",
            "master_pos_wait",
            "source_pos_wait",
            "wait_for_executed_gtid_set",
            "sys_exec",
            "sys_eval",
            "nextval",
            "setval",
            "lastval",
            "last_insert_id",
            "load_extension",
            "readfile",
            "writefile",
            "edit",
            "fts3_tokenizer",
            "zeroblob",
            "randomblob",
            "updatexml",
            "extractvalue",
            "name_const",
            "uuid_short",
        ] {
            assert!(!is_allowed(name) && !is_syntax(name), "{name}");
        }
    }
}
