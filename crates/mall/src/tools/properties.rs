//! Properties of the Kafka client, as Kafka's tools are given them in options and files.

use super::ToolError;
use crate::config::Property;

const ISOLATION_LEVEL: &str = "isolation.level";
const COMPRESSION: &str = "compression.type";

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
pub fn invalid(name: &str, value: &str, allowed: &str) -> ToolError {
    ToolError::Other(format!(
        "org.apache.kafka.common.config.ConfigException: Invalid value {value} for configuration {name}: String must be one \
         of: {allowed}"
    ))
}
