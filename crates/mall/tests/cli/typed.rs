//! What somebody who types a command sees when it is not quite what the mall expects, or is read only in part.

use std::process::Stdio;

use super::program::{Folder, ended};

/// As in `mall --help | head -1`: the reader has seen enough.
#[test]
fn a_reader_that_closes_the_pipe_is_no_failure() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["kafka-topics", "--create", "--topic", "t"]).code, Some(0));
    let commands: [&[&str]; 8] = [
        &["--help"],
        &["--version"],
        &["up", "--help"],
        &["parked", "--help"],
        &["config"],
        &["completions", "bash"],
        &["kafka-topics", "--list"],
        &["kafka-topics", "--describe"],
    ];
    for words in commands {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let ended = ended(
            folder
                .command(words)
                .stdin(Stdio::null())
                .stdout(writer)
                .output()
                .expect("it runs"),
        );
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{words:?}");
    }
}

#[test]
fn a_statement_without_quotes_is_told_to_have_them() {
    let folder = Folder::new();
    for words in [
        &["sql", "select", "1"][..],
        &["sql", "select", "*", "from", "Order_table;"],
        &["sql", "show", "tables", "--data=x"],
    ] {
        let ended = folder.run(words);
        assert!(
            ended.code == Some(64) && ended.err.contains("put it in quotes"),
            "{words:?}: {ended:?}"
        );
    }
    let misspelt = folder.run(&["sql", "show tables", "--dat=x"]);
    assert!(
        misspelt.err.contains("--data") && !misspelt.err.contains("quotes"),
        "{misspelt:?}"
    );
}
