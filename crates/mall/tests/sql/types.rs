//! Values of every type are written as the mysql client writes them.

use super::support::stack::Stack;
use super::support::tools::mariadb_table;
use super::worlds::ended;

/// Types, and two values of each. Those whose values are bytes follow separately.
const TYPES: [(&str, &str, &str); 27] = [
    ("tinyint", "-128", "127"),
    ("tinyint(1)", "0", "1"),
    ("tinyint unsigned", "0", "255"),
    ("smallint unsigned", "1", "65535"),
    ("mediumint", "-8388608", "7"),
    ("int", "-2147483648", "42"),
    ("int unsigned", "0", "4294967295"),
    ("int(7) zerofill", "42", "1234567"),
    ("bigint", "-9223372036854775808", "9223372036854775807"),
    ("bigint unsigned", "0", "18446744073709551615"),
    ("decimal(10,2)", "-1.50", "12345678.90"),
    ("decimal(38,10)", "0", "1234567890123456789012345678.0123456789"),
    ("float", "1.1", "-3.4e38"),
    ("float(8,3)", "1.5", "1234.5678"),
    ("double", "0.1", "1e300"),
    ("double(10,4)", "0.5", "-12345.6789"),
    ("date", "'0000-00-00'", "'2026-02-28'"),
    ("time", "'-838:59:59'", "'00:00:01'"),
    ("time(3)", "'12:00:00'", "'00:00:01.25'"),
    ("datetime", "'1000-01-01 00:00:00'", "'9999-12-31 23:59:59'"),
    ("datetime(6)", "'2026-02-28 12:34:56'", "'2026-02-28 12:34:56.000001'"),
    ("timestamp(3) null", "'2026-02-28 12:34:56.5'", "null"),
    ("year", "1901", "2155"),
    ("char(5)", "'ab '", "'서울'"),
    ("enum('small', 'big')", "'big'", "null"),
    ("set('a', 'b', 'c')", "'a,c'", "''"),
    ("json", "'{\"b\": [1, 2.50, null], \"a\": \"x\"}'", "'[]'"),
];

#[test]
fn values_of_every_type_are_written_as_the_mysql_client_writes_them() {
    let stack = Stack::real();
    let real = stack.real.as_ref().expect("a real stack");
    let url = format!("{}/{}", real.mysql, real.database);
    let columns: Vec<String> = (0..).zip(TYPES).map(|(n, (kind, ..))| format!("c{n} {kind}")).collect();
    let firsts: Vec<_> = TYPES.iter().map(|(_, first, _)| *first).collect();
    let seconds: Vec<_> = TYPES.iter().map(|(.., second)| *second).collect();
    let nulls = vec!["null"; TYPES.len() - 1].join(", ");
    let made = format!(
        "set sql_mode = ''; create database `{0}` character set utf8mb4; use `{0}`; create table t ({1}, last text); \
         insert into t values ({2}, 'a'), ({3}, '日本'), ({nulls}, null, null)",
        real.database,
        columns.join(", "),
        firsts.join(", "),
        seconds.join(", "),
    );
    let made = mariadb_table(real, &made);
    assert!(made.status.success(), "{made:?}");

    for select in (0..TYPES.len())
        .map(|n| format!("select c{n}, last from t"))
        .chain(["select * from t".into()])
    {
        let theirs = mariadb_table(real, &format!("use `{}`; {select}", real.database));
        let theirs = String::from_utf8(theirs.stdout).expect("UTF-8");
        let ours = ended(&mut stack.bare(&["sql", "--database-url", &url, &select]));
        assert_eq!(ours.code, Some(0), "{ours:?}");
        assert!(
            !theirs.is_empty() && ours.out.starts_with(&theirs),
            "{}\n{theirs}",
            ours.out
        );
    }
}

#[test]
fn expressions_and_what_a_server_shows_are_written_so_too() {
    let stack = Stack::real();
    let real = stack.real.as_ref().expect("a real stack");
    let url = format!("{}/information_schema", real.mysql);
    for statement in [
        "select 1.50 as price, 10 / 3, 1e0 / 3, 2 > 1 as yes, null as nothing, pi()",
        "select cast('2026-02-28 01:02:03.5' as datetime(2)) as moment, cast('01:02:03' as time) as span, cast(7 as unsigned) as seven",
        "select sum(n), avg(n), min(n), count(*) from (select 1 as n union all select 2) as numbers",
        "select 'it\\'s' as word, \"so\" as other, '\\\\' as stroke, '%' as sign",
        "show columns from tables like 'TABLE_NAME'",
        "show variables like 'innodb_page_size'",
        "desc tables",
    ] {
        let theirs = mariadb_table(real, &format!("use information_schema; {statement}"));
        let theirs = String::from_utf8(theirs.stdout).expect("UTF-8");
        let ours = ended(&mut stack.bare(&["sql", "--database-url", &url, statement]));
        assert_eq!(ours.code, Some(0), "{statement}: {ours:?}");
        assert!(
            !theirs.is_empty() && ours.out.starts_with(&theirs),
            "{}\n{theirs}",
            ours.out
        );
    }
}

/// Bytes that are no text would confuse a terminal; MySQL's own client writes them so as well.
#[test]
fn bytes_that_are_no_text_are_written_in_hexadecimal_digits() {
    let stack = Stack::real();
    let real = stack.real.as_ref().expect("a real stack");
    let url = format!("{}/information_schema", real.mysql);
    let words = "select b'101' as bits, x'00ff' as bytes, cast('text' as binary) as words, x'1b5b' as escape";
    let ours = ended(&mut stack.bare(&["sql", "--database-url", &url, words]));
    for cell in ["| 0x05 ", "| 0x00FF ", "| text ", "| 0x1B5B "] {
        assert!(ours.out.contains(cell), "{cell} in {ours:?}");
    }
    let ours = ended(&mut stack.bare(&["sql", "--database-url", &url, "select unhex('E9') as latin"]));
    assert!(ours.out.contains("| 0xE9 "), "{ours:?}");
}
