use std::process::Stdio;

use super::program::Folder;

#[test]
fn it_asks_and_removes_only_what_is_ours() {
    let folder = Folder::new();
    folder.run(&["kafka-topics", "--create", "--topic", "t"]);
    let data = folder.path().join("mall-data");
    std::fs::write(data.join("notes.txt"), "mine").expect("written");
    let unasked = folder.run(&["reset"]);
    assert_eq!(unasked.code, Some(64), "{unasked:?}");
    assert!(data.join("log.db").exists());
    let done = folder.run(&["reset", "--yes"]);
    assert_eq!(done.code, Some(0), "{done:?}");
    let left: Vec<_> = std::fs::read_dir(&data)
        .expect("still there")
        .map(|entry| entry.expect("an entry").file_name())
        .collect();
    assert_eq!(left, ["notes.txt"]);
}

#[test]
fn it_refuses_while_a_role_runs() {
    let folder = Folder::new();
    let mut order = folder
        .command(&["order", "--port=0"])
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    let stderr = order.stderr.take().expect("its lines");
    let mut lines = std::io::BufRead::lines(std::io::BufReader::new(stderr));
    assert!(
        lines.any(|line| line.expect("text").contains("listening")),
        "it never listened"
    );
    let refused = folder.run(&["reset", "--yes"]);
    let sql = folder.run(&["sql", "select count(*) as n from Order_table;"]);
    let tables = folder.run(&["sql", "desc order_table"]);
    let written = folder.run(&["sql", "delete from Order_table"]);
    order.kill().expect("killed");
    order.wait().expect("it ends");
    assert_eq!(refused.code, Some(2), "{refused:?}");
    assert!(refused.err.contains("running"), "{refused:?}");
    assert!(
        sql.out.starts_with("+---+\n| n |\n+---+\n| 0 |\n+---+\n1 row in set ("),
        "{sql:?}"
    );
    assert!(tables.out.contains("| customerId "), "{tables:?}");
    assert_eq!(written.code, Some(64), "{written:?}");
    assert_eq!(folder.run(&["reset", "--yes"]).code, Some(0));
    assert!(!folder.has_data());
}

#[test]
fn kafka_and_mysql_are_left_alone() {
    let folder = Folder::new();
    let ended = folder.run(&[
        "reset",
        "--yes",
        "--bootstrap-server",
        "h:1",
        "--database-url",
        "mysql://u:pw@h/shop",
    ]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.err.contains("--delete --topic") && ended.err.contains("drop database `shop`"),
        "{ended:?}"
    );
    assert!(!ended.err.contains("pw"), "{ended:?}");
}

#[test]
fn there_may_be_nothing_to_look_at() {
    let folder = Folder::new();
    let ended = folder.run(&["sql", "select 1"]);
    assert_eq!(ended.code, Some(2));
    assert!(ended.err.contains("nothing has been started"), "{ended:?}");
    assert_eq!(folder.run(&["reset", "--yes"]).code, Some(0));
    assert!(!folder.has_data());
}
