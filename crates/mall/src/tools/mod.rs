//! Kafka's console tools, for the embedded log and for Kafka: their options, their output, their exit codes.
//!
//! They follow the tools of Apache Kafka 4. In addition they know `--data DIR`, and without `--bootstrap-server` they use the
//! embedded log. An option that a tool here does not support is refused by name and with exit code 64, not ignored.

mod args;
mod client_properties;
mod consumer;
mod groups;
mod pattern;
mod producer;
mod properties;
mod renamed;
mod topics;

use std::ffi::OsString;

use anyhow::Result;

use crate::config::{Storage, properties_of, shown, without_values};
use crate::console;
use crate::exit::Exit;

use args::{Given, Opt};
use properties::{isolation_level, property};

/// One of the tools.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    name: &'static str,
    about: &'static str,
    options: &'static [Opt],
    /// Refuses contradictions, before anything is read.
    check: fn(&Given) -> Result<(), ToolError>,
    /// Adds the properties of the Kafka client that options of this tool stand for.
    properties: fn(&Given, &mut Storage) -> Result<(), ToolError>,
    run: fn(&Given, &Storage) -> Result<Exit, ToolError>,
}

/// Why a tool failed.
#[derive(Debug)]
pub enum ToolError {
    /// The options make no sense. The usage is printed below this sentence.
    Usage(String),
    /// The options ask for what Kafka's tool does and this one does not. The sentence names what that is.
    Refused(String),
    /// Another reason, as a sentence.
    Other(String),
}

/// The one tool that itself acts on some properties of the client.
const CONSUMER: &str = "kafka-console-consumer";

const TOOLS: [Tool; 4] = [
    Tool {
        name: "kafka-topics",
        about: "This tool helps to create, delete, describe, or change a topic.",
        options: &topics::OPTIONS,
        check: |_| Ok(()),
        properties: |_, _| Ok(()),
        run: topics::run,
    },
    Tool {
        name: "kafka-consumer-groups",
        about: "This tool helps to list all consumer groups, describe a consumer group, or reset consumer group offsets.",
        options: &groups::OPTIONS,
        check: |_| Ok(()),
        properties: |_, _| Ok(()),
        run: groups::run,
    },
    Tool {
        name: CONSUMER,
        about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
        options: &consumer::OPTIONS,
        check: consumer::check,
        properties: |_, _| Ok(()),
        run: consumer::run,
    },
    Tool {
        name: "kafka-console-producer",
        about: "This tool helps to read data from standard input and publish it to Kafka.",
        options: &producer::OPTIONS,
        check: producer::check,
        properties: producer::properties,
        run: producer::run,
    },
];

/// The options that every tool has.
const COMMON: [Opt; 5] = [
    Opt::value(
        "bootstrap-server",
        "HOST:PORT",
        "Kafka's brokers; left out: the embedded log",
    ),
    Opt::value("data", "DIR", "Folder of the embedded log (default: ./mall-data)"),
    Opt::value("command-config", "FILE", "Properties of the Kafka client, one a line"),
    Opt::flag("help", "Print usage information."),
    Opt::flag("version", "Display Kafka version."),
];

/// The Kafka release whose tools these follow.
const KAFKA_VERSION: &str = "4.3.1";

/// The tool of this name (with or without Kafka's `.sh`).
pub fn named(name: &str) -> Option<Tool> {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    TOOLS.into_iter().find(|tool| tool.name == name)
}

/// Runs a tool with the words behind its name. `configured` reads from environment and file where log and databases are.
pub fn run(tool: Tool, words: &[OsString], configured: impl FnOnce() -> Result<Storage>) -> Exit {
    let without_secrets = |sentence: String| without_values(&sentence, words);
    match try_run(tool, words, configured) {
        Ok(exit) => exit,
        Err(ToolError::Usage(sentence)) => {
            console::say(&format!("{}\n{}", without_secrets(sentence), usage(tool)));
            Exit::NO
        }
        Err(ToolError::Other(sentence)) => {
            console::say(&without_secrets(sentence));
            Exit::NO
        }
        Err(ToolError::Refused(sentence)) => {
            console::say(&without_secrets(sentence));
            Exit::USAGE
        }
    }
}

fn try_run(tool: Tool, words: &[OsString], configured: impl FnOnce() -> Result<Storage>) -> Result<Exit, ToolError> {
    let options: Vec<_> = tool.options.iter().chain(&COMMON).collect();
    let given = Given::parse(words, &options).map_err(ToolError::Usage)?;
    if given.has("version") {
        let _ = console::print(&format!("{KAFKA_VERSION}\n"));
        return Ok(Exit::DONE);
    }
    if given.has("help") {
        return Err(ToolError::Usage(tool.about.into()));
    }
    refuse_unsupported(&given, &options)?;
    (tool.check)(&given)?;
    let mut storage = configured().map_err(|error| ToolError::Other(error.to_string()))?;
    override_storage(tool, &given, &mut storage)?;
    (tool.run)(&given, &storage)
}

