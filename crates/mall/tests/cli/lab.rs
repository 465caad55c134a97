//! `mall lab` as a person meets it: what there is, what it says, and what is refused.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::sync::{Mutex, PoisonError};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::program::{Folder, ended};
use super::real::required;
use crate::support::wait_for;

#[test]
fn the_list_names_scenarios_in_either_language() {
    let folder = Folder::new();
    let list = folder.run(&["lab", "list"]);
    assert_eq!(list.code, Some(0), "{list:?}");
    let zombie = list
        .out
        .lines()
        .find(|line| line.starts_with("zombie "))
        .expect("the zombie");
    assert!(zombie.contains("Zombie"), "{zombie}");
    assert!(
        list.out.contains("* Kafka transaction"),
        "it is only described: {list:?}"
    );
    let fits = |line: &str| line.chars().count() <= 80;
    assert!(
        list.out.lines().all(fits),
        "nobody has said how wide it may be: {list:?}"
    );
    let korean = folder.run(&["lab", "list", "--lang", "ko"]);
    assert!(korean.out.contains("좀비"), "{korean:?}");
    let json = folder.run(&["lab", "list", "--json"]);
    let all: serde_json::Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(all[0]["name"], "lesson-1");
    assert!(!folder.has_data(), "looking makes no data folder");
}

#[test]
fn a_scenario_is_shown_as_its_file_and_explained_with_a_question() {
    let folder = Folder::new();
    let shown = folder.run(&["lab", "show", "zombie"]);
    let file = include_str!("../../../../scenarios/a21-zombie.lab");
    assert_eq!((shown.code, shown.out.as_str()), (Some(0), file));
    let explained = folder.run(&["lab", "explain", "a21"]);
    assert!(explained.out.contains("What will the row say?"), "{explained:?}");
    assert!(
        !explained.out.contains("DELIVERY MODIFIED without the fence"),
        "that is the answer"
    );
    let answered = folder.run(&["lab", "explain", "zombie", "--answer", "--lang", "ko"]);
    assert!(answered.out.contains("펜스가 없으면 DELIVERY MODIFIED"), "{answered:?}");
    let described = folder.run(&["lab", "explain", "kafka-transaction"]);
    assert!(
        described.out.contains("Why nothing can be run:\nKeylane uses"),
        "{described:?}"
    );
    assert!(
        described
            .out
            .ends_with("The answer: mall lab explain kafka-transaction --answer\n"),
        "{described:?}"
    );
}

/// What the mall's options can't help is not told as a remedy.
#[test]
fn a_naive_consumer_has_no_guard_to_be_advised() {
    let folder = Folder::new();
    let naive = folder.run(&["lab", "run", "highest-offset", "--broken"]);
    assert!(naive.out.contains("this consumer has no guard"), "{naive:?}");
    assert!(
        naive.out.contains("unseen") && !naive.out.contains("remedy: "),
        "{naive:?}"
    );
    let shipped = folder.run(&["lab", "run", "zombie", "--broken"]);
    assert!(!shipped.out.contains("this consumer has no guard"), "{shipped:?}");
    assert!(shipped.out.contains("remedy: "), "{shipped:?}");
}

#[test]
fn what_makes_no_sense_is_refused_with_what_would() {
    let folder = Folder::new();
    let refused = |words: &[&str], sentence: &str| {
        let ended = folder.run(words);
        assert!(
            ended.code == Some(64) && ended.err.contains(sentence),
            "{words:?}: {ended:?}"
        );
    };
    refused(
        &["lab", "show", "zombi"],
        "there is no scenario zombi; did you mean zombie?",
    );
    refused(&["lab", "run"], "required");
    refused(&["lab", "run", "zombie", "--all"], "cannot be used with");
    refused(&["lab", "run", "zombie", "--speed", "0"], "from 0.01 to 1000");
    refused(
        &["lab", "run", "kafka-transaction"],
        "kafka-transaction is only described: ",
    );
    refused(
        &["lab", "run", "lesson-1", "--broken"],
        "lesson-1 has only this run: fixed",
    );
    std::fs::write(folder.path().join("own.lab"), "place KIM\nfreze delivery-1\n").expect("a file");
    refused(
        &["lab", "run", "own.lab"],
        "own.lab:2: found \"freze\", did you mean freeze?",
    );
    refused(&["lab", "show", "./none.lab"], "can't read ./none.lab: ");
    let real = ["lab", "run", "zombie", "--world", "real"];
    refused(&real, "--world real takes a Kafka and a database");
    let kafka = ["--bootstrap-server", "localhost:9092"];
    let database = ["--database-url", "mysql://root:1234@localhost:3306/x"];
    refused(&[&real[..], &kafka].concat(), "--database-url");
    refused(
        &[&["lab", "run", "zombie"], &kafka[..], &database].concat(),
        "which no other world takes",
    );
}

