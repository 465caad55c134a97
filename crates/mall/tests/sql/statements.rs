//! Statements to try: put together by a grammar, and made from known ones by damage.

use proptest::prelude::*;
use proptest::sample::{Index, select};

pub const DANGEROUS: &str = include_str!("dangerous.sql");
pub const HARMLESS: &str = include_str!("harmless.sql");

const TABLES: [&str; 4] = [
    "Order_table",
    "`Order_table`",
    "Order_table as o",
    "(select 1 as qty) as t",
];
const RISKY_TABLES: [&str; 7] = [
    "mysql.user",
    "information_schema.tables",
    "sqlite_schema",
    "nope",
    "orders.Order_table",
    "pragma_table_list",
    "json_each('[1]')",
];
const FUNCTIONS: [&str; 8] = [
    "count",
    "max",
    "concat",
    "coalesce",
    "if",
    "lower",
    "replace",
    "json_object",
];
const RISKY_FUNCTIONS: [&str; 12] = [
    "load_file",
    "sleep",
    "get_lock",
    "benchmark",
    "`load_file`",
    "f",
    "mysql.f",
    "sys_exec",
    "load_extension",
    "writefile",
    "nextval",
    "last_insert_id",
];
const OPERATORS: [&str; 13] = [
    "+", "-", "*", "/", "=", "<>", "!=", "<=", "and", "or", "like", "||", "<<",
];
const RISKY_OPERATORS: [&str; 7] = [":=", "->", "in", "div", "<=>", "into", ";"];
const LITERALS: [&str; 10] = [
    "1",
    "x'41'",
    "'a'",
    "'it''s'",
    "null",
    "1e5",
    "qty",
    "0.5",
    "customerId",
    "'/tmp/mall-canary-out'",
];
const RISKY_LITERALS: [&str; 12] = [
    "0x41",
    "'a\\'",
    "\"a\\\"b\"",
    "@a",
    "@@version",
    "?",
    "$$",
    "N'x'",
    "_utf8mb4'x'",
    "b'1'",
    "''''",
    "\"it''s\"",
];
const SPACES: [&str; 14] = [
    " ",
    "\t",
    "\n",
    "\r\n",
    "/**/",
    "/* a */",
    "-- a\n",
    "--\n",
    "#\n",
    "/*!",
    "*/",
    "/*M!100000 ",
    "\u{a0}",
    "\u{b}",
];
/// What is put into a statement, or around it.
const SPLINTERS: [&str; 40] = [
    ";",
    "; delete from Order_table",
    " into outfile '/tmp/mall-canary-out' ",
    " into @a ",
    " for update",
    " for share",
    "(",
    ")",
    "'",
    "\"",
    "`",
    "\\",
    "/*",
    "*/",
    "/*!",
    "/*!99999 ",
    "--",
    "-- ",
    "#",
    "\n",
    "@a:=",
    " union ",
    " select ",
    "explain ",
    "with a as (",
    " from ",
    "load_file('/etc/passwd')",
    "sleep(9)",
    ",",
    ".",
    "0x",
    "x'",
    "$$",
    "{",
    "}",
    ":=",
    "_binary",
    "\u{202e}",
    "\u{1b}[31m",
    "\u{0c}",
];

/// One of these, and now and then one of those.
fn mostly(
    these: &'static [&'static str],
    those: &'static [&'static str],
) -> impl Strategy<Value = &'static str> + Clone {
    prop_oneof![25 => select(these), 1 => select(those)]
}

/// Any of them.
pub fn any_statement() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => statement(),
        2 => damaged(known(DANGEROUS).boxed()),
        2 => damaged(known(HARMLESS).boxed()),
        1 => damaged(statement().boxed()),
        1 => "\\PC{0,40}",
    ]
    .prop_map(|text| text.replace('\0', " "))
}

fn known(lines: &'static str) -> impl Strategy<Value = String> {
    select(lines.lines().collect::<Vec<_>>()).prop_map(str::to_owned)
}

