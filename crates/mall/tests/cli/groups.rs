//! `kafka-consumer-groups` on the embedded log, with members that are processes of their own, and beside Kafka's own tool.

use std::process::{Child, Stdio};

use super::program::{Ended, Folder};
use super::real::{java, required, unique};
use super::support::wait_for;

/// A console consumer in a group: killed when the test is done with it.
struct Member(Child);

impl Member {
    fn join(folder: &Folder, words: &[&str]) -> Self {
        let mut command = folder.command(&[&["kafka-console-consumer"], words].concat());
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(command.spawn().expect("a member starts"))
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn groups(folder: &Folder, words: &[&str]) -> Ended {
    folder.run(&[&["kafka-consumer-groups"], words].concat())
}

/// The words of each line below the heading.
fn rows(ended: &Ended) -> Vec<Vec<String>> {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    ended.out.lines().skip(2).map(words).collect()
}

fn filled(folder: &Folder) {
    let created = folder.run(&["kafka-topics", "--create", "--topic", "t", "--partitions", "2"]);
    assert_eq!(created.code, Some(0), "{created:?}");
    let words = ["kafka-console-producer", "--topic", "t", "--property", "parse.key=true"];
    // Two of these keys lie in each partition.
    assert_eq!(folder.run_with(&words, "1\ta\n2\tb\n3\tc\n4\td\n5\te\n").code, Some(0));
}

const TO_EARLIEST: [&str; 7] = [
    "--reset-offsets",
    "--group",
    "g",
    "--topic",
    "t",
    "--to-earliest",
    "--execute",
];

/// What could not be written is read by whoever comes next.
#[test]
fn records_that_nobody_got_are_not_committed() {
    let folder = Folder::new();
    filled(&folder);
    let words = [
        "kafka-console-consumer",
        "--topic",
        "t",
        "--group",
        "g",
        "--from-beginning",
    ];
    let full = std::fs::File::options()
        .write(true)
        .open("/dev/full")
        .expect("a full device");
    let mut lost = folder.command(&words);
    let lost = lost.stdin(Stdio::null()).stdout(full).stderr(Stdio::piped());
    let said = String::from_utf8(lost.output().expect("it runs").stderr).expect("it is UTF-8");
    assert!(
        said.contains("Unable to write to standard out") && said.contains("Processed a total of 0 messages"),
        "{said}"
    );
    let got = folder.run(&[&words[..], &["--max-messages", "1"]].concat());
    assert_eq!((got.code, got.out.lines().count()), (Some(0), 1), "{got:?}");
}

#[test]
fn an_idle_member_is_named_and_explained() {
    let folder = Folder::new();
    filled(&folder);
    let words = ["--topic", "t", "--group", "g", "--from-beginning"];
    let _members: Vec<_> = (0..3).map(|_| Member::join(&folder, &words)).collect();
    let describe = ["--describe", "--group", "g"];
    let seen = wait_for("three members, and all read", || {
        let members = rows(&groups(&folder, &["--describe", "--group", "g", "--members"]));
        let seen = groups(&folder, &describe);
        let read = rows(&seen).iter().filter(|row| row[5] == "0" && row[6] != "-").count() == 2;
        (members.len() == 3 && read).then_some(seen)
    });
    let head =
        "\nGROUP           TOPIC           PARTITION  CURRENT-OFFSET  LOG-END-OFFSET  LAG             CONSUMER-ID  ";
    assert!(seen.out.starts_with(head), "{seen:?}");
    let row = &rows(&seen)[0];
    assert_eq!((row[7].as_str(), row[8].as_str()), ("/127.0.0.1", "console-consumer"));
    assert!(
        seen.err.contains(" is idle: 3 members share 2 partitions, "),
        "{seen:?}"
    );
    assert_eq!(seen.err.matches("is idle").count(), 1);

    let members = groups(&folder, &["-describe", "-group=g", "-members"]);
    let mut counts: Vec<_> = rows(&members).into_iter().map(|row| row[4].clone()).collect();
    counts.sort();
    assert_eq!(counts, ["0", "1", "1"]);
    let state = groups(&folder, &["--describe", "--group", "g", "--state"]);
    assert_eq!(rows(&state), [["g", "-", "modulo", "Stable", "3"]]);

    let active = groups(
        &folder,
        &[
            "--reset-offsets",
            "--group",
            "g",
            "--topic",
            "t",
            "--to-earliest",
            "--execute",
        ],
    );
    assert_eq!(
        active.out,
        "\nError: Assignments can only be reset if the group 'g' is inactive, but the current state is Stable.\n\
         \nGROUP           TOPIC           PARTITION  NEW-OFFSET\n"
    );
    assert_eq!(active.code, Some(0), "as Kafka's tool ends");
}

#[test]
fn a_reset_shows_first_and_then_sets() {
    let folder = Folder::new();
    filled(&folder);
    let read = [
        "kafka-console-consumer",
        "--topic",
        "t",
        "--group",
        "g",
        "--from-beginning",
        "--max-messages",
        "5",
    ];
    assert_eq!(folder.run(&read).out.lines().count(), 5);
    let offsets = || -> Vec<String> {
        let seen = groups(&folder, &["--describe", "--group", "g"]);
        assert_eq!(seen.err, "\nConsumer group 'g' has no active members.\n");
        rows(&seen).into_iter().map(|row| row[3].clone()).collect()
    };
    let end = offsets();
    let reset = |words: &[&str]| groups(&folder, &[&["--reset-offsets", "--group", "g"], words].concat());
    let shown = reset(&["--topic", "t", "--to-earliest"]);
    assert_eq!(
        shown.out,
        "\nGROUP           TOPIC           PARTITION  NEW-OFFSET\n\
         g               t               0          0\n\
         g               t               1          0\n"
    );
    assert!(shown.err.starts_with("WARN: No action will be performed"), "{shown:?}");
    assert_eq!(reset(&["--topic", "t", "--to-earliest", "--dry-run"]).err, "");
    assert_eq!(offsets(), end, "only shown");

    assert_eq!(reset(&["--topic", "t:0", "--to-offset", "1", "--execute"]).err, "");
    assert_eq!(offsets(), ["1", &end[1]]);
    reset(&["--all-topics", "--shift-by", "-1", "--execute"]);
    let less = end[1].parse::<u64>().expect("an offset") - 1;
    assert_eq!(offsets(), ["0", &less.to_string()]);
    reset(&[
        "--topic",
        "t",
        "--to-datetime",
        "2001-01-01T09:00:00.000+09:00",
        "--execute",
    ]);
    assert_eq!(offsets(), ["0", "0"]);
    let clamped = reset(&["--topic", "t", "--to-offset", "99", "--execute"]);
    assert!(
        clamped
            .err
            .starts_with("WARN New offset (99) is higher than latest offset for topic partition t-0.")
    );
    assert_eq!(offsets(), end);
    let future = reset(&[
        "--topic",
        "t:0",
        "--to-datetime",
        "2101-01-01T00:00:00.000",
        "--dry-run",
    ]);
    assert!(
        future.out.contains("Falling back to latest known offset."),
        "{future:?}"
    );
}

#[test]
fn a_group_is_deleted_once_its_members_have_gone() {
    let folder = Folder::new();
    filled(&folder);
    let member = Member::join(&folder, &["--topic", "t", "--group", "g", "--from-beginning"]);
    wait_for("it is in and has committed", || {
        let seen = rows(&groups(&folder, &["--describe", "--group", "g"]));
        (seen.iter().filter(|row| row[5] == "0" && row[6] != "-").count() == 2).then_some(())
    });
    let listed = groups(&folder, &["--list", "--state", "--type"]);
    let words: Vec<_> = listed.out.split_whitespace().collect();
    assert_eq!(words, ["GROUP", "TYPE", "STATE", "g", "Classic", "Stable"]);
    let verbose = rows(&groups(
        &folder,
        &["--describe", "--group", "g", "--members", "--verbose"],
    ));
    assert_eq!(verbose[0][4..], ["2", "-", "t:0,1", "-", "-"]);
    let delete = || groups(&folder, &["--delete", "--group", "g"]);
    let forget = || groups(&folder, &["--delete-offsets", "--group", "g", "--topic", "t:1"]);
    assert!(delete().out.contains("GroupNotEmptyException"));
    assert!(forget().out.contains("GroupSubscribedToTopicException"));
    drop(member);
    assert!(forget().out.contains("Successful"));
    assert_eq!(rows(&groups(&folder, &["--describe", "--group", "g"])).len(), 1);
    let deleted = delete();
    let says = "Deletion of requested consumer groups ('g') was successful.\n";
    assert_eq!((deleted.code, deleted.out.as_str()), (Some(0), says));
    assert_eq!(groups(&folder, &["--list"]).out, "");
}

#[test]
fn one_that_was_killed_is_not_shown_as_a_member() {
    let folder = Folder::new();
    filled(&folder);
    let member = Member::join(&folder, &["--topic", "t", "--group", "g", "--from-beginning"]);
    let committed = || rows(&groups(&folder, &["--describe", "--group", "g"]));
    wait_for("it has committed", || {
        (committed().iter().filter(|row| row[5] == "0").count() == 2).then_some(())
    });
    drop(member);
    let state = groups(&folder, &["--describe", "--group", "g", "--state"]);
    assert_eq!(rows(&state), [["g", "-", "-", "Empty", "0"]]);
    assert!(!groups(&folder, &TO_EARLIEST).out.contains("Error"));
    assert!(
        committed().iter().all(|row| row[3] == "0" && row[6] == "-"),
        "{:?}",
        committed()
    );
}

#[test]
fn looking_at_groups_creates_nothing() {
    let folder = Folder::new();
    let list = groups(&folder, &["--list"]);
    assert_eq!((list.code, list.out.as_str()), (Some(0), ""));
    let unknown = groups(&folder, &["--describe", "--group", "nope"]);
    assert_eq!(unknown.code, Some(0));
    assert!(
        unknown
            .out
            .ends_with("GroupIdNotFoundException: Group nope not found.\n"),
        "{unknown:?}"
    );
    assert!(
        groups(&folder, &TO_EARLIEST)
            .out
            .contains("there is no embedded log in ")
    );
    assert!(!folder.has_data());
}

/// Wrong usage, and what Kafka's tool says of it: a line on stderr, and exit code 1.
const WRONG: [(&[&str], &str); 7] = [
    (
        &["--describe"],
        "Option [describe] takes one of these options: [group], [all-groups]",
    ),
    (
        &["--describe", "--group", "g", "--members", "--state"],
        "Option [describe] takes at most one of these options: [members], [offsets], [state]",
    ),
    (
        &["--list", "--group", "g"],
        "Option \"[group]\" can't be used with option \"[list]\"",
    ),
    (
        &[
            "--reset-offsets",
            "--group",
            "g",
            "--topic",
            "t",
            "--to-latest",
            "--execute",
            "--dry-run",
        ],
        "Option [reset-offsets] only accepts one of [execute] and [dry-run]",
    ),
    (
        &[
            "--reset-offsets",
            "--group",
            "g",
            "--topic",
            "t",
            "--to-earliest",
            "--to-latest",
            "--dry-run",
        ],
        "Option \"[to-earliest]\" can't be used with option \"[to-latest]\"",
    ),
    (
        &["--reset-offsets", "--group", "g", "--to-earliest", "--dry-run"],
        "One of the reset scopes should be defined: --all-topics, --topic.",
    ),
    (
        &["--reset-offsets", "--topic", "t", "--to-earliest", "--dry-run"],
        "Option [reset-offsets] takes one of these options: [group], [all-groups]",
    ),
];

/// Kafka's tool lists options in another order each time.
fn words_of(sentence: &str) -> Vec<&str> {
    let mut words: Vec<_> = sentence.split([' ', ',']).collect();
    words.sort_unstable();
    words
}

#[test]
fn wrong_usage_is_refused_in_kafkas_words() {
    let folder = Folder::new();
    let servers = required("MALL_TEST_KAFKA");
    for (words, sentence) in WRONG {
        let ours = groups(&folder, words);
        let at = ["--bootstrap-server", servers.as_str()];
        let theirs = java(&[&["kafka-consumer-groups"], &at[..], words].concat());
        for ended in [&ours, &theirs] {
            assert_eq!((ended.code, ended.out.as_str()), (Some(1), ""), "{words:?} {ended:?}");
            // Java's client may have to say something about the network first.
            let mut lines = ended.err.lines().map(words_of);
            assert!(lines.any(|line| line == words_of(sentence)), "{words:?} {ended:?}");
        }
    }
    let more = groups(&folder, &["--list", "--timeout", "10"]);
    assert_eq!(more.code, Some(64), "{more:?}");
    assert!(more.err.starts_with("--timeout is not supported here: "), "{more:?}");
}

#[test]
#[expect(clippy::too_many_lines, reason = "one story")]
fn kafkas_own_tool_says_the_same_of_a_group() {
    let folder = Folder::new();
    let (servers, topic, group) = (required("MALL_TEST_KAFKA"), unique("groups"), unique("group"));
    let at = ["--bootstrap-server", servers.as_str()];
    let on = |tool, words: &[&str]| folder.run(&[&[tool], &at[..], words].concat());
    assert_eq!(
        on("kafka-topics", &["--create", "--topic", &topic, "--partitions", "2"]).code,
        Some(0)
    );
    let produce = [
        "kafka-console-producer",
        "--topic",
        &topic,
        at[0],
        at[1],
        "--property",
        "parse.key=true",
    ];
    assert_eq!(
        folder.run_with(&produce, "1\ta\n2\tb\n3\tc\n4\td\n5\te\n").code,
        Some(0)
    );
    let sorted = |text: &str| {
        let mut lines: Vec<_> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    let same = |words: &[&str]| {
        let words = [&["kafka-consumer-groups"], &at[..], words].concat();
        let (ours, theirs) = (folder.run(&words), java(&words));
        // Kafka's tool prints a reset in the order of Java's hash table, and of its failures the whole stack.
        match words.contains(&"--reset-offsets") {
            true => assert_eq!(sorted(&ours.out), sorted(&theirs.out), "{words:?} {ours:?}"),
            false => assert_eq!(ours.out, theirs.out, "{words:?} {ours:?}"),
        }
        assert_eq!(ours.code, theirs.code, "{words:?}");
        ours
    };
    let describe = ["--describe", "--group", &group];
    same(&describe);

    for protocol in ["classic", "consumer"] {
        let property = format!("group.protocol={protocol}");
        let words = [
            "--topic",
            &topic,
            "--group",
            &group,
            "--from-beginning",
            "--consumer-property",
            &property,
        ];
        let members: Vec<_> = (0..3)
            .map(|_| Member::join(&folder, &[&at[..], &words].concat()))
            .collect();
        wait_for("all three are in", || {
            let state = on("kafka-consumer-groups", &["--describe", "--group", &group, "--state"]);
            let row = rows(&state).pop()?;
            (row[row.len() - 2..] == ["Stable", "3"]).then_some(())
        });
        wait_for("all is read", || {
            let seen = rows(&on("kafka-consumer-groups", &describe));
            (seen.iter().filter(|row| row[5] == "0").count() == 2).then_some(())
        });
        let seen = same(&describe);
        assert!(
            seen.err.contains(" is idle: 3 members share 2 partitions, "),
            "{seen:?}"
        );
        same(&["--describe", "--group", &group, "--members"]);
        same(&["--describe", "--group", &group, "--state"]);
        same(&["--describe", "--group", &group, "--verbose"]);
        if protocol == "classic" {
            same(&["--describe", "--group", &group, "--state", "--verbose"]);
            same(&["--describe", "--group", &group, "--members", "--verbose"]);
        }
        assert!(
            same(&["--delete", "--group", &group])
                .out
                .contains("The group is not empty.")
        );
        let forget = same(&["--delete-offsets", "--group", &group, "--topic", &topic]);
        assert!(forget.out.contains("actively subscribed"), "{forget:?}");
        let reset = [
            "--reset-offsets",
            "--group",
            &group,
            "--topic",
            &topic,
            "--to-earliest",
            "--execute",
        ];
        assert!(same(&reset).out.contains("but the current state is Stable."));
        leave(members);
        wait_for("all have left", || {
            let state = on("kafka-consumer-groups", &["--describe", "--group", &group, "--state"]);
            state.err.contains("has no active members").then_some(())
        });
    }
    same(&["--describe", "--group", &group, "--members"]);
    same(&["--describe", "--group", &group, "--state"]);
    let topics = ["--reset-offsets", "--group", &group, "--topic", &topic];
    for (scenario, value) in [
        ("--to-earliest", None),
        ("--to-latest", None),
        ("--to-current", None),
        ("--to-offset", Some("1")),
        ("--to-offset", Some("99")),
        ("--shift-by", Some("-1")),
        ("--to-datetime", Some("2101-01-01T00:00:00.000")),
        ("--to-datetime", Some("2001-01-01T00:00:00.000")),
        ("--shift-by", Some("x")),
    ] {
        let scenario: Vec<_> = [scenario].into_iter().chain(value).collect();
        same(&[&topics[..], &scenario, &["--dry-run"]].concat());
    }
    assert!(
        !on(
            "kafka-consumer-groups",
            &[&topics[..], &["--to-offset", "1", "--execute"]].concat()
        )
        .out
        .contains("Error")
    );
    let after = same(&describe);
    assert!(rows(&after).iter().all(|row| row[3] == "1"), "{after:?}");
    assert!(
        on("kafka-consumer-groups", &["--list"])
            .out
            .lines()
            .any(|line| line == group)
    );
}

/// SIGTERM, so that nobody has to wait for their sessions to end.
fn leave(members: Vec<Member>) {
    for member in &members {
        let pid = rustix::process::Pid::from_child(&member.0);
        rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("a member can be signalled");
    }
    for mut member in members {
        wait_for("a member's end", || {
            member.0.try_wait().expect("a child can be waited for")
        });
    }
}