fn refuse_unsupported(given: &Given, options: &[&Opt]) -> Result<(), ToolError> {
    let mut unsupported = options.iter().filter(|option| !option.is_supported);
    match unsupported.find(|option| given.has(option.name)) {
        Some(option) => Err(ToolError::Refused(format!(
            "--{} is not supported here: {}",
            option.name, option.about
        ))),
        None => Ok(()),
    }
}

/// Lets the options of the tool's command line win over environment and file.
fn override_storage(tool: Tool, given: &Given, storage: &mut Storage) -> Result<(), ToolError> {
    if let Some(dir) = given.path("data") {
        storage.data = dir;
    }
    if let Some(servers) = given.last("bootstrap-server") {
        let servers = servers.parse().map_err(|allowed| {
            let shown = shown("bootstrap-server", servers);
            ToolError::Other(format!("--bootstrap-server: \"{shown}\" is wrong; {allowed}"))
        })?;
        storage.bootstrap_server = Some(servers);
    }
    let configured = storage.kafka_property.len();
    for file in ["command-config", "consumer.config", "producer.config"] {
        if let Some(path) = given.path(file) {
            let properties = properties_of(&path).map_err(|error| ToolError::Other(error.to_string()))?;
            let properties = properties
                .into_iter()
                .map(|(name, value)| property(&name, value.trim()));
            storage.kafka_property.extend(properties);
        }
    }
    for option in ["command-property", "consumer-property", "producer-property"] {
        for text in given.all(option) {
            let property = text
                .parse()
                .map_err(|allowed| ToolError::Other(format!("--{option}: {allowed}")))?;
            storage.kafka_property.push(property);
        }
    }
    (tool.properties)(given, storage)?;
    let given = storage.kafka_property.split_off(configured);
    client_properties::add(given, tool.name == CONSUMER, storage)?;
    read_uncommitted(storage)
}

/// Sets the isolation level where nobody has. What Kafka's tools read, and what they call the end of a partition, includes
/// open transactions; librdkafka's default is the other level.
fn read_uncommitted(storage: &mut Storage) -> Result<(), ToolError> {
    if storage.bootstrap_server.is_none() {
        return Ok(());
    }
    let default = isolation_level("read_uncommitted")?;
    let given = storage
        .kafka_properties()
        .map_err(|error| ToolError::Other(error.to_string()))?;
    if given.iter().all(|(name, _)| *name != default.name) {
        storage.kafka_property.push(default);
    }
    Ok(())
}

/// The list of options, one a line, sorted by name.
fn usage(tool: Tool) -> String {
    let mut options: Vec<_> = tool.options.iter().chain(&COMMON).collect();
    options.sort_by_key(|option| option.name);
    let lines = options.iter().map(|option| {
        let form = match option.value {
            Some(value) if option.default.is_some() => format!("--{} [{value}]", option.name),
            Some(value) => format!("--{} <{value}>", option.name),
            None => format!("--{}", option.name),
        };
        format!("{form:40} {}", option.about)
    });
    let headings = [
        format!("{:40} Description", "Option"),
        format!("{:40} -----------", "------"),
    ];
    headings.into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    /// The isolation levels that reach the Kafka client, the last of which counts.
    fn levels(config: &str, words: &[&str]) -> Vec<String> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), config).expect("written");
        let mut storage = Storage {
            data: PathBuf::new(),
            bootstrap_server: None,
            database_url: None,
            kafka_property: Vec::new(),
            kafka_config: Some(file.path().to_owned()),
            config: None,
        };
        let words: Vec<_> = words.iter().map(OsString::from).collect();
        let options: Vec<_> = consumer::OPTIONS.iter().chain(&COMMON).collect();
        let given = Given::parse(&words, &options).expect("good");
        override_storage(TOOLS[2], &given, &mut storage).expect("good");
        let properties = storage.kafka_properties().expect("a file that can be read");
        let levels = properties.into_iter().filter(|(name, _)| name == "isolation.level");
        levels.map(|(_, level)| level).collect()
    }

    #[test]
    fn tools_read_uncommitted_records_unless_they_are_told_otherwise() {
        let kafka = "--bootstrap-server=localhost:9092";
        assert_eq!(levels("", &[kafka]), ["read_uncommitted"]);
        assert_eq!(levels("isolation.level=read_committed\n", &[kafka]), ["read_committed"]);
        let property = "--consumer-property=isolation.level=read_committed";
        assert_eq!(levels("", &[kafka, property]), ["read_committed"]);
        assert!(levels("", &[]).is_empty(), "the embedded log has no transactions");
    }

    /// The rows of the table of options that are not supported.
    #[test]
    fn the_documentation_lists_the_options_that_are_not_supported() {
        let place = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/kafka-tools.md");
        let text = std::fs::read_to_string(place).expect("the documentation is there");
        let table = text
            .split("\n## ")
            .find(|part| part.starts_with("Options that are not supported"));
        let rows = table.expect("a table").lines().filter(|line| line.starts_with("| `"));
        let refused = TOOLS.iter().flat_map(|tool| {
            let options = tool.options.iter().filter(|option| !option.is_supported);
            options.map(|option| format!("| `{}` | `--{}` | {} |", tool.name, option.name, option.about))
        });
        assert_eq!(rows.collect::<Vec<_>>(), refused.collect::<Vec<_>>());
    }
}
