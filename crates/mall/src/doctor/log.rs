//! Looks at the log: whether it answers, and whether topic, records and group are such that no event gets lost or out of order.

use std::collections::BTreeMap;
use std::time::Duration;

use keylane_log::{EventLog, Extent, GroupInfo, LogError, Offset, Partition, Record, TopicInfo, TopicPartition};

use super::members;
use super::records;
use super::report::{Fault, Report};
use crate::adapters::log::{Cause, Cluster, OpenFor, explained, kafka, open_log};
use crate::clock::now;
use crate::config::{RoleOptions, Storage};

/// How many of the newest records are looked at in each partition.
const SAMPLE: u64 = 500;

/// Events must be kept for as long as a service may be away. A shorter retention is a fault.
const SHORTEST_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// The assignors that the mall's members agree on: the one that they offer by default, and the one of the brokers (KIP-848).
const OUR_ASSIGNORS: [&str; 2] = ["cooperative-sticky", "uniform"];

pub fn look(options: &RoleOptions, report: &mut Report) {
    let storage = &options.storage;
    if let Err((error, cause)) = reach(storage) {
        return away(&error, cause, options, report);
    }
    let log = match open_log(storage, OpenFor::Reading) {
        Ok(Some(log)) => log,
        Ok(None) => return report.fine("there is no embedded log yet"),
        Err(error) => return away(&error, None, options, report),
    };
    let topics = match log.topics() {
        Ok(topics) => topics,
        Err(error) => return away(&error, None, options, report),
    };
    match &storage.bootstrap_server {
        Some(servers) => report.fine(format!("Kafka at {} answers", servers.as_str())),
        None => report.fine("the embedded log can be read"),
    }
    let Some(topic) = topics.iter().find(|topic| topic.name == options.topic) else {
        return report.fine(format!("topic {} is not there yet; a role creates it", options.topic));
    };
    if let Err(error) = inside(&*log, topic, options, report) {
        away(&error, None, options, report);
    }
}

/// Whether Kafka answers, where it is used.
fn reach(storage: &Storage) -> Result<(), (LogError, Option<Cause>)> {
    match kafka(storage) {
        Some(kafka) => kafka.map_err(|error| (error, None))?.reach(),
        None => Ok(()),
    }
}

fn away(error: &LogError, cause: Option<Cause>, options: &RoleOptions, report: &mut Report) {
    let what = explained(error, &options.storage);
    let remedy = match (error, &options.storage.bootstrap_server) {
        (LogError::Refused(_), _) => return report.unseen(what),
        (_, Some(_)) if cause.is_some() => cause.map(remedy_of).unwrap_or_default().into(),
        (LogError::Unavailable(_), Some(servers)) => {
            format!("start Kafka, or correct --bootstrap-server {}", servers.as_str())
        }
        (LogError::Broken(_), Some(_)) => {
            "give Kafka's user that right, or name another user with --kafka-property".into()
        }
        (LogError::Unavailable(_), None) => {
            "continue or end the process that keeps the log, or make room on its disk".into()
        }
        (LogError::Broken(_), None) => "restore the data folder, or start over with mall reset".into(),
    };
    report.wrong(what, remedy);
}

/// What a person can do about the cause.
fn remedy_of(cause: Cause) -> &'static str {
    match cause {
        Cause::Refused => "start Kafka, or correct --bootstrap-server",
        Cause::Silent => "see whether Kafka runs there and a firewall lets you through, or correct --bootstrap-server",
        Cause::Closed => "look into the broker's log, or correct --bootstrap-server",
        Cause::PerhapsListener | Cause::Listener => {
            "set security.protocol to what the listener speaks, or give the port of another listener with \
             --bootstrap-server"
        }
        Cause::Unresolved => "correct the host's name in --bootstrap-server",
        Cause::Login => "correct sasl.username and sasl.password",
        Cause::Mechanism => "set sasl.mechanism to one that the broker has",
        Cause::Certificate => "name the authority that signed it with ssl.ca.location=FILE",
        Cause::HostName => {
            "name the host in --bootstrap-server (and the broker in advertised.listeners) as in its certificate"
        }
        Cause::ClientCertificate => "give one with ssl.certificate.location and ssl.key.location",
        Cause::NotKafka => "correct --bootstrap-server",
    }
}

