//! The properties of a consumer that Kafka's tool acts on before its client does.

use super::source::Start;
use crate::config::{Property, Storage};
use crate::tools::ToolError;
use crate::tools::properties::invalid;

/// The properties of a consumer that the tool itself acts on, as Kafka's tool does. They don't reach the Kafka client, which
/// the log's adapter sets up.
#[derive(Debug, Default)]
pub struct OwnProperties {
    /// `group.id`, from every place that gives one.
    pub groups: Vec<String>,
    /// `auto.offset.reset`: where to begin without a committed offset, and outside the log.
    pub reset: Option<String>,
    /// `enable.auto.commit`.
    commits: Option<String>,
}

impl OwnProperties {
    /// Takes them out of the properties for the Kafka client. The last value of each counts, but for `group.id`.
    pub fn take_from(storage: &mut Storage) -> Self {
        let mut own = Self::default();
        for Property { name, value } in std::mem::take(&mut storage.kafka_property) {
            match name.as_str() {
                "group.id" => own.groups.push(value),
                "auto.offset.reset" => own.reset = Some(value),
                "enable.auto.commit" => own.commits = Some(value),
                _ => storage.kafka_property.push(Property { name, value }),
            }
        }
        own
    }

    /// Where to begin; none if that was not given.
    pub fn start(&self) -> Result<Option<Start>, ToolError> {
        const NAME: &str = "auto.offset.reset";
        match self.reset.as_deref() {
            None => Ok(None),
            Some("earliest") => Ok(Some(Start::Earliest)),
            Some("latest") => Ok(Some(Start::Latest)),
            Some(value) if value == "none" || value.starts_with("by_duration:") => Err(ToolError::Refused(format!(
                "{NAME} may be earliest or latest here; anything else of Kafka's is not supported"
            ))),
            Some(value) => Err(invalid(NAME, value, "earliest, latest")),
        }
    }

    /// Whether positions are committed.
    pub fn commits(&self) -> Result<bool, ToolError> {
        let given = self.commits.as_deref().unwrap_or("true");
        let parsed = given.trim().to_ascii_lowercase().parse();
        parsed.map_err(|_| invalid("enable.auto.commit", given, "true, false"))
    }
}
