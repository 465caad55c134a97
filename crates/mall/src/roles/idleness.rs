//! Says of a delivery instance that it has got no partition, and so does nothing: the topic has fewer of them than the group has
//! members. Without a word a person would wait for it to do something.

use std::time::Duration;

use keylane_log::{GroupMember, LogError};
use shop::LogCalls;
use shop::text;
use shop::text::Text;
use tokio_util::sync::CancellationToken;

use crate::config::RoleOptions;

/// The pause before each look. A group usually shares out its partitions in less time.
const PAUSE: Duration = Duration::from_secs(5);

/// Looks until the instance has partitions or is known to have none, which is told once.
pub async fn watch(log: LogCalls, options: RoleOptions, client: String, stop: CancellationToken) {
    while stop.run_until_cancelled(tokio::time::sleep(PAUSE)).await.is_some() {
        let (group, topic) = (options.group.clone(), options.topic.clone());
        let looked = log.ask("members", move |log| {
            Ok::<_, LogError>((log.members(&group)?, log.partitions(&topic)?))
        });
        match looked.await {
            Ok((members, partitions)) => match share(&members, &client, &options.topic, partitions) {
                Share::Some => return,
                Share::None => {
                    let Text { english, korean: ko } = sentence(&options, members.len(), partitions);
                    return tracing::info!(ko, "{english}");
                }
                Share::Open => {}
            },
            // The runner says what is wrong with the log.
            Err(error) => tracing::debug!("can't tell which partitions this instance has: {error}"),
        }
    }
}

/// What a member has of a topic's partitions.
#[derive(Debug, PartialEq, Eq)]
enum Share {
    Some,
    /// Others have them all.
    None,
    /// They are being shared out.
    Open,
}

fn share(members: &[GroupMember], client: &str, topic: &str, partitions: u32) -> Share {
    let owned = |member: &GroupMember| member.partitions.iter().filter(|own| &*own.topic == topic).count();
    if !members.iter().any(|member| member.client == client) {
        return Share::Open;
    }
    if members
        .iter()
        .any(|member| member.client == client && owned(member) > 0)
    {
        return Share::Some;
    }
    // With a partition for each member, one of them still finishes what it has of a partition that moves.
    let taken = members.iter().map(owned).sum::<usize>() >= partitions as usize;
    match taken && members.len() > partitions as usize {
        true => Share::None,
        false => Share::Open,
    }
}

fn sentence(options: &RoleOptions, members: usize, partitions: u32) -> Text {
    let (group, topic) = (&options.group, &options.topic);
    text!(
        "has no partition and does nothing: topic {topic} has {partitions} partition(s), and group {group} {members} members. \
         It gets one when another member ends, or the topic grows (kafka-topics --alter --topic {topic} --partitions {members})",
        "할당된 파티션이 없어 아무 일도 하지 않음: 토픽 {topic}의 파티션은 {partitions}개인데 그룹 {group}의 멤버는 {members}개임. 다른 \
         멤버가 끝나거나 파티션이 늘면 할당됨 (kafka-topics --alter --topic {topic} --partitions {members})"
    )
}

#[cfg(test)]
mod tests {
    use keylane_log::{Partition, TopicPartition};

    use super::*;

    fn member(client: &str, partitions: &[u32]) -> GroupMember {
        let own = partitions
            .iter()
            .map(|number| TopicPartition::new("t", Partition(*number)));
        GroupMember {
            id: format!("{client}-{partitions:?}"),
            client: client.to_owned(),
            host: "/127.0.0.1".to_owned(),
            partitions: own.collect(),
            instance: None,
            target: None,
        }
    }

    #[test]
    fn an_instance_is_idle_once_others_have_everything() {
        let two = |first: &[u32], second: &[u32]| share(&[member("one", first), member("two", second)], "two", "t", 2);
        let three = [member("one", &[0]), member("two", &[]), member("three", &[1])];
        assert_eq!(share(&three, "two", "t", 2), Share::None);
        assert_eq!(two(&[0], &[1]), Share::Some);
        assert_eq!(
            two(&[0, 1], &[]),
            Share::Open,
            "the first is finishing what it has of one"
        );
        assert_eq!(two(&[0], &[]), Share::Open, "one is on its way");
        assert_eq!(two(&[], &[]), Share::Open);
        assert_eq!(
            share(&[member("one", &[0, 1])], "two", "t", 2),
            Share::Open,
            "not there yet"
        );
        assert_eq!(
            share(&[member("two", &[]), member("two", &[0, 1])], "two", "t", 2),
            Share::Some
        );
    }
}
