//! Kafka's console tools, for the embedded log and for Kafka: their options, their output, their exit codes.
//!
//! They follow the tools of Apache Kafka 4. Beside theirs they know `--data DIR`, and `--bootstrap-server` may be left out:
//! then they look at the embedded log. What a tool here can't do it refuses by name rather than to ignore it.

mod args;
mod consumer;
mod format;
mod groups;
mod lines;
mod pattern;
mod producer;
mod source;
mod topics;

pub use lines::print;

use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Result;

use crate::config::{Property, Storage, properties_of, shown, without_values};
use crate::exit::{self, Exit};

use args::{Given, Opt};

/// One of the tools.
#[derive(Debug, Clone, Copy)]
pub struct Tool {
    name: &'static str,
    about: &'static str,
    options: &'static [Opt],
    run: fn(&Given, &Storage) -> Result<Exit, Wrong>,
}

/// Why a tool did not run.
#[derive(Debug)]
pub enum Wrong {
    /// The options make no sense; the usage follows.
    Usage(String),
    /// Something else, in one sentence.
    Other(String),
}

const TOOLS: [Tool; 4] = [
    Tool {
        name: "kafka-topics",
        about: "This tool helps to create, describe, or change a topic.",
        options: &topics::OPTIONS,
        run: topics::run,
    },
    Tool {
        name: "kafka-consumer-groups",
        about: "This tool helps to list all consumer groups, describe a consumer group, or reset consumer group offsets.",
        options: &groups::OPTIONS,
        run: groups::run,
    },
    Tool {
        name: "kafka-console-consumer",
        about: "This tool helps to read data from Kafka topics and outputs it to standard output.",
        options: &consumer::OPTIONS,
        run: consumer::run,
    },
    Tool {
        name: "kafka-console-producer",
        about: "This tool helps to read data from standard input and publish it to Kafka.",
        options: &producer::OPTIONS,
        run: producer::run,
    },
];

/// Options that every tool has.
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
const FOLLOWS: &str = "4.1.0";

/// The tool of this name (with or without Kafka's `.sh`).
pub fn named(name: &str) -> Option<Tool> {
    let name = name.strip_suffix(".sh").unwrap_or(name);
    TOOLS.into_iter().find(|tool| tool.name == name)
}

/// Runs a tool with the words behind its name. `configured` gives what environment and file say about where things are.
pub fn run(tool: Tool, words: &[OsString], configured: impl FnOnce() -> Result<Storage>) -> Exit {
    let told = |sentence: String| without_values(&sentence, words);
    match try_run(tool, words, configured) {
        Ok(exit) => exit,
        Err(Wrong::Usage(sentence)) => {
            exit::say(&format!("{}\n{}", told(sentence), usage(tool)));
            Exit::NO
        }
        Err(Wrong::Other(sentence)) => {
            exit::say(&told(sentence));
            Exit::NO
        }
    }
}

fn try_run(tool: Tool, words: &[OsString], configured: impl FnOnce() -> Result<Storage>) -> Result<Exit, Wrong> {
    let options: Vec<_> = tool.options.iter().chain(&COMMON).collect();
    let given = Given::parse(words, &options).map_err(Wrong::Usage)?;
    if given.has("version") {
        // Nobody reading is no reason to fail.
        let _ = lines::print(&format!("{FOLLOWS}\n"));
        return Ok(Exit::DONE);
    }
    if given.has("help") {
        return Err(Wrong::Usage(tool.about.into()));
    }
    let mut storage = configured().map_err(|error| Wrong::Other(error.to_string()))?;
    place(&given, &mut storage)?;
    (tool.run)(&given, &storage)
}

/// Lets the tool's own options win over environment and file.
fn place(given: &Given, storage: &mut Storage) -> Result<(), Wrong> {
    if let Some(dir) = given.last("data") {
        storage.data = PathBuf::from(dir);
    }
    if let Some(servers) = given.last("bootstrap-server") {
        let servers = servers.parse().map_err(|allowed| {
            let shown = shown("bootstrap-server", servers);
            Wrong::Other(format!("--bootstrap-server: \"{shown}\" is wrong; {allowed}"))
        })?;
        storage.bootstrap_server = Some(servers);
    }
    for file in ["command-config", "consumer.config", "producer.config"] {
        for path in given.all(file) {
            let properties = properties_of(path.as_ref()).map_err(|error| Wrong::Other(error.to_string()))?;
            let properties = properties.into_iter().map(|(name, value)| Property { name, value });
            storage.kafka_property.extend(properties);
        }
    }
    for option in ["command-property", "consumer-property", "producer-property"] {
        for text in given.all(option) {
            let property = text
                .parse()
                .map_err(|allowed| Wrong::Other(format!("--{option}: {allowed}")))?;
            storage.kafka_property.push(property);
        }
    }
    Ok(())
}

/// The options, one a line.
fn usage(tool: Tool) -> String {
    let mut options: Vec<_> = tool.options.iter().chain(&COMMON).collect();
    options.sort_by_key(|option| option.name);
    let lines = options.iter().map(|option| {
        let form = match option.value {
            Some(value) => format!("--{} <{value}>", option.name),
            None => format!("--{}", option.name),
        };
        format!("{form:40} {}", option.about)
    });
    let head = [
        format!("{:40} Description", "Option"),
        format!("{:40} -----------", "------"),
    ];
    head.into_iter().chain(lines).collect::<Vec<_>>().join("\n")
}
