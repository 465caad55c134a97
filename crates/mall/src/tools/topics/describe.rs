//! `kafka-topics --describe`.

use std::fmt::Write;

use keylane_log::{PartitionInfo, TopicInfo};

use super::super::args::Given;
use super::chosen;
use crate::adapters::log::{TopicDetails, TopicSetting, explained};
use crate::config::Storage;

/// The setting with the least number of copies in sync, and its default.
const MIN_IN_SYNC: (&str, usize) = ("min.insync.replicas", 1);

/// The id that stands for none.
const NO_ID: &str = "AAAAAAAAAAAAAAAAAAAAAA";

/// The bytes of an id.
const ID_BYTES: usize = 16;

/// A topic, with its id and its settings where the log has any.
struct Described {
    topic: TopicInfo,
    details: Option<TopicDetails>,
}

pub(super) fn run(given: &Given, storage: &Storage, output: &mut String) -> Result<(), String> {
    if given.has("if-exists") && given.has("topic") && given.has("topic-id") {
        output.push_str(
            "Only topic id will be used when both --topic and --topic-id are specified and topicId is not Uuid.ZERO_UUID\n",
        );
    }
    let show = Show::of(given);
    for described in described(given, storage)? {
        show.print(&described, output);
    }
    Ok(())
}

fn described(given: &Given, storage: &Storage) -> Result<Vec<Described>, String> {
    let id = given.last("topic-id").map(checked_id).transpose()?;
    let Some(id) = id.filter(|id| *id != NO_ID) else {
        return with_details(chosen::existing(given, storage)?, storage);
    };
    let mut topics = chosen::all(storage)?;
    topics.retain(|topic| !(topic.internal && given.has("exclude-internal")));
    let mut described = with_details(topics, storage)?;
    described.retain(|topic| topic.details.as_ref().and_then(|details| details.id.as_deref()) == Some(id));
    match described.is_empty() && !given.has("if-exists") {
        true => Err(format!("TopicId '{id}' does not exist as expected")),
        false => Ok(described),
    }
}

/// The id, if it is one: 22 digits of base64 for URLs.
fn checked_id(text: &str) -> Result<&str, String> {
    let text = text.trim_end_matches('=');
    if let Some(wrong) = text
        .chars()
        .find(|c| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '_'))
    {
        return Err(format!("Illegal base64 character {:x}", u32::from(wrong)));
    }
    match text.len() * 6 / 8 {
        ID_BYTES => Ok(text),
        bytes => Err(format!(
            "Input string `{text}` decoded as {bytes} bytes, which is not equal to the expected {ID_BYTES} bytes of a \
             base64-encoded UUID"
        )),
    }
}

fn with_details(topics: Vec<TopicInfo>, storage: &Storage) -> Result<Vec<Described>, String> {
    let mut details = match storage.bootstrap_server {
        Some(_) => {
            let names: Vec<_> = topics.iter().map(|topic| topic.name.as_str()).collect();
            let details = chosen::kafka(storage)?.topic_details(&names);
            details.map_err(|error| explained(&error, storage))?
        }
        None => Vec::new(),
    }
    .into_iter();
    let described = |topic| Described {
        topic,
        details: details.next(),
    };
    Ok(topics.into_iter().map(described).collect())
}

/// Which lines are shown.
struct Show {
    under_replicated: bool,
    unavailable: bool,
    under_min: bool,
    at_min: bool,
    overridden: bool,
}

impl Show {
    fn of(given: &Given) -> Self {
        Self {
            under_replicated: given.has("under-replicated-partitions"),
            unavailable: given.has("unavailable-partitions"),
            under_min: given.has("under-min-isr-partitions"),
            at_min: given.has("at-min-isr-partitions"),
            overridden: given.has("topics-with-overrides"),
        }
    }

    fn print(&self, Described { topic, details }: &Described, output: &mut String) {
        let settings = details.as_ref().map_or(&[][..], |details| &details.settings);
        let own = own_settings(settings);
        let left_out = self.overridden && own.is_empty();
        if !self.some_partitions() && !left_out {
            let id = details.as_ref().and_then(|details| details.id.as_deref());
            let _ = writeln!(output, "{}", heading(topic, id, &own));
        }
        if self.overridden {
            return;
        }
        let least = least_in_sync(settings);
        for partition in topic.partitions.iter().filter(|partition| self.shows(partition, least)) {
            let _ = writeln!(output, "{}", line(&topic.name, partition));
        }
    }

    /// Whether only those partitions are shown of which something is to be reported.
    fn some_partitions(&self) -> bool {
        self.under_replicated || self.unavailable || self.under_min || self.at_min
    }

    fn shows(&self, partition: &PartitionInfo, least: usize) -> bool {
        let (copies, in_sync) = (partition.replicas.len(), partition.isr.len());
        let leaderless = partition.leader.is_none();
        !self.some_partitions()
            || self.under_replicated && in_sync < copies
            || self.unavailable && leaderless
            || self.under_min && (leaderless || in_sync < least)
            || self.at_min && in_sync == least
    }
}

