//! A group for the tests of what is shown of groups.

use keylane_log::{GroupInfo, GroupKind, GroupMember, GroupState, Offset, Partition, TopicPartition};

pub fn member(id: &str, partitions: &[u32]) -> GroupMember {
    let named = |number: &u32| TopicPartition::new("t", Partition(*number));
    GroupMember {
        id: id.into(),
        client: "c".into(),
        instance: None,
        host: "/h".into(),
        partitions: partitions.iter().map(named).collect(),
        target: None,
    }
}

pub fn group(members: Vec<GroupMember>) -> GroupInfo {
    let commit = |number, offset| (TopicPartition::new("t", Partition(number)), Offset(offset));
    GroupInfo {
        state: GroupState::Stable,
        kind: GroupKind::Classic,
        assignor: None,
        coordinator: None,
        generation: None,
        members,
        commits: [commit(0, 3), commit(3, 9)].into(),
        leader_epochs: [(TopicPartition::new("t", Partition(0)), 4)].into(),
    }
}
