use super::program::Folder;

const COLLIDE: &str = "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
                       collide. To avoid issues it is best to use either, but not both.\n";

#[test]
fn topics_are_created_grown_and_shown_as_kafka_does() {
    let folder = Folder::new();
    assert_eq!(
        folder.run(&["kafka-topics", "--list"]).out,
        "\n",
        "as Java's tool ends its list"
    );
    assert!(!folder.has_data(), "looking creates nothing");
    let create = ["kafka-topics", "--create", "--topic", "t.1", "-partitions", "2"];
    let created = folder.run(&create);
    assert_eq!(
        (created.code, created.out),
        (Some(0), format!("{COLLIDE}Created topic t.1.\n"))
    );
    let again = folder.run(&create);
    let exists = "Error while executing topic command : Topic 't.1' already exists.\n";
    assert_eq!((again.code, again.out), (Some(1), format!("{COLLIDE}{exists}")));
    let alter = |partitions| folder.run(&["kafka-topics", "--alter", "--topic", "t.1", "-partitions", partitions]);
    assert_eq!(
        alter("2").out,
        "Error while executing topic command : Topic already has 2 partition(s).\n"
    );
    assert_eq!(
        alter("1").out,
        "Error while executing topic command : The topic t.1 currently has 2 partition(s); 1 would not be an increase.\n"
    );
    let grown = alter("3");
    assert_eq!((grown.code, grown.out.as_str()), (Some(0), ""));
    let described = folder.run(&["kafka-topics", "--describe", "--topic", "t.1"]).out;
    let lines: Vec<_> = described.lines().collect();
    assert_eq!(
        lines[0],
        "Topic: t.1\tPartitionCount: 3\tReplicationFactor: 1\tConfigs: "
    );
    assert_eq!(lines.len(), 4);
    assert_eq!(
        lines[3],
        "\tTopic: t.1\tPartition: 2\tLeader: 0\tReplicas: 0\tIsr: 0\tElr: N/A\tLastKnownElr: N/A"
    );
    assert_eq!(folder.run(&["kafka-topics", "--list"]).out, "t.1\n");
}

#[test]
fn what_topics_cannot_do_is_refused_in_kafkas_words() {
    let folder = Folder::new();
    let failed = |words: &[&str]| {
        let ended = folder.run(&[&["kafka-topics"], words].concat());
        assert_eq!(ended.code, Some(1), "{ended:?}");
        format!("{}{}", ended.out, ended.err.lines().next().unwrap_or_default())
    };
    assert_eq!(
        failed(&["--describe", "--topic", "nope"]),
        "Error while executing topic command : Topic 'nope' does not exist as expected\n"
    );
    assert_eq!(failed(&["--create"]), "Missing required argument \"[topic]\"");
    assert_eq!(failed(&["--list", "--foo"]), "foo is not a recognized option");
    assert!(failed(&[]).starts_with("Command must include exactly one action"));
    assert!(failed(&["--list", "--zookeeper", "h:1"]).contains("--bootstrap-server"));
    assert!(!folder.has_data());
}

#[test]
fn a_broker_that_nobody_answers_at_hints_at_the_embedded_log() {
    let folder = Folder::new();
    folder.run(&["kafka-topics", "--create", "--topic", "t"]);
    let ended = folder.run(&["kafka-topics", "--list", "--bootstrap-server", "127.0.0.1:1"]);
    assert_eq!(ended.code, Some(1));
    assert!(
        ended.out.contains("127.0.0.1:1") && ended.out.contains("out for the embedded log"),
        "{ended:?}"
    );
}

#[test]
fn what_is_produced_is_consumed_column_by_column() {
    let folder = Folder::new();
    let parse = [
        "--reader-property",
        "parse.key=true",
        "--reader-property",
        "parse.headers=true",
    ];
    let words = [&["kafka-console-producer", "--topic", "t"], &parse[..]].concat();
    let produced = folder.run_with(&words, "h1:v1,h2:\tk1\tv1\nh1:v2\tk2\tv2\n");
    assert_eq!(produced.code, Some(0), "{produced:?}");
    let print = [
        "print.key=true",
        "print.partition=true",
        "print.offset=true",
        "print.headers=true",
    ];
    let mut words = vec![
        "kafka-console-consumer",
        "-topic",
        "t",
        "--from-beginning",
        "--max-messages=2",
    ];
    words.extend(print.iter().flat_map(|property| ["--formatter-property", property]));
    let consumed = folder.run(&words);
    assert_eq!(
        consumed.out,
        "Partition:0\tOffset:0\th1:v1,h2:\tk1\tv1\nPartition:0\tOffset:1\th1:v2\tk2\tv2\n"
    );
    assert_eq!(
        (consumed.code, consumed.err.as_str()),
        (Some(0), "Processed a total of 2 messages\n")
    );
}