fn inside(log: &dyn EventLog, topic: &TopicInfo, options: &RoleOptions, report: &mut Report) -> Result<(), LogError> {
    let name = &topic.name;
    let extents = log.extents(name)?;
    let records = sample(log, name, &extents)?;
    let group = log.describe_group(&options.group)?;
    let settings = settings(options)?;
    let before = report.faults.len();
    report.faults.extend(copies(topic));
    if let Some(kafka) = kafka(&options.storage) {
        let cluster = kafka?.cluster()?;
        redundancy(topic, cluster, &settings, report);
    }
    report.faults.extend(numbered(topic, &extents));
    report
        .faults
        .extend(records::partitioner(name, extents.len() as u32, &records));
    report.faults.extend(records::clock(name, now().0, &records));
    report.faults.extend(kept(name, &settings));
    if let Some(info) = &group {
        report.unseen.extend(assignor(&options.group, info, options));
        members::look(info, extents.len(), options, report);
        report.faults.extend(removed(&options.group, name, info, &extents));
        if options.storage.bootstrap_server.is_none() {
            report.faults.extend(held(log, info, name, &extents, options)?);
        }
    }
    if report.faults.len() == before {
        report.fine(format!(
            "topic {name} has {} partition(s); {} record(s) looked at",
            extents.len(),
            records.len()
        ));
    }
    Ok(())
}

fn sample(log: &dyn EventLog, topic: &str, extents: &[Extent]) -> Result<Vec<Record>, LogError> {
    let newest = |extent: &Extent| Extent {
        start: Offset(extent.end.0.saturating_sub(SAMPLE)).max(extent.start),
        end: extent.end,
    };
    let newest: Vec<Extent> = extents.iter().map(newest).collect();
    let mut records = Vec::new();
    log.scan(topic, &newest, &mut |record| records.push(record.clone()))?;
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

/// The settings of the topic on Kafka.
fn settings(options: &RoleOptions) -> Result<BTreeMap<String, String>, LogError> {
    match kafka(&options.storage) {
        Some(kafka) => kafka?.topic_settings(&options.topic),
        // The embedded log never removes what a group has yet to read, so none of its settings loses events.
        None => Ok(BTreeMap::new()),
    }
}

/// Tells of partitions without a leader, or with copies that lag behind.
fn copies(topic: &TopicInfo) -> Option<Fault> {
    let bad = |partition: &&keylane_log::PartitionInfo| {
        partition.leader.is_none() || partition.isr.len() < partition.replicas.len()
    };
    let bad: Vec<_> = topic
        .partitions
        .iter()
        .filter(bad)
        .map(|info| format!("P{}", info.partition))
        .collect();
    (!bad.is_empty()).then(|| Fault {
        what: format!(
            "{} of topic {} have no leader, or copies that lag behind",
            bad.join(", "),
            topic.name
        ),
        remedy: "start the brokers that are missing; mall kafka-topics --describe shows which".into(),
    })
}

/// Tells of what is lost, or stops, when one broker dies.
fn redundancy(topic: &TopicInfo, cluster: Cluster, settings: &BTreeMap<String, String>, report: &mut Report) {
    let Cluster { brokers, offset_copies } = cluster;
    let name = &topic.name;
    let copies = topic
        .partitions
        .iter()
        .map(|info| info.replicas.len())
        .min()
        .unwrap_or(0);
    if brokers == 1 {
        return report.fine(format!(
            "one broker, with the only copy of topic {name}: while it is away events wait in the journals; three brokers \
             with three copies go on when one of them dies"
        ));
    }
    if copies < 2 {
        report.wrong(
            format!("{brokers} brokers, and one copy of each partition of topic {name}: a broker that dies stops the orders of its \
                 partitions, and may lose their events (replication factor 1)"),
            "give the topic three copies with kafka-reassign-partitions, and new topics by default.replication.factor=3",
        );
    }
    if offset_copies.is_some_and(|copies| copies < 2) {
        report.wrong(
            format!(
                "{brokers} brokers, and one copy of what groups have committed: when its broker dies no instance gets \
                 events (replication factor 1 of __consumer_offsets)"
            ),
            "give __consumer_offsets three copies with kafka-reassign-partitions (offsets.topic.replication.factor=3)",
        );
    }
    let in_sync = settings
        .get("min.insync.replicas")
        .and_then(|text| text.parse::<usize>().ok());
    match in_sync {
        Some(1) if copies > 1 => report.wrong(
            format!(
                "topic {name} calls an event safe when a single copy has it: a broker that dies may lose it \
                 (min.insync.replicas 1)"
            ),
            format!("kafka-configs --alter --topic {name} --add-config min.insync.replicas=2"),
        ),
        Some(needed) if copies > 1 && needed >= copies => report.wrong(
            format!(
                "topic {name} takes no events while one of its {copies} copies is away (min.insync.replicas {needed})"
            ),
            format!(
                "kafka-configs --alter --topic {name} --add-config min.insync.replicas={}",
                copies - 1
            ),
        ),
        _ => {}
    }
}

/// Tells of a topic of which producers and consumers may see different partitions.
fn numbered(topic: &TopicInfo, extents: &[Extent]) -> Option<Fault> {
    let gapless = (0..)
        .zip(&topic.partitions)
        .all(|(number, info)| info.partition == Partition(number));
    (!gapless || topic.partitions.len() != extents.len()).then(|| Fault {
        what: format!(
            "the brokers name {} partitions of topic {} and hold {}",
            topic.partitions.len(),
            topic.name,
            extents.len()
        ),
        remedy: "wait until the topic's creation or growth is done, then look again".into(),
    })
}

/// Tells of settings that remove events before every group has read them.
fn kept(topic: &str, settings: &BTreeMap<String, String>) -> Vec<Fault> {
    let mut wrong = Vec::new();
    let get = |name| settings.get(name).map(String::as_str);
    let remedy = |set: &str| format!("kafka-configs --alter --topic {topic} --add-config {set}");
    if get("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        wrong.push(Fault {
            what: format!("topic {topic} is compacted: of an order's events only the last is kept"),
            remedy: remedy("cleanup.policy=delete"),
        });
    }
    let retention = get("retention.ms")
        .and_then(|text| text.parse::<u64>().ok())
        .map(Duration::from_millis);
    if let Some(retention) = retention.filter(|retention| *retention < SHORTEST_RETENTION) {
        wrong.push(Fault {
            what: format!(
                "topic {topic} keeps events for {} only: a service that is away for longer loses what it has not read",
                humantime::format_duration(retention)
            ),
            remedy: remedy("retention.ms=604800000"),
        });
    }
    wrong
}

