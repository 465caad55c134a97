//! A Kafka that asks who somebody is, started for the first test that wants it, and the ways into it.

use std::collections::HashMap;
use std::process::Command;
use std::sync::OnceLock;

use super::required;

/// The ways in, by the name of their `security.protocol`, and the files of the certificates' authorities.
#[derive(Debug)]
pub struct Secure(HashMap<String, String>);

/// What a client needs for a way in: `security.protocol=…` and what belongs to it.
pub type Properties = Vec<String>;

impl Secure {
    /// The one that all tests of this process use; `scripts/services stop` ends it.
    #[track_caller]
    pub fn get() -> &'static Self {
        static ONE: OnceLock<Secure> = OnceLock::new();
        ONE.get_or_init(|| {
            services(&["start", "secure"]);
            let ways = services(&["address", "secure"]);
            let way = |line: &str| line.split_once('=').map(|(way, at)| (way.to_owned(), at.to_owned()));
            Self(ways.lines().filter_map(way).collect())
        })
    }

    /// Where a listener is.
    pub fn at(&self, protocol: &str) -> &str {
        &self.0[protocol]
    }

    /// The file of the authority that has signed the broker's certificate.
    pub fn authority(&self) -> &str {
        &self.0["CA"]
    }

    /// The file of one that has signed nothing.
    pub fn other_authority(&self) -> &str {
        &self.0["OTHER_CA"]
    }

    /// A login without TLS.
    pub fn login(mechanism: &str, user: &str, password: &str) -> Properties {
        vec![
            "security.protocol=SASL_PLAINTEXT".into(),
            format!("sasl.mechanism={mechanism}"),
            format!("sasl.username={user}"),
            format!("sasl.password={password}"),
        ]
    }

    /// Gives `user` these operations on a resource (`["--topic", "orders"]`).
    #[track_caller]
    pub fn allow(&self, user: &str, operations: &[&str], on: &[&str]) {
        let principal = format!("User:{user}");
        let mut words = vec!["--add", "--allow-principal", &principal];
        for operation in operations {
            words.extend(["--operation", operation]);
        }
        self.administer("kafka-acls", &[&words, on].concat());
    }

    /// Runs one of Kafka's own tools as somebody who may do everything.
    #[track_caller]
    pub fn administer(&self, tool: &str, words: &[&str]) -> String {
        let mut command = Command::new(format!("{}/{tool}", required("MALL_TEST_KAFKA_TOOLS")));
        command.args(["--bootstrap-server", self.at("PLAINTEXT")]).args(words);
        output(&mut command)
    }
}

#[track_caller]
fn services(words: &[&str]) -> String {
    output(Command::new(required("MALL_TEST_SERVICES")).args(words))
}

#[track_caller]
fn output(command: &mut Command) -> String {
    let output = command.output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let trouble = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {text}{trouble}");
    text
}