#[test]
fn a_line_without_its_key_ends_the_producer_after_the_lines_before_it() {
    let folder = Folder::new();
    let words = ["kafka-console-producer", "--topic", "t", "--property", "parse.key=true"];
    let produced = folder.run_with(&words, "k\tok\nno key\nk\tnever\n");
    assert_eq!(produced.code, Some(1));
    assert!(
        produced
            .err
            .contains("No key separator found on line number 2: 'no key'"),
        "{produced:?}"
    );
    let consumed = folder.run(&[
        "kafka-console-consumer",
        "--topic",
        "t",
        "--from-beginning",
        "--timeout-ms",
        "300",
    ]);
    assert_eq!(consumed.out, "ok\n");
}

#[test]
fn a_line_ends_as_javas_do() {
    let folder = Folder::new();
    let produced = folder.run_with(&["kafka-console-producer", "--topic", "t"], "a\r\nb\rc\n\r\nd\re");
    assert_eq!(produced.code, Some(0), "{produced:?}");
    let words = [
        "kafka-console-consumer",
        "--topic",
        "t",
        "--from-beginning",
        "--max-messages=6",
    ];
    assert_eq!(folder.run(&words).out, "a\nb\nc\n\nd\ne\n");
}

#[test]
fn the_embedded_log_compresses_nothing_and_says_so() {
    let folder = Folder::new();
    let produce = |options: &[&str]| {
        let words = [&["kafka-console-producer", "--topic", "t"], options].concat();
        folder.run_with(&words, "a\n")
    };
    for (options, says, code) in [
        (
            &["--compression-codec"][..],
            "--compression-codec gzip needs --bootstrap-server",
            64,
        ),
        (
            &["--compression-codec", "zstd"],
            "--compression-codec zstd needs --bootstrap-server",
            64,
        ),
        (
            &["--compression-codec=zip"],
            "Invalid value zip for configuration compression.type",
            1,
        ),
    ] {
        let refused = produce(options);
        assert!(
            refused.code == Some(code) && refused.err.contains(says),
            "{options:?}: {refused:?}"
        );
        assert!(!folder.has_data(), "{options:?}");
    }
    assert_eq!(produce(&["--compression-codec", "none"]).code, Some(0));
}

#[test]
fn a_consumer_begins_where_it_is_told() {
    let folder = Folder::new();
    folder.run_with(&["kafka-console-producer", "--topic", "t"], "a\nb\nc\n");
    let consume = |words: &[&str]| folder.run(&[&["kafka-console-consumer", "--topic", "t"], words].concat());
    assert_eq!(
        consume(&["--partition", "0", "--offset", "1", "--max-messages", "1"]).out,
        "b\n"
    );
    let silent = consume(&["--timeout-ms", "200"]);
    assert_eq!(
        (silent.out.as_str(), silent.code),
        ("", Some(0)),
        "only what comes from now on"
    );
    assert!(silent.err.contains("TimeoutException") && silent.err.ends_with("Processed a total of 0 messages\n"));
    assert_eq!(
        consume(&["--group", "g", "--from-beginning", "--max-messages", "2"]).out,
        "a\nb\n"
    );
    assert_eq!(
        consume(&["--group", "g", "--from-beginning", "--max-messages", "1"]).out,
        "c\n"
    );
    let wrong = consume(&["--offset", "1"]);
    assert_eq!(wrong.code, Some(1));
    assert!(
        wrong
            .err
            .starts_with("The partition is required when offset is specified.\n"),
        "{wrong:?}"
    );
}

#[test]
fn a_consumer_of_nothing_waits_without_creating_anything() {
    let folder = Folder::new();
    let ended = folder.run(&["kafka-console-consumer", "--topic", "t", "--timeout-ms", "200"]);
    assert!(ended.err.contains("no embedded log"), "{ended:?}");
    assert!(!folder.has_data());
}