/// Tells of members that share the partitions by an assignor which the mall does not offer. A group uses an assignor that all
/// its members offer. The coordinator does not tell which others the members offer too, so this is only a doubt.
fn assignor(group: &str, info: &GroupInfo, options: &RoleOptions) -> Option<String> {
    // All members of the embedded log use the same rule, and a user who chose an assignor has decided.
    let chosen = [
        "partition.assignment.strategy",
        "group.protocol",
        "group.remote.assignor",
    ];
    let properties = options.storage.kafka_properties().unwrap_or_default();
    if options.storage.bootstrap_server.is_none() || properties.iter().any(|(name, _)| chosen.contains(&&**name)) {
        return None;
    }
    let theirs = info.assignor.as_deref().filter(|name| !OUR_ASSIGNORS.contains(name))?;
    let members = info.members.len();
    Some(format!(
        "whether the mall can join group {group}: its {members} member(s) share the partitions by \"{theirs}\", and the mall \
         offers \"cooperative-sticky\". It can if they offer that too, as Java's consumers do by default; otherwise stop \
         them, give the mall another --group, or --kafka-property partition.assignment.strategy={theirs}"
    ))
}

/// Tells of events that are old enough to be removed, and are kept because the group has yet to read them. The embedded log
/// grows by them.
fn held(
    log: &dyn EventLog,
    info: &GroupInfo,
    topic: &str,
    extents: &[Extent],
    options: &RoleOptions,
) -> Result<Option<Fault>, LogError> {
    let (group, age) = (&options.group, options.log_retention);
    let cutoff = now().0.saturating_sub(age.as_millis() as i64);
    let mut old = Vec::new();
    for (number, extent) in (0..).zip(extents) {
        let partition = TopicPartition::new(topic, Partition(number));
        let next = info.commits.get(&partition).copied().unwrap_or(extent.start);
        let unread = log.read(&partition, next, 1)?;
        if unread.first().is_some_and(|record| record.timestamp.0 < cutoff) {
            old.push(format!("P{number}@{next}"));
        }
    }
    let age = humantime::format_duration(age);
    Ok((!old.is_empty()).then(|| Fault {
        what: format!(
            "group {group} has yet to read events of topic {topic} older than --log-retention {age}, from {} on: they are \
             kept, and the log grows",
            old.join(", ")
        ),
        remedy: format!(
            "start mall delivery, or give these events up with mall kafka-consumer-groups --reset-offsets --group {group} \
             --topic {topic} --to-latest --execute"
        ),
    }))
}

