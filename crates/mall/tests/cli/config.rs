use super::program::{Ended, Folder, ended};

fn line<'a>(ended: &'a Ended, option: &str) -> Vec<&'a str> {
    let lines = ended
        .out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    let mut lines = lines.filter(|words| words.first() == Some(&option));
    lines.next().unwrap_or_else(|| panic!("no {option} in {ended:?}"))
}

#[test]
fn the_command_line_wins_then_the_environment_then_the_file() {
    let folder = Folder::new();
    std::fs::write(
        folder.path().join("mall.toml"),
        "modify-delay = '1s'\ngroup = 'file'\npartitions = 4\n",
    )
    .expect("written");
    let mut command = folder.command(&["config", "--modify-delay=3s"]);
    command.env("MALL_MODIFY_DELAY", "2s").env("MALL_GROUP", "environment");
    let ended = ended(command.output().expect("it runs"));
    assert_eq!(line(&ended, "modify-delay")[1..], ["3s", "command", "line"]);
    assert_eq!(line(&ended, "group")[1..], ["environment", "MALL_GROUP"]);
    assert_eq!(line(&ended, "partitions")[1..], ["4", "mall.toml"]);
    assert_eq!(line(&ended, "topic")[1..], ["kafka.scaling", "default"]);
    assert_eq!(ended.code, Some(0));
    assert!(!folder.has_data(), "looking creates nothing");
}

#[test]
fn a_wrong_value_is_refused_wherever_it_came_from() {
    let folder = Folder::new();
    let from_environment = folder
        .command(&[])
        .env("MALL_MODIFY_DELAY", "soon")
        .output()
        .expect("it runs");
    std::fs::write(folder.path().join("mall.toml"), "partitions = 0\n").expect("written");
    for (ended, named) in [
        (
            ended(from_environment),
            ["--modify-delay", "MALL_MODIFY_DELAY", "soon", "10s"],
        ),
        (
            folder.run(&["order"]),
            ["--partitions", "mall.toml", "\"0\"", "1 to 10000"],
        ),
    ] {
        assert_eq!(ended.code, Some(64), "{ended:?}");
        for name in named {
            assert!(ended.err.contains(name), "{name} is missing: {ended:?}");
        }
    }
    assert!(!folder.has_data());
}

#[test]
fn no_secret_is_shown() {
    let folder = Folder::new();
    let toml = "kafka-property = ['sasl.password=hunter2', 'security.protocol=SSL']\n";
    std::fs::write(folder.path().join("mall.toml"), toml).expect("written");
    let url = "mysql://root:hunter2@localhost/my-database";
    for words in [
        &["config"][..],
        &["up", "--help"],
        &["config", "--database-url", "mysql://root:hunter2@"],
    ] {
        let ended = ended(
            folder
                .command(words)
                .env("MALL_DATABASE_URL", url)
                .output()
                .expect("it runs"),
        );
        assert!(!format!("{ended:?}").contains("hunter2"), "{words:?}: {ended:?}");
    }
    let ended = folder.run(&["config"]);
    assert_eq!(
        line(&ended, "kafka-property")[1..3],
        ["sasl.password=***", "security.protocol=SSL"]
    );
}

#[test]
fn the_course_has_no_key_no_fence_and_no_lanes_unless_they_are_given_beside() {
    let folder = Folder::new();
    let course = folder.run(&["config", "--course"]);
    for (option, value) in [("key", "none"), ("guard", "off"), ("lanes", "1")] {
        assert_eq!(line(&course, option)[1..], [value, "--course"]);
    }
    let guarded = folder.run(&["config", "--course", "--guard", "version", "--lanes", "8"]);
    for (option, value) in [("key", "none"), ("guard", "version"), ("lanes", "8")] {
        assert_eq!(line(&guarded, option)[1], value);
    }
    for (option, value) in [
        ("key", "order-id"),
        ("guard", "version"),
        ("lanes", "64"),
        ("gap-deadline", "60s"),
    ] {
        assert_eq!(line(&folder.run(&["config"]), option)[1], value);
    }
    let ended = folder.run(&["config", "--course", "--key", "order-id"]);
    assert_eq!(line(&ended, "key")[1], "order-id");
    std::fs::write(folder.path().join("mall.toml"), "course = true\n").expect("written");
    assert_eq!(line(&folder.run(&["config"]), "key")[1], "none");
}

#[test]
fn the_data_folder_is_the_checkouts() {
    let folder = Folder::new();
    let ended = ended(
        folder
            .command(&["config"])
            .env("MALL_CHECKOUT", "/a/checkout")
            .output()
            .expect("it runs"),
    );
    assert_eq!(line(&ended, "data")[1], "/a/checkout/mall-data");
}

#[test]
fn help_version_and_completions_are_there() {
    let folder = Folder::new();
    assert!(folder.run(&["--help"]).out.contains("Examples:"));
    assert!(folder.run(&["--version"]).out.starts_with("mall "));
    assert!(folder.run(&["completions", "bash"]).out.contains("complete -F"));
    assert_eq!(folder.run(&["bogus"]).code, Some(64));
}