#[test]
fn a_run_is_recorded_as_a_history_that_is_the_same_each_time() {
    let folder = Folder::new();
    let record = |file: &str, words: &[&str]| {
        let ended = folder.run(&[&["lab", "run", "zombie", "--record", file], words].concat());
        (ended.code, ended.err)
    };
    assert_eq!(record("one.jsonl", &["--broken"]).0, Some(0));
    assert_eq!(record("two.jsonl", &["--broken", "--json"]).0, Some(0));
    let read = |file: &str| std::fs::read_to_string(folder.path().join(file)).expect(file);
    assert_eq!(read("one.jsonl"), read("two.jsonl"));
    let lines: Vec<Value> = read("one.jsonl")
        .lines()
        .map(|line| serde_json::from_str(line).expect(line))
        .collect();
    let header = &lines[0];
    assert_eq!(
        (&header["history"], &header["scenario"]["name"], &header["run"]),
        (&1.into(), &"zombie".into(), &"broken".into())
    );
    assert_eq!(lines[1]["event"], "snapshot");
    let verdict = lines.iter().rev().find(|line| line["event"] == "verdict");
    assert_eq!(verdict.expect("a verdict")["data"]["state"], "harm");
    assert_eq!(lines.last().expect("an end")["event"], "outcome");

    let embedded = record("real.jsonl", &["--fixed", "--world", "embedded"]);
    assert_eq!(embedded.0, Some(0), "{embedded:?}");
    let real = read("real.jsonl");
    assert!(
        real.contains("\"world\":\"embedded\"") && real.contains("\"harm\":false"),
        "{real}"
    );

    let (code, why) = record("both.jsonl", &[]);
    assert!(code == Some(64) && why.contains("add --broken or --fixed"), "{why}");
    let (code, why) = record("none/at/all.jsonl", &["--broken"]);
    assert!(
        code == Some(2) && why.contains("can't be written to none/at/all.jsonl"),
        "{why}"
    );
    assert!(!folder.path().join("both.jsonl").exists());
}

#[test]
fn the_same_seeds_give_the_same_output_and_harm_is_shown_as_a_small_history() {
    let folder = Folder::new();
    let naive = ["lab", "simulate", "--mode", "naive", "--seeds", "12", "--lang", "en"];
    let (first, second) = (folder.run(&naive), folder.run(&naive));
    assert_eq!(first.code, Some(1), "{first:?}");
    assert_eq!(first.out, second.out);
    let (_, file) = first.out.split_once("\n\n").expect("the counts, and then a file");
    std::fs::write(folder.path().join("found.lab"), file).expect("a file");
    let again = folder.run(&["lab", "simulate", "--replay", "found.lab"]);
    assert_eq!(again.code, Some(1), "{again:?}");
    let run = folder.run(&["lab", "run", "found.lab"]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let fixed = folder.run(&["lab", "simulate", "--seeds", "5"]);
    assert_eq!(fixed.code, Some(0), "{fixed:?}");
    let wrong = folder.run(&["lab", "simulate", "--mode", "odd"]);
    assert_eq!(wrong.code, Some(64), "{wrong:?}");
}

#[test]
fn harm_that_was_found_by_a_seed_is_done_again_by_real_processes() {
    let folder = Folder::new();
    let naive = ["lab", "simulate", "--mode", "naive", "--seeds", "20", "--lang", "en"];
    let found = folder.run(&[&naive[..], &["--save", "found.lab"]].concat());
    assert_eq!(found.code, Some(1), "{found:?}");
    let (_, command) = found.out.rsplit_once("To run it: mall ").expect("how it is run");
    let words: Vec<&str> = command.split_whitespace().collect();
    assert_eq!(words, ["lab", "run", "found.lab", "--world", "embedded"], "{found:?}");
    let replayed = folder.run(&["lab", "simulate", "--replay", "found.lab", "--lang", "en"]);
    let harm = replayed.out.lines().find_map(|line| line.strip_prefix("harm: "));
    let harm = harm
        .expect("a line")
        .split(", ")
        .filter_map(|name| name.strip_suffix(" 1"));
    let ran = folder.run(&[&words[..], &["--broken", "--json"]].concat());
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let report: Value = serde_json::from_str(&ran.out).expect("JSON");
    let findings = report["findings"].as_array().expect("findings").iter();
    let expected = findings.filter_map(|finding| finding["expected"].as_str()?.split(' ').next());
    let did: BTreeSet<&str> = expected.collect();
    assert_eq!(did, harm.collect(), "{replayed:?}");
    assert!(!did.is_empty());
}

/// The number of parts into which the scenarios are shared out, so that they run at the same time.
const PARTS: usize = 3;

/// Every scenario of this part that claims to run in a world of real processes comes out there as its file says; `servers` are
/// the options that name Kafka and the database, where the world has them.
fn comes_out(world: &str, servers: &[&str], part: usize) {
    let folder = Folder::new();
    let list = folder.run(&["lab", "list", "--json"]);
    let all: Vec<Value> = serde_json::from_str(&list.out).expect("JSON");
    let shown = |scenario: &&Value| {
        let worlds = scenario["worlds"].as_array().expect("worlds");
        worlds.iter().any(|claimed| claimed == world)
    };
    let names = all
        .iter()
        .filter(shown)
        .map(|scenario| scenario["name"].as_str().expect("a name"));
    let names: Vec<&str> = names.skip(part).step_by(PARTS).collect();
    assert!(names.len() > 5, "{names:?}");
    let words = [&["lab", "run", "--json", "--world", world], servers, &names[..]].concat();
    let output = folder.command(&words).env("TMPDIR", folder.path()).output();
    let told = ended(output.expect("it runs"));
    assert_eq!(told.code, Some(0), "{told:?}");
    assert!(told.out.lines().count() >= names.len(), "{told:?}");
    assert_eq!(told.err, "", "nothing went wrong on the way");
    assert_eq!(entries(folder.path()), 0, "nothing is left behind");
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).expect("a folder").count()
}