/// Tells of events that were removed before the group had read them.
fn removed(group: &str, topic: &str, info: &GroupInfo, extents: &[Extent]) -> Option<Fault> {
    let lost = |(number, extent): (u32, &Extent)| {
        let committed = info.commits.get(&TopicPartition::new(topic, Partition(number)))?;
        (*committed < extent.start).then(|| format!("P{number}@{committed} to {}", extent.start))
    };
    let lost: Vec<_> = (0..).zip(extents).filter_map(lost).collect();
    (!lost.is_empty()).then(|| Fault {
        what: format!(
            "topic {topic} no longer holds what group {group} has yet to read: {}",
            lost.join(", ")
        ),
        remedy:
            "keep events for longer; compare the deliveries with the orders (mall verify), as those events are gone"
                .into(),
    })
}

#[cfg(test)]
mod tests {
    use keylane_log::{GroupKind, GroupState};

    use super::*;

    #[test]
    fn what_a_dying_broker_takes_along() {
        let said = |brokers, copies: i32, offset_copies, in_sync: &str| {
            let info = keylane_log::PartitionInfo {
                partition: Partition(0),
                leader: Some(0),
                replicas: (0..copies).collect(),
                isr: (0..copies).collect(),
            };
            let topic = TopicInfo {
                name: "t".into(),
                internal: false,
                partitions: vec![info],
            };
            let cluster = Cluster { brokers, offset_copies };
            let settings = [("min.insync.replicas".to_owned(), in_sync.to_owned())].into();
            let mut report = Report::default();
            redundancy(&topic, cluster, &settings, &mut report);
            report
                .faults
                .into_iter()
                .map(|wrong| wrong.what)
                .collect::<Vec<_>>()
                .join("; ")
        };
        assert_eq!(said(3, 3, Some(3), "2"), "");
        assert_eq!(said(1, 1, Some(1), "1"), "", "one broker can have one copy");
        assert!(said(3, 1, Some(3), "1").contains("one copy of each partition of topic t"));
        assert!(said(3, 3, Some(1), "2").contains("one copy of what groups have committed"));
        assert!(said(3, 3, None, "1").contains("min.insync.replicas 1"));
        assert!(said(3, 3, Some(3), "3").contains("takes no events while one of its 3 copies is away"));
    }

    #[test]
    fn settings_that_lose_events() {
        let settings = |policy: &str, retention: &str| {
            let pairs = [("cleanup.policy", policy), ("retention.ms", retention)];
            pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into()
        };
        assert_eq!(kept("t", &settings("delete", "604800000")), []);
        assert_eq!(kept("t", &settings("delete", "-1")), [], "kept for ever");
        assert!(
            kept("t", &settings("compact,delete", "-1"))[0]
                .what
                .contains("compacted")
        );
        assert!(
            kept("t", &settings("delete", "3600000"))[0]
                .what
                .contains("for 1h only")
        );
    }

    #[test]
    fn events_that_are_gone_unread() {
        let extent = |start, end| Extent {
            start: Offset(start),
            end: Offset(end),
        };
        let commits = (0..2).map(|number| (TopicPartition::new("t", Partition(number)), Offset(5)));
        let info = GroupInfo {
            state: GroupState::Empty,
            kind: GroupKind::Classic,
            assignor: None,
            coordinator: None,
            members: Vec::new(),
            commits: commits.collect(),
            leader_epochs: BTreeMap::new(),
        };
        assert_eq!(removed("g", "t", &info, &[extent(5, 9), extent(0, 9)]), None);
        let wrong = removed("g", "t", &info, &[extent(0, 9), extent(7, 9)]).expect("two are gone");
        assert!(wrong.what.contains("has yet to read: P1@5 to 7"), "{wrong:?}");
    }
}
