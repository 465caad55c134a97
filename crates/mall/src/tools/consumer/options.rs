//! The options of kafka-console-consumer, and what they ask for.

use std::time::Duration;

use keylane_log::{Offset, Partition};

use super::format::RecordFormat;
use super::own_properties::OwnProperties;
use super::source::{Membership, Start, Topics, Wanted};
use crate::config::properties_of;
use crate::tools::ToolError;
use crate::tools::args::{Given, Opt};
use crate::tools::pattern::{PatternError, TopicPattern};
use crate::tools::renamed::Renamed;

pub const OPTIONS: [Opt; 20] = [
    Opt::value("topic", "topic", "The topic to consume from."),
    Opt::value("include", "pattern", "A regular expression of the topics to consume."),
    Opt::flag(
        "from-beginning",
        "Start with the earliest message, if the group has no offset yet.",
    ),
    Opt::value("partition", "partition", "The partition to consume from."),
    Opt::value(
        "offset",
        "offset",
        "The offset to begin with: a number, 'earliest' or 'latest' (the default).",
    ),
    Opt::value(
        "group",
        "group id",
        "The consumer group; without one, nothing is committed.",
    ),
    Opt::value(
        "max-messages",
        "num",
        "The number of messages to consume before exiting.",
    ),
    Opt::value("timeout-ms", "ms", "Exit if no message is available for this long."),
    Opt::repeated(
        "formatter-property",
        "prop",
        "print.key=true, print.timestamp, print.partition, print.offset, print.delivery, print.epoch, \
                  print.headers, print.value, key.separator, line.separator, headers.separator, null.literal, \
                  key.deserializer, value.deserializer, headers.deserializer.",
    ),
    Opt::value("formatter-config", "FILE", "The same, one a line."),
    Opt::repeated("property", "prop", "(DEPRECATED) Use --formatter-property."),
    Opt::value(
        "formatter",
        "class",
        "The whole name of DefaultMessageFormatter (the default) or of NoOpMessageFormatter.",
    ),
    Opt::repeated("command-property", "k=v", "A property of the Kafka client."),
    Opt::repeated("consumer-property", "k=v", "(DEPRECATED) Use --command-property."),
    Opt::value("consumer.config", "FILE", "(DEPRECATED) Use --command-config."),
    Opt::value("key-deserializer", "class", "How keys become text."),
    Opt::value("value-deserializer", "class", "How values become text."),
    Opt::value(
        "isolation-level",
        "level",
        "read_uncommitted (the default) or read_committed.",
    ),
    Opt::flag(
        "skip-message-on-error",
        "Skip a message that a deserializer does not take, instead of halting.",
    ),
    Opt::unsupported("enable-systest-events", None, "it is for Kafka's own tests"),
];

const RENAMED: Renamed = Renamed {
    pairs: &[
        ("consumer-property", "command-property"),
        ("consumer.config", "command-config"),
        ("property", "formatter-property"),
    ],
    warning: "Option",
    newer_first: false,
};

/// The formatters that there are, by the names of Kafka's classes.
const FORMATTER: &str = "org.apache.kafka.tools.consumer.DefaultMessageFormatter";
const NO_OP: &str = "org.apache.kafka.tools.consumer.NoOpMessageFormatter";

/// When the tool stops by itself.
pub struct StopConditions {
    /// After so many messages.
    pub messages: Option<u64>,
    /// After so long without a message.
    pub silence: Option<Duration>,
}

/// Refuses options that contradict each other.
pub fn check(given: &Given) -> Result<(), ToolError> {
    if given.has("topic") == given.has("include") {
        return usage("Exactly one of the following arguments is required: [topic], [include]");
    }
    if given.has("partition") {
        if !given.has("topic") {
            return usage("The topic is required when partition is specified.");
        }
        if given.has("from-beginning") && given.has("offset") {
            return usage("Options from-beginning and offset cannot be specified together.");
        }
    } else if given.has("offset") {
        return usage("The partition is required when offset is specified.");
    }
    RENAMED.refuse_both(given)?;
    RENAMED.warn(given);
    Ok(())
}

fn usage<T>(sentence: &str) -> Result<T, ToolError> {
    Err(ToolError::Usage(sentence.to_owned()))
}

