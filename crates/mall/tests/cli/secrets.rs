//! No secret is printed, and none stands among the arguments of a process that the mall starts.

use std::process::{Command, Stdio};

use rustix::process::Pid;

use super::program::{FREE_PORTS, Folder, ended};
use super::support::role::Role;
use super::support::stack::Stack;

const SECRET: &str = "hunter2";

/// Runs it to its end; what it said must hold nothing of the secret.
#[track_caller]
fn keeps_it(folder: &Folder, mut command: Command) {
    let words = format!("{command:?}");
    let ended = ended(command.stdin(Stdio::null()).output().expect("it runs"));
    let said = format!("{}{}", ended.out, ended.err);
    assert!(!said.contains("hunter") && !said.contains("unter2"), "{words}: {said}");
    assert!(ended.code == Some(64) || ended.code == Some(1), "{words}: {ended:?}");
    assert!(!folder.has_data(), "{words}: nothing was started");
}

#[test]
#[expect(clippy::too_many_lines, reason = "a table of cases")]
fn a_secret_that_stands_in_the_wrong_place_is_not_repeated() {
    let folder = Folder::new();
    let url = "mysql://root:hunter2@localhost:3306/my-database";
    let property = "sasl.password=hunter2";
    for words in [
        &[url][..],
        &[SECRET],
        &[property],
        &["up", url],
        &["up", SECRET],
        &["up", property],
        &["up", "-phunter2"],
        &["up", "--hunter2"],
        &["up", "--command-token", SECRET],
        &["up", "--command-token=hunter2"],
        &["order", "--databse-url", url],
        &["order", "--databse-url=mysql://root:hunter2@h/d"],
        &["order", "--kafka-proprety=sasl.password=hunter2"],
        &["order", "--course=hunter2"],
        &["order", "--insecure=mysql://root:hunter2@h/d"],
        &["order", "--bootstrap-server", url],
        &["order", "--bootstrap-server", "user:hunter2@h:9092"],
        &["order", "--topic", url],
        &["order", "--topic", property],
        &["order", "--port", url],
        &["order", "--order-url", "http://user:hunter2@h:1"],
        &["order", "--data", url],
        &["order", "--data", property],
        &["order", "--config", url],
        &["order", "--kafka-config", property],
        &["order", "--kafka-config", url],
        &["order", "--kafka-property", SECRET],
        &["order", "--database-url", "mysql://root:hun@ter2/x@h"],
        &["order", "--database-url", "mysql://root:hunter2/x@h/d"],
        &["order", "--database-url", "mysql://root:x?hunter2@h/d"],
        &["order", "--database-url", "mysql://root:x#hunter2@h/d"],
        &["order", "--database-url", "mysql://root:hunter2@h:99999/d"],
        &["order", "--database-url", "mysql://root:hunter2@h/d?sslMode=VERIFY_CA"],
        &["order", "--database-url", "mysql://root:hunter2"],
        &["parked", "show", url],
        &["parked", url],
        &["verify", "--order", url],
        &["verify", "--since", url],
        &["audit", "--topic", "t", "--key", property],
        &["audit", "--topic", "t", url],
        &["completions", url],
        &["kafka-topics", "--list", "--bootstrap-server", url],
        &["kafka-topics", "--list", "--databse-url=mysql://root:hunter2@h/d"],
        &["kafka-topics", "--list", "--command-config", property],
        &["kafka-console-consumer", "--topic", "t", "--consumer-property", SECRET],
        &[
            "kafka-console-consumer",
            "--topic",
            "t",
            "--partition",
            "0",
            "--offset",
            url,
        ],
        &[
            "kafka-console-consumer",
            "-topic",
            "t",
            "-partition",
            "0",
            "-offset=mysql://u:hunter2@h",
        ],
    ] {
        keeps_it(&folder, folder.command(words));
    }
    for (variable, value) in [
        ("MALL_DATABASE_URL", "mysql://root:hunter2/x@h/d"),
        ("MALL_DATABASE_URL", SECRET),
        ("MALL_DATABSE_URL", url),
        ("MALL_KAFKA_PROPERTY", SECRET),
        ("MALL_TOPIC", url),
        ("MALL_COURSE", url),
        ("MALL_CONFIG", url),
        ("MALL_KAFKA_CONFIG", property),
    ] {
        let mut command = folder.command(&["order", "--port=0"]);
        command.env(variable, value);
        keeps_it(&folder, command);
    }
    for text in [
        "database-url = 'mysql://root:hunter2/x@h/d'\n",
        "database-url = mysql://root:hunter2@h/d\n",
        "database-url = 'mysql://root:hunter2@h/d\n",
        "kafka-property = ['hunter2']\n",
        "kafka-property = [sasl.password=hunter2]\n",
        "'mysql://root:hunter2@h/d' = 1\n",
        "topic = 'mysql://root:hunter2@h/d'\n",
        "order-url = 'http://u:hunter2@h:1'\n",
    ] {
        std::fs::write(folder.path().join("mall.toml"), text).expect("written");
        keeps_it(&folder, folder.command(&["order", "--port=0"]));
    }
}

#[test]
fn a_slip_is_still_explained() {
    let folder = Folder::new();
    for (words, says) in [
        (&["verfy"][..], "did you mean verify?"),
        (&["order", "--modify-dealy", "1s"], "did you mean --modify-delay?"),
        (&["order", "--course=maybe"], "--course"),
        (&["up", SECRET], "a word (***: it may be a secret)"),
    ] {
        let ended = folder.run(words);
        assert!(
            ended.code == Some(64) && ended.err.contains(says),
            "{words:?}: {ended:?}"
        );
    }
}

/// Whoever may list processes reads their arguments; their variables only who runs them.
#[test]
fn children_are_given_secrets_where_nobody_else_reads_them() {
    let stack = Stack::real();
    let database = stack.real.as_ref().expect("it is real").database_url();
    let properties = ["sasl.password=hunter2", "sasl.mechanism=PLAIN"].map(|one| format!("--kafka-property={one}"));
    let words = [&["up", &properties[0], &properties[1]], &FREE_PORTS[..]].concat();
    let mut mall = Role::start("mall", &mut stack.command(&words));
    mall.wait_line("gateway on http://");
    let of = |pid: Pid, what: &str| {
        let bytes = std::fs::read(format!("/proc/{}/{what}", pid.as_raw_nonzero())).unwrap_or_default();
        String::from_utf8_lossy(&bytes).replace('\0', " ")
    };
    let children = mall.children().into_iter();
    let seen: Vec<_> = children.map(|pid| (of(pid, "cmdline"), of(pid, "environ"))).collect();
    mall.kill();
    let said = mall.last_lines().join("\n");
    assert_eq!(seen.len(), 3, "{said}");
    for (arguments, variables) in &seen {
        let bare = |word: &str| !arguments.contains(word);
        assert!(!arguments.is_empty() && bare("hunter") && bare("mysql:"), "{arguments}");
        assert!(
            variables.contains(&format!("MALL_DATABASE_URL={database} ")),
            "{arguments}"
        );
        let properties = "MALL_KAFKA_PROPERTY=sasl.password=hunter2\nsasl.mechanism=PLAIN ";
        assert!(variables.contains(properties), "{arguments}");
    }
    assert!(!said.contains("hunter") && !said.contains(&database), "{said}");
}