/// The settings that somebody has set, sorted by name.
fn own_settings(settings: &[TopicSetting]) -> Vec<String> {
    let own = settings.iter().filter(|setting| !setting.is_default);
    let shown = |setting: &TopicSetting| format!("{}={}", setting.name, setting.value.as_deref().unwrap_or("null"));
    let mut own: Vec<_> = own.map(shown).collect();
    own.sort();
    own
}

fn least_in_sync(settings: &[TopicSetting]) -> usize {
    let (name, default) = MIN_IN_SYNC;
    let found = settings.iter().find(|setting| setting.name == name);
    found
        .and_then(|setting| setting.value.as_ref()?.parse().ok())
        .unwrap_or(default)
}

fn heading(topic: &TopicInfo, id: Option<&str>, own: &[String]) -> String {
    let copies = topic.partitions.first().map_or(0, |partition| partition.replicas.len());
    let id = id.map_or(String::new(), |id| format!("\tTopicId: {id}"));
    format!(
        "Topic: {}{id}\tPartitionCount: {}\tReplicationFactor: {copies}\tConfigs: {}",
        topic.name,
        topic.partitions.len(),
        own.join(",")
    )
}

/// A partition's line. Neither librdkafka nor the embedded log tells eligible leader replicas.
fn line(topic: &str, partition: &PartitionInfo) -> String {
    let nodes = |nodes: &[i32]| nodes.iter().map(i32::to_string).collect::<Vec<_>>().join(",");
    let leader = partition.leader.map_or("none".to_owned(), |node| node.to_string());
    format!(
        "\tTopic: {topic}\tPartition: {}\tLeader: {leader}\tReplicas: {}\tIsr: {}\tElr: N/A\tLastKnownElr: N/A",
        partition.partition,
        nodes(&partition.replicas),
        nodes(&partition.isr)
    )
}

#[cfg(test)]
mod tests {
    use keylane_log::Partition;

    use super::*;

    fn shown(options: &str, isr: &[i32], leader: Option<i32>) -> Vec<String> {
        let setting = |name: &str, value: &str, is_default| TopicSetting {
            name: name.into(),
            value: Some(value.into()),
            is_default,
        };
        let topic = TopicInfo {
            name: "t".into(),
            internal: false,
            partitions: vec![PartitionInfo {
                partition: Partition(0),
                leader,
                replicas: vec![1, 2, 3],
                isr: isr.to_vec(),
            }],
        };
        let details = TopicDetails {
            id: Some("w-t6CH6ZRyWbx2-4Fzc9XA".into()),
            settings: vec![
                setting("retention.ms", "5", false),
                setting("min.insync.replicas", "2", false),
                setting("cleanup.policy", "delete", true),
            ],
        };
        let words: Vec<_> = options.split_whitespace().map(std::ffi::OsString::from).collect();
        let given = Given::parse(&words, &super::super::OPTIONS.iter().collect::<Vec<_>>()).expect("known options");
        let mut output = String::new();
        let details = Some(details);
        Show::of(&given).print(&Described { topic, details }, &mut output);
        output.lines().map(str::to_owned).collect()
    }

    #[test]
    fn a_topic_is_shown_with_its_id_and_its_own_settings() {
        let lines = shown("", &[1, 2, 3], Some(1));
        assert_eq!(
            lines,
            [
                "Topic: t\tTopicId: w-t6CH6ZRyWbx2-4Fzc9XA\tPartitionCount: 1\tReplicationFactor: 3\tConfigs: \
                 min.insync.replicas=2,retention.ms=5",
                "\tTopic: t\tPartition: 0\tLeader: 1\tReplicas: 1,2,3\tIsr: 1,2,3\tElr: N/A\tLastKnownElr: N/A",
            ]
        );
        assert_eq!(shown("--topics-with-overrides", &[1], None).len(), 1);
    }

    #[test]
    fn reports_show_only_what_is_wrong() {
        for (option, isr, leader, shows) in [
            ("--under-replicated-partitions", &[1, 2, 3][..], Some(1), false),
            ("--under-replicated-partitions", &[1, 2], Some(1), true),
            ("--unavailable-partitions", &[1], Some(1), false),
            ("--unavailable-partitions", &[1], None, true),
            ("--under-min-isr-partitions", &[1, 2], Some(1), false),
            ("--under-min-isr-partitions", &[1, 2], None, true),
            ("--under-min-isr-partitions", &[1], Some(1), true),
            ("--at-min-isr-partitions", &[1], Some(1), false),
            ("--at-min-isr-partitions", &[1, 2], Some(1), true),
        ] {
            let lines = shown(option, isr, leader);
            assert_eq!(lines.len(), usize::from(shows), "{option} {isr:?} {leader:?}");
        }
    }

    #[test]
    fn an_id_has_16_bytes() {
        assert_eq!(checked_id("w-t6CH6ZRyWbx2-4Fzc9XA"), Ok("w-t6CH6ZRyWbx2-4Fzc9XA"));
        assert!(
            checked_id("nope")
                .expect_err("short")
                .starts_with("Input string `nope` decoded as 3 bytes")
        );
        assert_eq!(checked_id("a b").expect_err("a blank"), "Illegal base64 character 20");
    }
}
