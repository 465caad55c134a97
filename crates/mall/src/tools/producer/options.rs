//! The options of kafka-console-producer, and what they ask for.

use std::time::Duration;

use super::reader::Reader;
use crate::config::{Storage, properties_of};
use crate::console;
use crate::tools::ToolError;
use crate::tools::args::{Given, Opt};
use crate::tools::properties::{compression, invalid, property};
use crate::tools::renamed::Renamed;

pub const OPTIONS: [Opt; 21] = [
    Opt::value("topic", "topic", "REQUIRED: The topic name to produce messages to."),
    Opt::repeated(
        "reader-property",
        "prop",
        "parse.key=true, parse.headers=true, key.separator, headers.delimiter, \
                  headers.separator, headers.key.separator, ignore.error, null.marker.",
    ),
    Opt::value("reader-config", "FILE", "The same, one a line."),
    Opt::repeated("property", "prop", "(DEPRECATED) Use --reader-property."),
    Opt::value(
        "line-reader",
        "class",
        "Only the whole name of LineMessageReader (the default).",
    ),
    Opt::repeated("command-property", "k=v", "A property of the Kafka client."),
    Opt::repeated("producer-property", "k=v", "(DEPRECATED) Use --command-property."),
    Opt::value("producer.config", "FILE", "(DEPRECATED) Use --command-config."),
    Opt::flag(
        "sync",
        "Append the messages one at a time, and end at the first that fails.",
    ),
    Opt::value(
        "request-required-acks",
        "acks",
        "Every message waits for all, whatever is asked for.",
    ),
    Opt::optional(
        "compression-codec",
        "codec",
        "gzip",
        "How Kafka's records are compressed: none, gzip (if no codec is given), snappy, lz4 or zstd.",
    ),
    Opt::value(
        "timeout",
        "ms",
        "How long a message waits for others to be sent with (linger.ms).",
    ),
    Opt::value(
        "max-block-ms",
        "ms",
        "How long a message may wait for the log (default: 60000).",
    ),
    Opt::value("batch-size", "size", "The size of a batch in bytes (batch.size)."),
    Opt::value("max-partition-memory-bytes", "bytes", "(DEPRECATED) Use --batch-size."),
    Opt::value(
        "max-memory-bytes",
        "bytes",
        "How much may wait to be sent (buffer.memory).",
    ),
    Opt::value(
        "metadata-expiry-ms",
        "ms",
        "How often metadata is renewed (metadata.max.age.ms).",
    ),
    Opt::value(
        "request-timeout-ms",
        "ms",
        "How long a broker may take (request.timeout.ms).",
    ),
    Opt::value(
        "retry-backoff-ms",
        "ms",
        "The pause before something is tried again (retry.backoff.ms).",
    ),
    Opt::value(
        "socket-buffer-size",
        "bytes",
        "The socket's buffer (send.buffer.bytes).",
    ),
    Opt::unsupported(
        "message-send-max-retries",
        Some("Integer"),
        "a message is tried again until `--max-block-ms` has passed",
    ),
];

/// Options that stand for a property of the Kafka client, by Kafka's name for it.
const PROPERTIES: [(&str, &str); 8] = [
    ("timeout", "linger.ms"),
    ("batch-size", "batch.size"),
    ("max-partition-memory-bytes", "batch.size"),
    ("max-memory-bytes", "buffer.memory"),
    ("metadata-expiry-ms", "metadata.max.age.ms"),
    ("request-timeout-ms", "request.timeout.ms"),
    ("retry-backoff-ms", "retry.backoff.ms"),
    ("socket-buffer-size", "send.buffer.bytes"),
];

const RENAMED: Renamed = Renamed {
    pairs: &[
        ("producer-property", "command-property"),
        ("producer.config", "command-config"),
        ("property", "reader-property"),
    ],
    warning: "Warning:",
    newer_first: true,
};

const LINE_READER: &str = "org.apache.kafka.tools.LineMessageReader";

/// Refuses options that are missing or contradict each other.
pub fn check(given: &Given) -> Result<(), ToolError> {
    if !given.has("topic") {
        return Err(ToolError::Usage("Missing required argument \"[topic]\"".into()));
    }
    RENAMED.refuse_both(given)?;
    RENAMED.warn(given);
    if given.has("max-partition-memory-bytes") {
        let _ = console::print(
            "Warning: --max-partition-memory-bytes is deprecated and will be removed in Apache Kafka 5.0. Use --batch-size \
             instead.\n",
        );
    }
    match given.last("line-reader").filter(|class| *class != LINE_READER) {
        Some(class) => Err(ToolError::Refused(format!(
            "--line-reader {class} is not supported here; there is {LINE_READER}"
        ))),
        None => Ok(()),
    }
}

/// The properties of the Kafka client that options stand for.
pub fn properties(given: &Given, storage: &mut Storage) -> Result<(), ToolError> {
    for (option, name) in PROPERTIES {
        if let Some(number) = given.number::<i64>(option).map_err(ToolError::Other)? {
            storage.kafka_property.push(property(name, &number.to_string()));
        }
    }
    if let Some(acks) = given.last("request-required-acks") {
        match acks {
            "all" | "-1" | "0" | "1" => storage.kafka_property.push(property("acks", acks)),
            _ => return Err(invalid("acks", acks, "all, -1, 0, 1")),
        }
    }
    if let Some(codec) = given.last("compression-codec") {
        let compression = compression(codec)?;
        match (&storage.bootstrap_server, codec) {
            (Some(_), _) => storage.kafka_property.push(compression),
            (None, "none") => {}
            (None, _) => {
                return Err(ToolError::Refused(format!(
                    "--compression-codec {codec} needs --bootstrap-server: the embedded log stores records as they are"
                )));
            }
        }
    }
    Ok(())
}

/// How long a message may wait for the log.
pub fn patience(given: &Given) -> Result<Duration, ToolError> {
    let given = given.number::<i64>("max-block-ms").map_err(ToolError::Other)?;
    match given.map_or(Ok(60_000), u64::try_from) {
        Ok(ms) => Ok(Duration::from_millis(ms)),
        Err(_) => Err(ToolError::Other(
            "org.apache.kafka.common.config.ConfigException: Invalid value for configuration max.block.ms: Value must be at \
             least 0"
                .into(),
        )),
    }
}

/// How lines become records.
pub fn reader(given: &Given) -> Result<Reader, ToolError> {
    let mut properties = Vec::new();
    if let Some(path) = given.path("reader-config") {
        properties = properties_of(&path).map_err(|error| ToolError::Other(error.to_string()))?;
    }
    for property in given.all("property").iter().chain(given.all("reader-property")) {
        let (name, value) = property.split_once('=').unwrap_or((property, ""));
        properties.push((name.to_owned(), value.to_owned()));
    }
    Reader::with(&properties).map_err(ToolError::Other)
}
