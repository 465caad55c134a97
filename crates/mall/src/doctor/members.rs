//! Looks at the members of the delivery instances' group: whether they work in the same modes and have a name each, whether each
//! has something to do, and whether a stranger is among them. Pure: it is given the group's description.

use std::collections::BTreeMap;

use keylane_log::{GroupInfo, GroupState};

use super::report::Report;
use crate::config::RoleOptions;
use crate::modes::objection::{listed, names};
use crate::modes::{Modes, Seen};

/// Looks at the group of a topic with so many partitions.
pub fn look(info: &GroupInfo, partitions: usize, options: &RoleOptions, report: &mut Report) {
    let members = info.members.iter().map(|member| Seen::parse(&member.client));
    let (instances, strangers): (Vec<_>, Vec<_>) = members.partition(|member| member.modes.is_some());
    let instances: Vec<(String, Modes)> = instances
        .into_iter()
        .filter_map(|member| Some((member.name, member.modes?)))
        .collect();
    mixed(&instances, options, report);
    doubled(&instances, options, report);
    idle(info, partitions, options, report);
    if !strangers.is_empty() {
        let names = names(strangers.iter().map(|member| member.name.as_str()));
        report.unseen(format!(
            "in which modes {names} in group {} works: another program, or an older version. What it gets the others don't; \
             give it another group if it does not belong there",
            options.group
        ));
    }
}

fn mixed(instances: &[(String, Modes)], options: &RoleOptions, report: &mut Report) {
    let Some((_, first)) = instances.first() else { return };
    if options.mixed || !instances.iter().any(|(_, modes)| modes.differ_from(*first)) {
        return report.fine(format!("group {} has {}", options.group, listed(instances)));
    }
    report.wrong(
        format!(
            "the instances of group {} work in different modes: {}; what becomes of an event depends on which of them gets it",
            options.group,
            listed(instances)
        ),
        "stop those whose modes are not meant (in a terminal that was forgotten?), and start them again in the modes of the \
         others; mall doctor --mixed if they are meant",
    );
}

fn doubled(instances: &[(String, Modes)], options: &RoleOptions, report: &mut Report) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in instances {
        *counts.entry(name).or_default() += 1;
    }
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 1) {
        report.wrong(
            format!("{count} instances of group {} are called {name}", options.group),
            "give each a name of its own with --name; one whose process has crashed is gone once its session has ended",
        );
    }
}

/// Tells of members without a partition. While a group shares out its partitions, that says nothing.
fn idle(info: &GroupInfo, partitions: usize, options: &RoleOptions, report: &mut Report) {
    if info.state != GroupState::Stable {
        return;
    }
    let idle = info.members.iter().filter(|member| member.partitions.is_empty());
    let idle: Vec<String> = idle.map(|member| Seen::parse(&member.client).name).collect();
    if idle.is_empty() {
        return;
    }
    let (count, topic) = (info.members.len(), &options.topic);
    report.wrong(
        format!(
            "{} of group {} has no partition and does nothing: the group has {count} members, and topic {topic} {partitions} \
             partition(s)",
            names(idle.iter().map(String::as_str)),
            options.group,
        ),
        format!("mall kafka-topics --alter --topic {topic} --partitions {count}, or stop whoever is not needed"),
    );
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use keylane_log::{GroupMember, Partition, TopicPartition};

    use super::*;

    #[derive(Parser)]
    struct Options {
        #[command(flatten)]
        options: RoleOptions,
    }

    fn options(words: &[&str]) -> RoleOptions {
        Options::parse_from([&["doctor", "--data", "d"], words].concat()).options
    }

    fn group(clients: &[(&str, u32)]) -> GroupInfo {
        let mut next = 0;
        let members = clients.iter().map(|(client, partitions)| {
            let own = next..next + partitions;
            next += partitions;
            GroupMember {
                id: format!("{client}-{next}"),
                client: (*client).to_owned(),
                host: "/127.0.0.1".to_owned(),
                partitions: own
                    .map(|number| TopicPartition::new("kafka.scaling", Partition(number)))
                    .collect(),
                instance: None,
                target: None,
            }
        });
        GroupInfo {
            state: GroupState::Stable,
            assignor: None,
            coordinator: None,
            members: members.collect(),
            commits: BTreeMap::new(),
            kind: keylane_log::GroupKind::Classic,
            leader_epochs: BTreeMap::new(),
        }
    }

    fn looked(info: &GroupInfo, words: &[&str]) -> Report {
        let mut report = Report::default();
        look(info, 2, &options(words), &mut report);
        report
    }

    const ONE: &str = "delivery-1,key=none,guard=off,lanes=1";
    const TWO: &str = "delivery-2,key=none,guard=off,lanes=1";
    const GUARDED: &str = "delivery-3,key=none,guard=version,lanes=1";

    #[test]
    fn instances_that_fit_together_are_listed() {
        let report = looked(&group(&[(ONE, 1), (TWO, 1)]), &[]);
        assert_eq!(
            report.fine,
            ["group delivery has delivery-1, delivery-2 with --key none --guard off --lanes 1"]
        );
        assert!(report.faults.is_empty() && report.unseen.is_empty(), "{report:?}");
        let nobody = looked(&group(&[]), &[]);
        assert_eq!(nobody.lines(), "");
    }

    #[test]
    fn what_is_wrong_with_a_group_is_told() {
        let told = |clients: &[(&str, u32)], words: &[&str]| {
            let faults = looked(&group(clients), words).faults;
            faults.into_iter().map(|fault| fault.what).collect::<Vec<_>>()
        };
        let mixed = [(ONE, 1), (GUARDED, 1)];
        assert_eq!(
            told(&mixed, &[]),
            ["the instances of group delivery work in different modes: delivery-1 with --key none --guard off --lanes 1 and delivery-3 with --key none --guard version --lanes 1; what becomes of an event depends on which of them gets it"]
                .map(|text| text.to_owned())
        );
        assert_eq!(told(&mixed, &["--mixed"]), Vec::<String>::new());
        assert_eq!(
            told(&[(ONE, 1), (ONE, 1)], &[]),
            ["2 instances of group delivery are called delivery-1"]
        );
        assert_eq!(
            told(&[(ONE, 1), (TWO, 1), ("delivery-4,key=none,guard=off,lanes=1", 0)], &[]),
            [
                "delivery-4 of group delivery has no partition and does nothing: the group has 3 members, and topic kafka.scaling 2 \
              partition(s)"
            ]
        );
    }

    #[test]
    fn a_stranger_is_a_doubt_and_a_rebalance_no_idleness() {
        let report = looked(&group(&[(ONE, 1), ("console-consumer", 1)]), &[]);
        assert!(report.faults.is_empty(), "{report:?}");
        assert!(report.unseen[0].starts_with("in which modes console-consumer in group delivery works: "));
        let mut busy = group(&[(ONE, 0), (TWO, 0)]);
        busy.state = GroupState::PreparingRebalance;
        assert_eq!(looked(&busy, &[]).faults, []);
    }
}
