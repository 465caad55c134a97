//! `--describe`: the offsets of a group, its members, or its state.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::{EventLog, GroupInfo, GroupMember, GroupState, LogError, Offset, TopicPartition};

use super::command::{CommandError, CommandOutput, at_most_one, failed, log_to_read};
use super::table::table;
use crate::config::Storage;
use crate::tools::args::Given;

/// The least width of a column that holds a name.
const NARROWEST: usize = 15;

/// What stands for a value that is not there.
const MISSING: &str = "-";

/// The end of each partition, where it is known.
type Ends = BTreeMap<TopicPartition, Offset>;

/// Which groups are described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Chosen {
    Named,
    All,
}

/// What is told of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum View {
    Members,
    Offsets,
    State,
}

const VIEWS: [(&str, View); 3] = [
    ("members", View::Members),
    ("offsets", View::Offsets),
    ("state", View::State),
];

/// Describes the groups that were chosen.
pub(super) fn run(given: &Given, storage: &Storage, output: &mut CommandOutput) -> Result<(), CommandError> {
    let one_of = "Option [describe] takes one of these options: [group], [all-groups]";
    let chosen = [("group", Chosen::Named), ("all-groups", Chosen::All)];
    let chosen = at_most_one(given, &chosen, |_, _| one_of.into())?;
    let chosen = chosen.ok_or(CommandError::Usage(one_of.into()))?;
    let view = at_most_one(given, &VIEWS, |_, _| {
        "Option [describe] takes at most one of these options: [members], [offsets], [state]".into()
    })?
    .unwrap_or(View::Offsets);
    let log = log_to_read(storage)?;
    let groups = match (chosen, &log) {
        (Chosen::Named, _) => given.all("group").to_vec(),
        (Chosen::All, Some(log)) => log.groups().map_err(|error| failed(&error, storage))?,
        (Chosen::All, None) => Vec::new(),
    };
    for group in groups {
        let info = match &log {
            Some(log) => log.describe_group(&group).map_err(|error| failed(&error, storage))?,
            None => None,
        };
        if info.is_none() && chosen == Chosen::All {
            // The group has gone since the groups were listed.
            continue;
        }
        let (Some(log), Some(info)) = (&log, info) else {
            let error = "org.apache.kafka.common.errors.GroupIdNotFoundException";
            return Err(CommandError::Failed(format!("{error}: Group {group} not found.")));
        };
        output.err.push_str(&warning(&group, info.state));
        output.out.push_str(&match view {
            View::Members => members(&group, &info),
            View::State => state(&group, &info),
            View::Offsets => offsets(
                &group,
                &info,
                &ends(&**log, &info).map_err(|error| failed(&error, storage))?,
            ),
        });
        if view != View::State {
            output.err.push_str(&idle(&info));
        }
    }
    Ok(())
}

/// What Kafka's tool says about a group whose members read nothing now.
fn warning(group: &str, state: GroupState) -> String {
    match state {
        GroupState::Empty => format!("\nConsumer group '{group}' has no active members.\n"),
        GroupState::PreparingRebalance | GroupState::CompletingRebalance => {
            format!("\nWarning: Consumer group '{group}' is rebalancing.\n")
        }
        GroupState::Stable | GroupState::Unknown => String::new(),
    }
}

/// The ends of the partitions that the group reads or has read. Those of a topic that is gone have none.
fn ends(log: &dyn EventLog, info: &GroupInfo) -> Result<Ends, LogError> {
    let partitions = || {
        info.members
            .iter()
            .flat_map(|member| &member.partitions)
            .chain(info.commits.keys())
    };
    let topics: BTreeSet<_> = partitions().map(|partition| partition.topic.clone()).collect();
    let mut ends = Ends::new();
    for topic in topics {
        let extents = match log.extents(&topic) {
            Err(LogError::Refused(_)) => Vec::new(),
            answer => answer?,
        };
        let of_topic = partitions().filter(|partition| partition.topic == topic);
        ends.extend(of_topic.filter_map(|partition| {
            let extent = extents.get(partition.partition.0 as usize)?;
            Some((partition.clone(), extent.end))
        }));
    }
    Ok(ends)
}

/// A row for each partition: those of the members with most partitions first, and those without a member last.
fn offsets(group: &str, info: &GroupInfo, ends: &Ends) -> String {
    let mut members: Vec<_> = info.members.iter().collect();
    members.sort_by_key(|member| std::cmp::Reverse(member.partitions.len()));
    let owned = |member| {
        let member: &GroupMember = member;
        member.partitions.iter().map(move |partition| (partition, Some(member)))
    };
    let mut rows: Vec<_> = members.into_iter().flat_map(owned).collect();
    let taken: BTreeSet<_> = rows.iter().map(|(partition, _)| *partition).collect();
    let free = info.commits.keys().filter(|partition| !taken.contains(partition));
    rows.extend(free.map(|partition| (partition, None)));
    if rows.is_empty() {
        return String::new();
    }
    let text = |end: Option<i64>| end.map_or(MISSING.to_owned(), |end| end.to_string());
    let cells = rows.into_iter().map(|(partition, member)| {
        let number = |offset: &Offset| offset.0 as i64;
        let (current, end) = (info.commits.get(partition).map(number), ends.get(partition).map(number));
        let (id, host, client) = member.map_or((MISSING, MISSING, MISSING), named);
        [
            group.to_owned(),
            partition.topic.to_string(),
            partition.partition.to_string(),
            text(current),
            text(end),
            text(current.zip(end).map(|(current, end)| end - current)),
            id.to_owned(),
            host.to_owned(),
            client.to_owned(),
        ]
    });
    let headings = [
        "GROUP",
        "TOPIC",
        "PARTITION",
        "CURRENT-OFFSET",
        "LOG-END-OFFSET",
        "LAG",
        "CONSUMER-ID",
        "HOST",
        "CLIENT-ID",
    ];
    table(
        headings,
        [15, 15, 10, 15, 15, 15, 15, 15, 0],
        &cells.collect::<Vec<_>>(),
    )
}