/// Each line of options with what the consumer says while it waits.
#[test]
fn a_consumer_says_what_it_waits_for() {
    let folder = Folder::new();
    folder.run_with(&["kafka-console-producer", "--topic", "t"], "a\nb\n");
    let lines: [(&[&str], &str); 6] = [
        (&["--topic", "u"], "topic u does not exist (yet)"),
        (&["--topic", "u", "--group", "g"], "topic u does not exist (yet)"),
        (&["--include", "u.*"], "no topic matches the pattern (yet)"),
        (
            &["--include", "u.*", "--group", "g"],
            "no topic matches the pattern (yet)",
        ),
        (
            &["--topic", "t", "--partition", "1"],
            "topic t has no partition 1 (yet)",
        ),
        (
            &["--topic", "t", "--partition", "0", "--offset", "3"],
            "t-0 has offsets 0 to 2, and 3 is not among them; reading from its end",
        ),
    ];
    for (options, says) in lines {
        let ended = folder.run(&[&["kafka-console-consumer", "--timeout-ms", "200"], options].concat());
        let warning = ended.err.lines().next().unwrap_or_default();
        assert!(
            warning.starts_with("WARN ") && warning.contains(says),
            "{options:?}: {ended:?}"
        );
        assert_eq!((ended.code, ended.out.as_str()), (Some(0), ""), "{options:?}");
    }
}

/// Each property with what it makes of a consumer of `a` and `b`, which begins at the end if nothing else is said.
#[test]
fn a_consumer_acts_on_its_own_properties_wherever_they_stand() {
    let folder = Folder::new();
    folder.run_with(&["kafka-console-producer", "--topic", "t"], "a\nb\n");
    std::fs::write(folder.path().join("earliest"), "auto.offset.reset=earliest\n").expect("written");
    std::fs::write(folder.path().join("h"), "group.id=h\n").expect("written");
    let outside = ["--partition", "0", "--offset", "9"];
    let read: [&[&str]; 3] = [
        &["--command-property", "auto.offset.reset=earliest"],
        &["--command-config", "earliest"],
        &[
            "--command-property",
            "auto.offset.reset=earliest",
            outside[0],
            outside[1],
            outside[2],
            outside[3],
        ],
    ];
    let consume = |options: &[&str]| folder.run(&[&["kafka-console-consumer", "--topic", "t"], options].concat());
    for options in read {
        let ended = consume(&[&["--max-messages", "2"], options].concat());
        assert_eq!(
            (ended.code, ended.out.as_str()),
            (Some(0), "a\nb\n"),
            "{options:?}: {ended:?}"
        );
    }
    let refused: [(&[&str], &str); 6] = [
        (
            &["--from-beginning", "--consumer-property", "auto.offset.reset=latest"],
            "Can't simultaneously specify --from-beginning and auto.offset.reset",
        ),
        (
            &["--consumer-property", "auto.offset.reset=first"],
            "Invalid value first for configuration",
        ),
        (
            &["--consumer-property", "enable.auto.commit=perhaps"],
            "Invalid value perhaps for configuration",
        ),
        (
            &["--isolation-level", "serializable"],
            "Invalid value serializable for configuration isolation.level",
        ),
        (
            &["--group", "g", "--consumer.config", "h"],
            "do not match. Detected group ids: 'g', 'h'",
        ),
        (
            &["--partition", "0", "--consumer.config", "h"],
            "Options group and partition cannot be specified together.",
        ),
    ];
    for (options, says) in refused {
        let ended = consume(options);
        assert!(
            ended.code == Some(1) && ended.err.contains(says),
            "{options:?}: {ended:?}"
        );
    }
    let twice_the_same = [
        "--group",
        "h",
        "--command-config",
        "h",
        "--from-beginning",
        "--max-messages",
        "1",
    ];
    assert_eq!(consume(&twice_the_same).out, "a\n");
}

/// A group that was there when nothing came goes on where it was, and so reads what came while it was away.
#[test]
fn a_group_that_read_nothing_has_a_position_all_the_same() {
    let folder = Folder::new();
    folder.run_with(&["kafka-console-producer", "--topic", "t"], "a\n");
    let consume = |options: &[&str]| folder.run(&[&["kafka-console-consumer", "--topic", "t"], options].concat());
    let position = |group: &str| {
        let described = folder
            .run(&["kafka-consumer-groups", "--describe", "--group", group])
            .out;
        let row = described
            .lines()
            .find(|line| line.starts_with(group))
            .map(str::to_owned);
        row.map(|row| row.split_whitespace().nth(3).expect("a column").to_owned())
    };
    let quiet = ["--command-property", "enable.auto.commit=false"];
    for (group, more, committed) in [("plain", &[][..], Some("1")), ("quiet", &quiet[..], None)] {
        let nothing = consume(&[&["--group", group, "--timeout-ms", "5000"], more].concat());
        assert_eq!(nothing.out, "", "{nothing:?}");
        let shown = position(group).filter(|shown| shown != "-");
        assert_eq!(shown.as_deref(), committed, "{group}");
    }
    folder.run_with(&["kafka-console-producer", "--topic", "t"], "b\n");
    assert_eq!(consume(&["--group", "plain", "--max-messages", "1"]).out, "b\n");
}
