//! `--describe`: the offsets of groups, their members, or their states.

use std::collections::{BTreeMap, BTreeSet};

use keylane_log::{EventLog, GroupInfo, GroupKind, GroupState, LogError};

use super::command::{CommandError, CommandOutput, chosen_groups, failed, log_to_read};
use super::views::{self, Ends};
use crate::config::Storage;
use crate::tools::args::Given;

/// Describes the groups that were chosen. Nothing is told if one that was named is not there.
pub(super) fn run(given: &Given, storage: &Storage, output: &mut CommandOutput) -> Result<(), CommandError> {
    let log = log_to_read(storage)?;
    let mut found = BTreeMap::new();
    for group in chosen_groups(given, log.as_deref(), storage)? {
        let info = match &log {
            Some(log) => log.describe_group(&group).map_err(|error| failed(&error, storage))?,
            None => None,
        };
        match info {
            Some(info) => _ = found.insert(group, info),
            // The group has gone since the groups were listed.
            None if given.has("all-groups") => {}
            None => {
                let error = "org.apache.kafka.common.errors.GroupIdNotFoundException";
                return Err(CommandError::Failed(format!("{error}: Group {group} not found.")));
            }
        }
    }
    let Some(log) = log else {
        return Ok(());
    };
    for (group, info) in found {
        output.err.push_str(&warning(&group, info.state));
        let shown = view(given, &*log, &group, &info).map_err(|error| failed(&error, storage))?;
        output.out.push_str(&shown);
        if given.has("verbose") && (given.has("state") || given.has("members")) {
            output.err.push_str(&untold(&group, info.kind));
        }
        if !given.has("state") {
            output.err.push_str(&idle(&info));
        }
    }
    Ok(())
}

/// What is asked for of a group, as a table.
fn view(given: &Given, log: &dyn EventLog, group: &str, info: &GroupInfo) -> Result<String, LogError> {
    let verbose = given.has("verbose");
    Ok(if given.has("members") {
        views::members(group, info, verbose)
    } else if given.has("state") {
        views::state(group, info, verbose)
    } else {
        views::offsets(group, info, &ends(log, info)?, verbose)
    })
}

/// Says what the Kafka client does not tell of a group whose partitions the broker shares out.
fn untold(group: &str, kind: GroupKind) -> String {
    match kind {
        GroupKind::Consumer => {
            format!("\nThe epochs of group '{group}' are not told by the Kafka client; - stands for them.\n")
        }
        GroupKind::Classic | GroupKind::Unknown => String::new(),
    }
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
    use super::*;
    use crate::tools::groups::examples::{group, member};

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
