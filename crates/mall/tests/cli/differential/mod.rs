//! Kafka's own tools and ours beside each other: the same command lines on the same broker, and on the embedded log.
//!
//! A [`Story`] is a table of command lines that run one after the other in three [`World`]s which begin alike: Java's tool on
//! the broker, ours on the broker, and ours on the embedded log. Each has topics and groups of its own, under names that
//! differ in their beginning alone. After every line its standard output, its exit code and what it left behind (topics,
//! records, committed offsets) are compared with Java's. A line may also be [`Expect`]ed to be refused by name, or to differ
//! in a way that is written down beside it; anything else is an error.

mod consumer;
mod groups;
mod java;
mod judge;
mod patterns;
mod producer;
mod row;
mod shell;
mod topics;
mod world;

use std::thread;

use java::Jvm;
use row::Story;
use world::{Outcome, World};

/// Runs all stories, and tells at the end of every line that was not as expected.
#[track_caller]
fn compare(stories: Vec<Story>) {
    let mut jvm = Jvm::start();
    let mut complaints = Vec::new();
    let mut lines = 0;
    for story in &stories {
        lines += story.rows.len();
        complaints.extend(tell(story, &mut jvm));
    }
    println!("{lines} command lines, {} not as expected", complaints.len());
    assert!(
        complaints.is_empty(),
        "{} complaints:\n\n{}",
        complaints.len(),
        complaints.join("\n\n")
    );
}

/// Runs a story, and returns what was not as expected.
fn tell(story: &Story, jvm: &mut Jvm) -> Vec<String> {
    let [mut java, mut kafka, mut embedded] = World::three(story);
    let mut complaints = Vec::new();
    for row in &story.rows {
        let (theirs, on_kafka, on_embedded) = thread::scope(|scope| {
            let on_kafka = scope.spawn(|| kafka.run(row));
            let on_embedded = scope.spawn(|| embedded.run(row));
            let theirs = java.run_in(jvm, row);
            let join = |run: thread::ScopedJoinHandle<'_, Option<Outcome>>| run.join().expect("a tool was run");
            (theirs, join(on_kafka), join(on_embedded))
        });
        for (place, ours, expect) in [
            ("Kafka", on_kafka, &row.on_kafka),
            ("the embedded log", on_embedded, &row.on_embedded),
        ] {
            let complaint = ours.and_then(|ours| judge::complaint(expect, &theirs, &ours));
            complaints.extend(complaint.map(|why| format!("{} | {} | on {place}: {why}", story.name, row.line)));
        }
    }
    complaints
}