fn expression() -> impl Strategy<Value = String> {
    let leaf = mostly(&LITERALS, &RISKY_LITERALS).prop_map(str::to_owned);
    leaf.prop_recursive(5, 24, 3, |inner| {
        let call = (
            mostly(&FUNCTIONS, &RISKY_FUNCTIONS),
            space(),
            prop::collection::vec(inner.clone(), 0..3),
        );
        prop_oneof![
            call.prop_map(|(name, space, given)| format!("{name}{space}({})", given.join(", "))),
            (inner.clone(), mostly(&OPERATORS, &RISKY_OPERATORS), inner.clone())
                .prop_map(|(a, sign, b)| format!("{a} {sign} {b}")),
            inner.clone().prop_map(|a| format!("({a})")),
            inner
                .clone()
                .prop_map(|a| format!("(select {a} from Order_table limit 1)")),
            inner.clone().prop_map(|a| format!("cast({a} as char(5))")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("case when {a} then {b} end")),
        ]
    })
}

fn query() -> impl Strategy<Value = String> {
    let core = (expression(), space(), mostly(&TABLES, &RISKY_TABLES), expression());
    let leaf =
        core.prop_map(|(what, space, table, which)| format!("select {space}{what} from {table} where {which} limit 3"));
    leaf.prop_recursive(3, 8, 2, |inner| {
        let end = mostly(
            &["", " limit 2"],
            &[
                " for update",
                " lock in share mode",
                " into @a",
                " into outfile '/tmp/mall-canary-out'",
            ],
        );
        prop_oneof![
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) union all ({b})")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("with a as ({a}) {b}")),
            (inner.clone(), end.clone()).prop_map(|(a, end)| format!("select * from ({a}{end}) as t")),
            (inner, end).prop_map(|(a, end)| a + end),
        ]
    })
}

fn statement() -> impl Strategy<Value = String> {
    let before = mostly(
        &["", "", "", "explain "],
        &[
            "desc ",
            "explain analyze ",
            "with a as (select 1) ",
            "select 1; ",
            "(",
            "create view v as ",
            "do ",
            "delete from a where ",
        ],
    );
    let after = mostly(&["", ";", " ;;", " -- a"], &[")", " /*", " # ", "; select 1"]);
    (before, query(), after).prop_map(|(before, text, after)| format!("{before}{text}{after}"))
}

fn space() -> impl Strategy<Value = &'static str> {
    mostly(&[""], &SPACES)
}

fn damaged(text: BoxedStrategy<String>) -> impl Strategy<Value = String> {
    let blow = (
        any::<Index>(),
        any::<Index>(),
        select(&SPLINTERS[..]),
        select(&SPACES[..]),
        0..6u8,
    );
    (text, prop::collection::vec(blow, 1..4)).prop_map(|(text, blows)| {
        blows.iter().fold(text, |text, (from, to, splinter, space, kind)| {
            struck(&text, from, to, splinter, space, *kind)
        })
    })
}

fn struck(text: &str, from: &Index, to: &Index, splinter: &str, space: &str, kind: u8) -> String {
    let chars: Vec<char> = text.chars().collect();
    let (mut from, mut to) = (from.index(chars.len() + 1), to.index(chars.len() + 1));
    if from > to {
        std::mem::swap(&mut from, &mut to);
    }
    let part = |range: std::ops::Range<usize>| chars[range].iter().collect::<String>();
    let (before, middle, after) = (part(0..from), part(from..to), part(to..chars.len()));
    match kind {
        0 => format!("{before}{splinter}{middle}{after}"),
        1 => format!("{before}{splinter}{middle}{splinter}{after}"),
        2 => before + &after,
        3 => format!("{before}{middle}{middle}{after}"),
        4 => format!("{before}{}{after}", middle.replace(' ', space)),
        _ => format!("{before}{}{after}", middle.to_uppercase()),
    }
}
