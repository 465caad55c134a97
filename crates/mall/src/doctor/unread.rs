//! Looks at what the group has yet to read: whether it is still there, and whether it is old enough to be removed.

use keylane_log::{EventLog, Extent, GroupInfo, LogError, Partition, TopicPartition};
use shop::text;
use shop::text::Text;

use super::report::Fault;
use crate::clock::now;
use crate::config::RoleOptions;

/// Tells of events that are old enough to be removed, and are kept because the group has yet to read them. The embedded log
/// grows by them.
pub fn held(
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
    let (age, first) = (humantime::format_duration(age), old.join(", "));
    Ok((!old.is_empty()).then(|| Fault {
        what: text!(
            "group {group} has yet to read events of topic {topic} older than --log-retention {age}, from {first} on: they are \
             kept, and the log grows",
            "토픽 {topic}에 컨슈머 그룹 {group}에서 아직 읽지 않은, --log-retention {age}보다 오래된 이벤트가 있음({first}부터): \
             지워지지 않고 남으므로 로그가 커짐"
        ),
        remedy: text!(
            "start mall delivery, or give these events up with mall kafka-consumer-groups --reset-offsets --group {group} \
             --topic {topic} --to-latest --execute",
            "mall delivery를 시작하거나, mall kafka-consumer-groups --reset-offsets --group {group} --topic {topic} --to-latest \
             --execute 명령으로 이 이벤트들을 포기하세요"
        ),
    }))
}

/// Tells of events that were removed before the group had read them.
pub fn removed(group: &str, topic: &str, info: &GroupInfo, extents: &[Extent]) -> Option<Fault> {
    let lost = |(number, extent): (u32, &Extent)| {
        let committed = info.commits.get(&TopicPartition::new(topic, Partition(number)))?;
        (*committed < extent.start).then(|| {
            let start = extent.start;
            text!(
                "P{number}@{committed} to {start}",
                "P{number}@{committed}부터 {start} 앞까지"
            )
        })
    };
    let lost: Vec<Text> = (0..).zip(extents).filter_map(lost).collect();
    let places = Text::joined(&lost, ", ");
    (!lost.is_empty()).then(|| Fault {
        what: text!(
            "topic {topic} no longer holds what group {group} has yet to read: {places}",
            "컨슈머 그룹 {group}에서 아직 읽지 않은 이벤트가 토픽 {topic}에 더는 없음: {places}"; places
        ),
        remedy: text!(
            "keep events for longer; compare the deliveries with the orders (mall verify), as those events are gone",
            "이벤트를 더 오래 보존하세요. 그 이벤트들은 사라졌으니 배송을 주문과 비교하세요(mall verify)"
        ),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use keylane_log::{GroupKind, GroupState, Offset};

    use super::*;

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
            generation: None,
            members: Vec::new(),
            commits: commits.collect(),
            leader_epochs: BTreeMap::new(),
        };
        assert_eq!(removed("g", "t", &info, &[extent(5, 9), extent(0, 9)]), None);
        let wrong = removed("g", "t", &info, &[extent(0, 9), extent(7, 9)]).expect("two are gone");
        assert!(wrong.what.english.contains("has yet to read: P1@5 to 7"), "{wrong:?}");
    }
}