#[test]
fn a_first_part_of_the_scenarios_comes_out_on_the_embedded_default() {
    comes_out("embedded", &[], 0);
}

#[test]
fn a_second_part_of_the_scenarios_comes_out_on_the_embedded_default() {
    comes_out("embedded", &[], 1);
}

#[test]
fn a_third_part_of_the_scenarios_comes_out_on_the_embedded_default() {
    comes_out("embedded", &[], 2);
}

#[test]
fn who_is_interrupted_leaves_neither_files_nor_processes_behind() {
    interrupted(&["--world", "embedded"]);
}

/// Interrupts a scenario while one of its processes is frozen: neither its files nor its processes stay.
fn interrupted(world: &[&str]) {
    let folder = Folder::new();
    let mut command = folder.command(&[&["lab", "run", "zombie", "--fixed"], world].concat());
    let command = command.env("TMPDIR", folder.path()).stdout(Stdio::piped());
    let mut child = command.spawn().expect("it runs");
    let lines = BufReader::new(child.stdout.take().expect("its output")).lines();
    let mut lines = lines.map_while(Result::ok);
    assert!(lines.any(|line| line.contains("stands still")), "delivery-1 is frozen");
    let here = folder.path().to_string_lossy().into_owned();
    assert!(processes_that_name(&here) >= 3, "its roles run");
    let pid = Pid::from_raw(child.id().cast_signed()).expect("a process");
    kill_process(pid, Signal::INT).expect("it runs");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(entries(folder.path()), 0);
    // A process that was killed is gone a moment later.
    wait_for("its roles to be gone", || {
        (processes_that_name(&here) == 0).then_some(())
    });
}

#[test]
fn who_is_interrupted_leaves_nothing_on_servers() {
    on_servers(|servers| interrupted(&[&["--world", "real"], servers].concat()));
}

#[test]
fn the_scenarios_come_out_on_kafka_and_mariadb() {
    on_servers(|servers| {
        std::thread::scope(|scope| {
            for part in 0..PARTS {
                scope.spawn(move || comes_out("real", servers, part));
            }
        });
    });
}

/// Held by who runs scenarios on the servers, since what they leave there can be told only while no others are at work.
static SERVERS: Mutex<()> = Mutex::new(());

/// Runs scenarios with the options that name Kafka and the database, and checks that they leave no topic, no group and no database
/// there.
fn on_servers(run: impl FnOnce(&[&str])) {
    let _alone = SERVERS.lock().unwrap_or_else(PoisonError::into_inner);
    let kafka = required("MALL_TEST_KAFKA");
    // Each scenario makes a database of its own, so that the one that the URL names stays untouched.
    let database = required("MALL_TEST_MYSQL") + "/information_schema";
    let before = kept(&kafka, &database);
    run(&["--bootstrap-server", &*kafka, "--database-url", &*database]);
    // A broker may name a topic for a moment after it was deleted.
    wait_for("the topics, groups and databases of the scenarios to be gone", || {
        kept(&kafka, &database).is_subset(&before).then_some(())
    });
}

/// The topics, groups and databases on the servers that belong to scenarios.
fn kept(kafka: &str, database: &str) -> BTreeSet<String> {
    let folder = Folder::new();
    let topics = folder.run(&["kafka-topics", "--list", "--bootstrap-server", kafka]);
    assert_eq!(topics.code, Some(0), "{topics:?}");
    let groups = folder.run(&["kafka-consumer-groups", "--list", "--bootstrap-server", kafka]);
    assert_eq!(groups.code, Some(0), "{groups:?}");
    let schemas = "select schema_name from schemata";
    let databases = folder.run(&["sql", "--database-url", database, schemas]);
    assert_eq!(databases.code, Some(0), "{databases:?}");
    let all = [topics.out, groups.out, databases.out].join("\n");
    let words = all.split_whitespace();
    let theirs = words.filter(|word| word.contains(".lab-") || word.starts_with("mall_lab_"));
    theirs.map(str::to_owned).collect()
}

/// How many processes have this text on their command lines, dead ones that nobody has waited for left out.
fn processes_that_name(text: &str) -> usize {
    let processes = std::fs::read_dir("/proc").expect("a list").flatten();
    let lines = processes.filter_map(|process| std::fs::read(process.path().join("cmdline")).ok());
    lines
        .filter(|line| String::from_utf8_lossy(line).contains(text))
        .count()
}
