//! Looks at the members of the delivery instances' group: whether they work in the same modes and have a name each, whether each
//! has something to do, and whether a stranger is among them. Pure: it is given the group's description.

use std::collections::BTreeMap;

use keylane_log::{GroupInfo, GroupState};
use shop::text;
use shop::text::Text;

use super::report::Report;
use crate::config::RoleOptions;
use crate::modes::objection::{listed, names};
use crate::modes::{Modes, Seen};

/// The assignors that the mall's members agree on: the one that they offer by default, and the one of the brokers (KIP-848).
const OUR_ASSIGNORS: [&str; 2] = ["cooperative-sticky", "uniform"];

/// Looks at the group of a topic with so many partitions.
pub fn look(info: &GroupInfo, partitions: usize, options: &RoleOptions, report: &mut Report) {
    report.unseen.extend(assignor(info, options));
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
        let group = &options.group;
        report.unseen(text!(
            "in which modes {names} in group {group} works: another program, or an older version. What it gets the others \
             don't; give it another group if it does not belong there",
            "컨슈머 그룹 {group}에 있는 {names} 멤버의 모드를 알 수 없음: 다른 프로그램이거나 이전 버전임. 이 멤버가 받는 이벤트는 \
             다른 멤버가 받지 못하므로, 여기 속하지 않으면 다른 그룹을 쓰게 하세요"; names
        ));
    }
}

/// Tells of members that share the partitions by an assignor which the mall does not offer. A group uses an assignor that all
/// its members offer. The coordinator does not tell which others the members offer too, so this is only a doubt.
fn assignor(info: &GroupInfo, options: &RoleOptions) -> Option<Text> {
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
    let (members, group) = (info.members.len(), &options.group);
    Some(text!(
        "whether the mall can join group {group}: its {members} member(s) share the partitions by \"{theirs}\", and the mall \
         offers \"cooperative-sticky\". It can if they offer that too, as Java's consumers do by default; otherwise stop \
         them, give the mall another --group, or --kafka-property partition.assignment.strategy={theirs}",
        "mall이 컨슈머 그룹 {group}에 참여할 수 있는지 알 수 없음: 멤버 {members}개가 \"{theirs}\" 방식으로 파티션을 나누는데, mall은 \
         \"cooperative-sticky\" 방식을 씀. Java 컨슈머의 기본 설정처럼 멤버들이 그 방식도 지원하면 참여할 수 있음. 아니면 그 \
         멤버들을 멈추거나, mall에 다른 --group을 주거나, --kafka-property partition.assignment.strategy={theirs} 옵션을 주세요"
    ))
}

fn mixed(instances: &[(String, Modes)], options: &RoleOptions, report: &mut Report) {
    let Some((_, first)) = instances.first() else { return };
    let (group, listed) = (&options.group, listed(instances));
    if options.mixed || !instances.iter().any(|(_, modes)| modes.differ_from(*first)) {
        return report.fine(text!(
            "group {group} has {listed}",
            "컨슈머 그룹 {group}의 인스턴스: {listed}"; listed
        ));
    }
    report.wrong(
        text!(
            "the instances of group {group} work in different modes: {listed}; what becomes of an event depends on which of \
             them gets it",
            "컨슈머 그룹 {group}의 인스턴스들이 서로 다른 모드로 동작함: {listed}. 어느 인스턴스가 받는지에 따라 이벤트의 처리 결과가 \
             달라짐"; listed
        ),
        text!(
            "stop those whose modes are not meant (in a terminal that was forgotten?), and start them again in the modes of the \
             others; mall doctor --mixed if they are meant",
            "의도하지 않은 모드의 인스턴스를 멈추고(켜 둔 채 잊은 터미널은 없나요?) 다른 인스턴스와 같은 모드로 다시 시작하세요. \
             의도한 것이면 mall doctor --mixed로 확인하세요"
        ),
    );
}

fn doubled(instances: &[(String, Modes)], options: &RoleOptions, report: &mut Report) {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for (name, _) in instances {
        *counts.entry(name).or_default() += 1;
    }
    let group = &options.group;
    for (name, count) in counts.into_iter().filter(|(_, count)| *count > 1) {
        report.wrong(
            text!(
                "{count} instances of group {group} are called {name}",
                "컨슈머 그룹 {group}에 이름이 {name}인 인스턴스가 {count}대 있음"
            ),
            text!(
                "give each a name of its own with --name; one whose process has crashed is gone once its session has ended",
                "--name으로 저마다 다른 이름을 주세요. 비정상 종료된 인스턴스는 세션이 만료되면 사라집니다"
            ),
        );
    }
}

/// Tells of members without a partition, of which there must be some if the group has more members than partitions. While a
/// group shares out its partitions, or a member finishes what it has of one, any other member may be without for a moment.
fn idle(info: &GroupInfo, partitions: usize, options: &RoleOptions, report: &mut Report) {
    if info.state != GroupState::Stable || info.members.len() <= partitions {
        return;
    }
    let idle = info.members.iter().filter(|member| member.partitions.is_empty());
    let idle: Vec<String> = idle.map(|member| Seen::parse(&member.client).name).collect();
    if idle.is_empty() {
        return;
    }
    let (count, topic, group) = (info.members.len(), &options.topic, &options.group);
    let names = names(idle.iter().map(String::as_str));
    report.wrong(
        text!(
            "{names} of group {group} has no partition and does nothing: the group has {count} members, and topic {topic} \
             {partitions} partition(s)",
            "컨슈머 그룹 {group}의 {names} 멤버는 할당된 파티션이 없어 아무 일도 하지 않음: 그룹의 멤버는 {count}개인데 토픽 \
             {topic}의 파티션은 {partitions}개임"; names
        ),
        text!(
            "mall kafka-topics --alter --topic {topic} --partitions {count}, or stop whoever is not needed",
            "mall kafka-topics --alter --topic {topic} --partitions {count} 명령으로 파티션을 늘리거나, 필요 없는 멤버를 멈추세요"
        ),
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
            generation: None,
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
            [text!(
                "group delivery has delivery-1, delivery-2 with --key none --guard off --lanes 1",
                "컨슈머 그룹 delivery의 인스턴스: delivery-1, delivery-2(--key none --guard off --lanes 1)"
            )]
        );
        assert!(report.faults.is_empty() && report.unseen.is_empty(), "{report:?}");
        let nobody = looked(&group(&[]), &[]);
        assert_eq!(nobody.lines(), Text::default());
    }

    #[test]
    fn what_is_wrong_with_a_group_is_told() {
        let told = |clients: &[(&str, u32)], words: &[&str]| {
            let faults = looked(&group(clients), words).faults;
            faults.into_iter().map(|fault| fault.what.english).collect::<Vec<_>>()
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
        assert!(
            report.unseen[0]
                .english
                .starts_with("in which modes console-consumer in group delivery works: ")
        );
        let mut busy = group(&[(ONE, 0), (TWO, 0)]);
        busy.state = GroupState::PreparingRebalance;
        assert_eq!(looked(&busy, &[]).faults, []);
    }
}
