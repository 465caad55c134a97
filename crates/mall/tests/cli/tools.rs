use super::program::Folder;

const COLLIDE: &str = "WARNING: Due to limitations in metric names, topics with a period ('.') or underscore ('_') could \
                       collide. To avoid issues it is best to use either, but not both.\n";

#[test]
fn topics_are_created_grown_and_shown_as_kafka_does() {
    let folder = Folder::new();
    assert_eq!(folder.run(&["kafka-topics", "--list"]).out, "");
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
    let parse = ["--property", "parse.key=true", "--property", "parse.headers=true"];
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
    words.extend(print.iter().flat_map(|property| ["--property", property]));
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
