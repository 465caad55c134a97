//! Follows the consumer group: who is in it, in which modes, with which partitions, and who has nothing to do.

use std::time::Duration;

use anyhow::{Result, anyhow};
use keylane_log::{GroupInfo, GroupState};
use web::live::{Group, Member};

use super::finding::shown;
use super::gathering::{Gathering, lock};
use crate::adapters::log::explained;
use crate::modes::Seen;

/// The pause between two looks.
const PAUSE: Duration = Duration::from_secs(1);
/// How many members are shown.
const MOST: usize = 200;

/// Follows the group until nobody wants that any more.
pub fn follow(gathering: &Gathering) {
    while gathering.goes_on() {
        // What is wrong with the log is told where the topic is followed; of a missing right, here.
        match look(gathering) {
            Ok(()) => gathering.note_away("group", None),
            Err(error) => gathering.note_away("group", Some(format!("{error:#}"))),
        }
        gathering.pause(PAUSE);
    }
}

fn look(gathering: &Gathering) -> Result<()> {
    let (log, sight) = (gathering.log()?, &gathering.sight);
    let told = |error| anyhow!(explained(&error, &sight.storage));
    let info = log.describe_group(&sight.group).map_err(told)?;
    let partitions = log.partitions(&sight.topic).map_err(told)?;
    let members = info.iter().flat_map(|info| &info.members);
    let seen = members.map(|member| Seen::parse(&member.client)).collect();
    lock(&gathering.finding).members(seen);
    let group = info.map(|info| group(&info, &sight.topic, partitions as usize));
    gathering.session.tell(|picture| picture.group(group));
    Ok(())
}

fn group(info: &GroupInfo, topic: &str, partitions: usize) -> Group {
    let surplus = info.state == GroupState::Stable && info.members.len() > partitions;
    let members = info.members.iter().map(|member| {
        let seen = Seen::parse(&member.client);
        let own = member.partitions.iter().filter(|own| &*own.topic == topic);
        let own: Vec<u32> = own.map(|own| own.partition.0).collect();
        Member {
            name: seen.name,
            modes: seen.modes.map(shown),
            idle: (surplus && own.is_empty()).then_some("more-instances-than-partitions"),
            partitions: own,
        }
    });
    let mut members: Vec<Member> = members.collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members.truncate(MOST);
    Group {
        state: info.state.to_string(),
        generation: info.generation,
        members,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use keylane_log::{GroupKind, GroupMember, Partition, TopicPartition};

    use super::*;

    fn info(state: GroupState, owned: &[&[u32]]) -> GroupInfo {
        let member = |(number, own): (usize, &&[u32])| GroupMember {
            id: number.to_string(),
            client: format!("delivery-{number},key=none,guard=off,lanes=1,at=127.0.0.1:1"),
            instance: None,
            host: String::new(),
            partitions: own
                .iter()
                .map(|number| TopicPartition::new("t", Partition(*number)))
                .collect(),
            target: None,
        };
        GroupInfo {
            state,
            kind: GroupKind::Classic,
            assignor: None,
            coordinator: None,
            generation: Some(7),
            members: owned.iter().enumerate().map(member).collect(),
            commits: BTreeMap::new(),
            leader_epochs: BTreeMap::new(),
        }
    }

    #[test]
    fn who_has_nothing_to_do_is_told_why_once_everything_is_shared_out() {
        let idle = |state, owned: &[&[u32]], partitions| {
            let group = group(&info(state, owned), "t", partitions);
            group
                .members
                .iter()
                .map(|member| member.idle.is_some())
                .collect::<Vec<_>>()
        };
        assert_eq!(idle(GroupState::Stable, &[&[0], &[], &[1]], 2), [false, true, false]);
        assert_eq!(
            idle(GroupState::Stable, &[&[0, 1], &[]], 2),
            [false, false],
            "it will get one"
        );
        assert_eq!(idle(GroupState::CompletingRebalance, &[&[], &[], &[]], 2), [false; 3]);
        let group = group(&info(GroupState::Stable, &[&[1]]), "t", 1);
        let shown = &group.members[0];
        assert_eq!(
            (group.generation, shown.name.as_str(), shown.partitions.as_slice()),
            (Some(7), "delivery-0", &[1][..])
        );
    }
}
