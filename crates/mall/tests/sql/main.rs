//! `mall sql` can't write: whatever statement it is given, on either database, nothing changes and nothing breaks.
//!
//! `MALL_TEST_SQL_CASES=100000` tries so many statements on each database instead of a few hundred.

#[path = "../support/mod.rs"]
mod support;

mod statements;
mod types;
mod worlds;

use proptest::test_runner::{Config, TestError, TestRunner};

use self::statements::{DANGEROUS, HARMLESS, any_statement};
use self::worlds::{Embedded, Server, World};

/// How many statements are tried on each database.
fn cases() -> u32 {
    let given = std::env::var("MALL_TEST_SQL_CASES").ok();
    given.map_or(250, |text| text.parse().expect("MALL_TEST_SQL_CASES is a number"))
}

#[test]
fn dangerous_statements_are_refused_on_the_embedded_databases() {
    all_refused(&Embedded::new());
}

#[test]
fn dangerous_statements_are_refused_on_a_server() {
    all_refused(&Server::new());
}

fn all_refused(world: &impl World) {
    let before = world.state();
    for line in DANGEROUS.lines() {
        let ended = world.sql(line);
        assert_eq!(ended.code, Some(64), "{line}: {ended:?}");
        assert!(ended.err.contains("allowed is one statement"), "{line}: {ended:?}");
        assert_eq!(ended.out, "", "{line}");
    }
    assert_eq!(world.state(), before);
}

#[test]
fn harmless_statements_are_answered_on_the_embedded_databases() {
    all_answered(&Embedded::new());
}

#[test]
fn harmless_statements_are_answered_on_a_server() {
    all_answered(&Server::new());
}

fn all_answered(world: &impl World) {
    for line in HARMLESS.lines() {
        let ended = world.sql(line);
        assert_eq!((ended.code, &*ended.err), (Some(0), ""), "{line}: {ended:?}");
        assert!(ended.out.contains(" in set ("), "{line}: {ended:?}");
    }
}

#[test]
fn no_statement_changes_the_embedded_databases() {
    nothing_changes(&Embedded::new(), 1);
}

#[test]
fn no_statement_changes_a_server() {
    nothing_changes(&Server::new(), 20);
}

/// Tries statements, and compares the state after every few of them.
fn nothing_changes(world: &impl World, every: usize) {
    let before = world.state();
    let mut runner = TestRunner::new(Config {
        cases: cases(),
        failure_persistence: None,
        max_shrink_iters: 200,
        ..Config::default()
    });
    let recent = std::cell::RefCell::new(Vec::new());
    let codes = std::cell::RefCell::new(std::collections::BTreeMap::<i32, u32>::new());
    let result = runner.run(&any_statement(), |text| {
        let ended = world.sql(&text);
        assert!(matches!(ended.code, Some(0 | 2 | 64)), "{text:?}: {ended:?}");
        assert!(!ended.err.contains("panicked"), "{text:?}: {ended:?}");
        *codes.borrow_mut().entry(ended.code.unwrap_or(-1)).or_default() += 1;
        let mut recent = recent.borrow_mut();
        recent.push(text);
        if recent.len() >= every {
            assert_eq!(world.state(), before, "after {recent:#?}");
            recent.clear();
        }
        Ok(())
    });
    println!("exit codes and how often: {:?}", codes.borrow());
    if let Err(TestError::Fail(why, text)) = result {
        panic!("{text:?}: {why}");
    }
    assert_eq!(world.state(), before, "after {:#?}", recent.borrow());
}
