//! Which statements the judge lets through, and which it refuses.

use super::*;

/// Statements that do more than read, or read what is not the database's, one a line.
const DANGEROUS: &str = include_str!("../../tests/sql/dangerous.sql");

fn refused(text: &str, dialect: SqlDialect) -> String {
    match judge(text, dialect) {
        Err(Usage(why)) => why,
        Ok(statement) => panic!("{text} was let through as {statement:?}"),
    }
}

#[test]
fn what_reads_is_let_through_on_both() {
    for text in [
        "select 1",
        "select * from Delivery_table;",
        "SELECT `id`, count(*) FROM Order_table WHERE address LIKE '%O''Neil%' GROUP BY 1 HAVING count(*) > 1 ORDER BY 2 DESC LIMIT 2, 3 ; ;",
        "select o.id, d.status from Order_table o left join Delivery_table d on d.orderId = o.id where o.qty != 3 and o.qty in (1, 2)",
        "with a as (select 1) select * from a",
        "with recursive n(i) as (select 1 union all select i + 1 from n where i < 9) select i from n",
        "(select 1) union all (select 2) order by 1",
        "select row_number() over (partition by orderId order by id) from Delivery_table",
        "select case when qty > 1 then 'many' else 'one' end as \"how many\" from Order_table",
        "select cast(qty as decimal(10, 2)), coalesce(address, '-') from Order_table -- what is ordered",
        "select /* a comment */ 1",
        "select exists (select 1 from Order_table where id = 1)",
        "explain select 1",
    ] {
        for dialect in [SqlDialect::MySql, SqlDialect::Sqlite] {
            let judged = judge(text, dialect).unwrap_or_else(|Usage(why)| panic!("{text}: {why}"));
            assert_eq!(judged.kind, StatementKind::Query, "{text}");
            assert!(
                !judged.text.contains(';') && !judged.text.contains("comment"),
                "{}",
                judged.text
            );
        }
    }
}

#[test]
fn what_servers_show_is_let_through() {
    for text in [
        "show databases",
        "show full tables",
        "show tables like 'Or%'",
        "show index from Order_table",
        "show create table `Order_table`",
        "show columns from Order_table",
        "show variables like 'version%'",
        "show global status",
        "show processlist",
        "show warnings",
        "show grants",
        "show engine innodb status",
    ] {
        let judged = judge(text, SqlDialect::MySql).unwrap_or_else(|Usage(why)| panic!("{text}: {why}"));
        assert_eq!((judged.kind, &*judged.text), (StatementKind::Show, text));
    }
    for text in [
        "select @@version, @@global.read_only",
        "values row(1, 2)",
        "select x'41', 0x41, 'it\\'s' \"so\"",
        "select convert(address using utf8mb4), date_add(now(), interval 1 day) from Order_table",
        "select address regexp '^P' from Order_table use index (PRIMARY)",
        "select group_concat(distinct qty order by qty separator ';') from Order_table",
    ] {
        let judged = judge(text, SqlDialect::MySql).unwrap_or_else(|Usage(why)| panic!("{text}: {why}"));
        assert_eq!((judged.kind, &*judged.text), (StatementKind::Query, text));
    }
}

#[test]
fn tables_and_columns_are_known_by_their_kind() {
    for dialect in [SqlDialect::MySql, SqlDialect::Sqlite] {
        for text in ["show tables", "SHOW  Tables ;", "show/**/tables"] {
            assert_eq!(judge(text, dialect).expect(text).kind, StatementKind::Tables, "{text}");
        }
        for text in ["desc Order_table", "DESCRIBE `Order_table`;", "explain Order_table"] {
            assert_eq!(
                judge(text, dialect).expect(text).kind,
                StatementKind::Columns("Order_table".into()),
                "{text}"
            );
        }
    }
}

#[test]
fn whatever_else_is_refused_on_both() {
    for text in DANGEROUS.lines() {
        for dialect in [SqlDialect::MySql, SqlDialect::Sqlite] {
            let why = refused(text, dialect);
            assert!(
                why.starts_with("mall sql only reads: ") && why.contains("allowed is one statement"),
                "{text}: {why}"
            );
        }
    }
}

#[test]
fn comments_and_ends_of_lines_are_not_passed_on() {
    let text = "select 1 -- one\r\n, 2 # two\n/* three */,\t3--\u{20}four";
    assert_eq!(
        judge(text, SqlDialect::MySql).expect(text).text,
        "select 1   , 2    , 3"
    );
}

#[test]
fn a_deep_statement_is_read_or_refused_and_ends_nothing() {
    for part in [
        "1+",
        "-",
        "(",
        "not ",
        "1 union select ",
        "select (",
        "case when 1 then ",
        "1 in (",
    ] {
        let text = format!("select {}1", part.repeat((LONGEST_STATEMENT - 8) / part.len()));
        let _ = judge(&text, SqlDialect::MySql);
        let _ = judge(&text, SqlDialect::Sqlite);
    }
    assert!(refused(&"1".repeat(LONGEST_STATEMENT + 1), SqlDialect::MySql).contains("longer than"));
}

#[test]
fn a_table_is_selected_from() {
    for dialect in [SqlDialect::MySql, SqlDialect::Sqlite] {
        assert_eq!(
            judge(" TABLE Order_table limit 3;", dialect).expect("good").text,
            "select * from Order_table limit 3"
        );
        assert_eq!(
            judge("table`Order_table`", dialect).expect("good").text,
            "select * from`Order_table`"
        );
        refused("tables", dialect);
    }
}

#[test]
fn a_string_ends_where_its_database_ends_it() {
    let text = "select 'a\\' into outfile '/tmp/mall-canary-out' -- '";
    assert_eq!(
        judge(text, SqlDialect::MySql)
            .expect("a string, divided by columns")
            .text,
        text
    );
    refused(text, SqlDialect::Sqlite);
}