/// What to read, and the group to read it as a member of.
pub fn wanted(given: &Given, properties: &OwnProperties) -> Result<(Wanted, Option<Membership>), ToolError> {
    let group = group(given, &properties.groups).map_err(ToolError::Usage)?;
    let partition = given
        .number::<u32>("partition")
        .map_err(ToolError::Other)?
        .map(Partition);
    if group.as_ref().is_some_and(|group| group.trim().is_empty()) {
        return Err(ToolError::Other(
            "org.apache.kafka.common.errors.InvalidGroupIdException: The configured group.id should not be an empty \
             string or whitespace."
                .into(),
        ));
    }
    if group.is_some() && partition.is_some() {
        return usage("Options group and partition cannot be specified together.");
    }
    if given.has("from-beginning")
        && let Some(reset) = properties.reset.as_ref().filter(|reset| *reset != "earliest")
    {
        return Err(ToolError::Other(format!(
            "Can't simultaneously specify --from-beginning and auto.offset.reset ({reset}), please remove one option"
        )));
    }
    let reset = match given.has("from-beginning") {
        true => Start::Earliest,
        false => properties.start()?.unwrap_or(Start::Latest),
    };
    let start = match given.last("offset") {
        Some(text) => offset(text).map_err(ToolError::Usage)?,
        None => reset,
    };
    let wanted = Wanted {
        topics: topics(given)?,
        partition,
        start,
        reset,
    };
    let commits = properties.commits()?;
    Ok((wanted, group.map(|group| Membership { group, commits })))
}

fn topics(given: &Given) -> Result<Topics, ToolError> {
    let Some(pattern) = given.last("include") else {
        let name = given.last("topic").unwrap_or_default();
        return match name.trim().is_empty() {
            true => Err(ToolError::Other(
                "Topic collection to subscribe to cannot contain null or empty topic".into(),
            )),
            false => Ok(Topics::Named(name.to_owned())),
        };
    };
    match TopicPattern::exactly(pattern) {
        Ok(pattern) => Ok(Topics::Matching(pattern)),
        Err(PatternError::Invalid(why)) => Err(ToolError::Other(format!(
            "java.util.regex.PatternSyntaxException: {why}\n{pattern}"
        ))),
        Err(unsupported) => Err(ToolError::Refused(format!("--include {pattern}: {unsupported}"))),
    }
}

fn offset(text: &str) -> Result<Start, String> {
    if text.eq_ignore_ascii_case("earliest") {
        return Ok(Start::Earliest);
    }
    if text.eq_ignore_ascii_case("latest") {
        return Ok(Start::Latest);
    }
    let number = text.parse::<i64>().ok().and_then(|number| u64::try_from(number).ok());
    number.map(|offset| Start::At(Offset(offset))).ok_or_else(|| {
        format!(
            "The provided offset value '{text}' is incorrect. Valid values are 'earliest', 'latest', or a non-negative \
             long."
        )
    })
}

/// The group that was given, in whatever places, if they all give the same.
fn group(given: &Given, properties: &[String]) -> Result<Option<String>, String> {
    let mut groups: Vec<&str> = given.last("group").into_iter().collect();
    for group in properties.iter().map(String::as_str) {
        if !groups.contains(&group) {
            groups.push(group);
        }
    }
    if groups.len() > 1 {
        return Err(format!(
            "The group ids provided in different places (directly using '--group', via '--consumer-property', or via \
             '--consumer.config') do not match. Detected group ids: '{}'",
            groups.join("', '")
        ));
    }
    Ok(groups.first().map(|group| (*group).to_owned()))
}

/// When to stop. Numbers below zero mean what they mean to Kafka's tool.
pub fn stop_conditions(given: &Given) -> Result<StopConditions, ToolError> {
    let messages = given.number::<i32>("max-messages").map_err(ToolError::Other)?;
    let silence = given.number::<i64>("timeout-ms").map_err(ToolError::Other)?;
    Ok(StopConditions {
        messages: messages
            .filter(|max| *max != -1)
            .map(|max| u64::try_from(max).unwrap_or(0)),
        silence: silence.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
    })
}

/// How records are printed; none if they are not.
pub fn format(given: &Given) -> Result<Option<RecordFormat>, ToolError> {
    let class = given.last("formatter").unwrap_or(FORMATTER);
    if ![FORMATTER, NO_OP].contains(&class) {
        return Err(ToolError::Refused(format!(
            "--formatter {class} is not supported here; there are {FORMATTER} and {NO_OP}"
        )));
    }
    let mut properties = Vec::new();
    if let Some(path) = given.path("formatter-config") {
        properties = properties_of(&path).map_err(|error| ToolError::Usage(error.to_string()))?;
    }
    for side in ["key", "value"] {
        let class = given
            .last(&format!("{side}-deserializer"))
            .filter(|class| !class.is_empty());
        properties.extend(class.map(|class| (format!("{side}.deserializer"), class.to_owned())));
    }
    let options = given.all("property").iter().chain(given.all("formatter-property"));
    for property in options.flat_map(|property| switches(property)) {
        let (name, value) = property.split_once('=').unwrap_or((property, ""));
        properties.push((name.to_owned(), value.to_owned()));
    }
    let format = RecordFormat::with(&properties).map_err(ToolError::Refused)?;
    Ok((class == FORMATTER).then_some(format))
}

/// The properties in one option: `print.key=true,print.offset=true` counts as two.
fn switches(property: &str) -> Vec<&str> {
    let is_switch = |part: &&str| part.starts_with("print.") && part.contains('=');
    let parts: Vec<_> = property.split(',').collect();
    if parts.iter().all(is_switch) {
        parts
    } else {
        vec![property]
    }
}
