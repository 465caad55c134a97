//! Properties of the Kafka client, as Kafka's tools are given them in options and files.

use super::ToolError;
use super::source::Start;
use crate::config::{Property, Storage};

const ISOLATION_LEVEL: &str = "isolation.level";
const COMPRESSION: &str = "compression.type";

/// The properties of a consumer that the tool itself acts on, as Kafka's tool does. They don't reach the Kafka client, which
/// the log's adapter sets up.
#[derive(Debug, Default)]
pub struct OwnProperties {
    /// `group.id`, from every place that gives one.
    pub groups: Vec<String>,
    /// `auto.offset.reset`: where to begin without a committed offset, and outside the log.
    pub reset: Option<Start>,
    /// `enable.auto.commit`.
    pub commits: Option<bool>,
}

impl OwnProperties {
    /// Takes them out of the properties for the Kafka client. The last value of each counts, but for `group.id`.
    pub fn take_from(storage: &mut Storage) -> Result<Self, ToolError> {
        let mut own = Self::default();
        for Property { name, value } in std::mem::take(&mut storage.kafka_property) {
            match name.as_str() {
                "group.id" => own.groups.push(value),
                "auto.offset.reset" => own.reset = Some(reset(&value)?),
                "enable.auto.commit" => own.commits = Some(boolean(&name, &value)?),
                _ => storage.kafka_property.push(Property { name, value }),
            }
        }
        Ok(own)
    }
}

fn reset(value: &str) -> Result<Start, ToolError> {
    match value {
        "earliest" => Ok(Start::Earliest),
        "latest" => Ok(Start::Latest),
        _ => Err(invalid("auto.offset.reset", value, "earliest, latest")),
    }
}

fn boolean(name: &str, value: &str) -> Result<bool, ToolError> {
    value
        .to_ascii_lowercase()
        .parse()
        .map_err(|_| invalid(name, value, "true, false"))
}

/// The property that says whether records of open and aborted transactions are read.
pub fn isolation_level(level: &str) -> Result<Property, ToolError> {
    match level {
        "read_committed" | "read_uncommitted" => Ok(property(ISOLATION_LEVEL, level)),
        _ => Err(invalid(ISOLATION_LEVEL, level, "read_committed, read_uncommitted")),
    }
}

/// The property that says how a producer compresses what it sends.
pub fn compression(codec: &str) -> Result<Property, ToolError> {
    let codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
    match codecs.contains(&codec) {
        true => Ok(property(COMPRESSION, codec)),
        false => Err(invalid(COMPRESSION, codec, &codecs.join(", "))),
    }
}

/// A property of the Kafka client.
pub fn property(name: &str, value: &str) -> Property {
    Property {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

/// The error about a property's value, in the words of Kafka's clients.
fn invalid(name: &str, value: &str, allowed: &str) -> ToolError {
    ToolError::Other(format!(
        "org.apache.kafka.common.config.ConfigException: Invalid value {value} for configuration {name}: String must be one \
         of: {allowed}"
    ))
}