fn named(member: &GroupMember) -> (&str, &str, &str) {
    (&member.id, &member.host, &member.client)
}

fn members(group: &str, info: &GroupInfo) -> String {
    let cells = info.members.iter().map(|member| {
        let count = format!("{:15} ", member.partitions.len().to_string());
        [group, &member.id, &member.host, &member.client, &count].map(str::to_owned)
    });
    let headings = ["GROUP", "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS     "];
    table(
        headings,
        [NARROWEST, NARROWEST, NARROWEST, NARROWEST, 0],
        &cells.collect::<Vec<_>>(),
    )
}

fn state(group: &str, info: &GroupInfo) -> String {
    let coordinator = info.coordinator.as_ref();
    let row = [
        group.to_owned(),
        coordinator.map_or(MISSING.to_owned(), |broker| {
            format!("{}  ({})", broker.address, broker.node)
        }),
        info.assignor.clone().unwrap_or_else(|| MISSING.to_owned()),
        info.state.to_string(),
        info.members.len().to_string(),
    ];
    let headings = ["GROUP", "COORDINATOR (ID)", "ASSIGNMENT-STRATEGY", "STATE", "#MEMBERS"];
    table(headings, [NARROWEST, 25, 20, 20, 0], &[row])
}

/// Explains why some members have no partition. Says nothing while partitions are being shared out.
fn idle(info: &GroupInfo) -> String {
    if info.state != GroupState::Stable {
        return String::new();
    }
    let partitions: usize = info.members.iter().map(|member| member.partitions.len()).sum();
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let idle = info.members.iter().filter(|member| member.partitions.is_empty());
    let lines = idle.map(|member| {
        format!(
            "\n{} is idle: {} share {}, and a partition is read by one member at a time. It takes over when another \
             leaves; more partitions (kafka-topics --alter) would give it a share.\n",
            member.id,
            count(info.members.len(), "member"),
            count(partitions, "partition"),
        )
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use keylane_log::Partition;

    use super::*;

    fn member(id: &str, partitions: &[u32]) -> GroupMember {
        let named = |number: &u32| TopicPartition::new("t", Partition(*number));
        GroupMember {
            id: id.into(),
            client: "c".into(),
            host: "/h".into(),
            partitions: partitions.iter().map(named).collect(),
        }
    }

    fn group(members: Vec<GroupMember>) -> GroupInfo {
        let commit = |number, offset| (TopicPartition::new("t", Partition(number)), Offset(offset));
        GroupInfo {
            state: GroupState::Stable,
            assignor: None,
            coordinator: None,
            members,
            commits: [commit(0, 3), commit(3, 9)].into(),
        }
    }

    #[test]
    fn the_busiest_come_first_and_what_nobody_reads_last() {
        let info = group(vec![member("a", &[1]), member("b", &[0, 2])]);
        let ends = (0..3).map(|number| (TopicPartition::new("t", Partition(number)), Offset(5)));
        let text = offsets("g", &info, &ends.collect());
        let rows: Vec<Vec<&str>> = text
            .lines()
            .skip(2)
            .map(|line| line.split_whitespace().collect())
            .collect();
        assert_eq!(rows[0], ["g", "t", "0", "3", "5", "2", "b", "/h", "c"]);
        assert_eq!(rows[1], ["g", "t", "2", "-", "5", "-", "b", "/h", "c"]);
        assert_eq!(rows[2], ["g", "t", "1", "-", "5", "-", "a", "/h", "c"]);
        assert_eq!(rows[3], ["g", "t", "3", "9", "-", "-", "-", "-", "-"]);
        assert_eq!(
            offsets(
                "g",
                &GroupInfo {
                    commits: Ends::new(),
                    ..group(Vec::new())
                },
                &Ends::new()
            ),
            ""
        );
    }

    #[test]
    fn only_the_idle_are_explained_and_only_once_all_is_shared_out() {
        let mut info = group(vec![member("a", &[0]), member("b", &[])]);
        let text = idle(&info);
        assert!(text.starts_with("\nb is idle: 2 members share 1 partition, "), "{text}");
        assert_eq!(text.lines().count(), 2);
        info.state = GroupState::PreparingRebalance;
        assert_eq!(idle(&info), "");
    }
}
