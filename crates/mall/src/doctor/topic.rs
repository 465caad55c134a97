//! Looks at the topic: whether it survives the death of a broker, and keeps events until they are read. Pure: it is given the
//! topic's description and its settings.

use std::collections::BTreeMap;
use std::time::Duration;

use keylane_log::{Extent, Partition, TopicInfo};
use shop::text;
use shop::text::Text;

use super::report::{Fault, Report};
use crate::adapters::log::Cluster;

/// Events must be kept for as long as a service may be away. A shorter retention is a fault.
const SHORTEST_RETENTION: Duration = Duration::from_secs(24 * 60 * 60);

/// Tells of partitions without a leader, or with copies that lag behind.
pub fn copies(topic: &TopicInfo) -> Option<Fault> {
    let bad = |partition: &&keylane_log::PartitionInfo| {
        partition.leader.is_none() || partition.isr.len() < partition.replicas.len()
    };
    let bad: Vec<_> = topic
        .partitions
        .iter()
        .filter(bad)
        .map(|info| format!("P{}", info.partition))
        .collect();
    let (shown, name) = (bad.join(", "), &topic.name);
    (!bad.is_empty()).then(|| Fault {
        what: text!(
            "{shown} of topic {name} have no leader, or copies that lag behind",
            "토픽 {name}의 {shown} 파티션에 리더가 없거나, 뒤처진 복제본이 있음"
        ),
        remedy: text!(
            "start the brokers that are missing; mall kafka-topics --describe shows which",
            "빠진 브로커를 시작하세요. 어느 브로커인지는 mall kafka-topics --describe로 알 수 있습니다"
        ),
    })
}

/// Tells of what is lost, or stops, when one broker dies.
pub fn redundancy(topic: &TopicInfo, cluster: Cluster, settings: &BTreeMap<String, String>, report: &mut Report) {
    let Cluster { brokers, offset_copies } = cluster;
    let name = &topic.name;
    let copies = topic
        .partitions
        .iter()
        .map(|info| info.replicas.len())
        .min()
        .unwrap_or(0);
    if brokers == 1 {
        return report.fine(text!(
            "one broker, with the only copy of topic {name}: while it is away events wait in the journals; three brokers \
             with three copies go on when one of them dies",
            "브로커가 한 대이고 토픽 {name}의 복제본도 하나뿐임: 브로커가 없는 동안 이벤트는 저널에서 기다림. 브로커 세 대에 복제본이 \
             셋이면 한 대가 죽어도 멈추지 않음"
        ));
    }
    if copies < 2 {
        report.wrong(
            text!(
                "{brokers} brokers, and one copy of each partition of topic {name}: a broker that dies stops the orders of its \
                 partitions, and may lose their events (replication factor 1)",
                "브로커는 {brokers}대인데 토픽 {name}의 파티션마다 복제본이 하나뿐임: 브로커가 죽으면 그 파티션의 주문이 멈추고 이벤트를 \
                 잃을 수 있음(replication factor 1)"
            ),
            text!(
                "give the topic three copies with kafka-reassign-partitions, and new topics by default.replication.factor=3",
                "kafka-reassign-partitions로 토픽의 복제본을 셋으로 늘리고, 새 토픽에는 default.replication.factor=3을 쓰세요"
            ),
        );
    }
    if offset_copies.is_some_and(|copies| copies < 2) {
        report.wrong(
            text!(
                "{brokers} brokers, and one copy of what groups have committed: when its broker dies no instance gets \
                 events (replication factor 1 of __consumer_offsets)",
                "브로커는 {brokers}대인데 그룹이 커밋한 오프셋의 복제본이 하나뿐임: 그 브로커가 죽으면 이벤트를 받는 인스턴스가 \
                 없음(__consumer_offsets의 replication factor 1)"
            ),
            text!(
                "give __consumer_offsets three copies with kafka-reassign-partitions (offsets.topic.replication.factor=3)",
                "kafka-reassign-partitions로 __consumer_offsets의 복제본을 셋으로 늘리세요(offsets.topic.replication.factor=3)"
            ),
        );
    }
    let in_sync = settings
        .get("min.insync.replicas")
        .and_then(|text| text.parse::<usize>().ok());
    match in_sync {
        Some(1) if copies > 1 => report.wrong(
            text!(
                "topic {name} calls an event safe when a single copy has it: a broker that dies may lose it \
                 (min.insync.replicas 1)",
                "토픽 {name}에서는 복제본 하나에만 있어도 이벤트가 안전하다고 봄: 브로커가 죽으면 잃을 수 있음(min.insync.replicas 1)"
            ),
            format!("kafka-configs --alter --topic {name} --add-config min.insync.replicas=2"),
        ),
        Some(needed) if copies > 1 && needed >= copies => report.wrong(
            text!(
                "topic {name} takes no events while one of its {copies} copies is away (min.insync.replicas {needed})",
                "토픽 {name}의 복제본 {copies}개 가운데 하나라도 없으면 이벤트를 받지 못함(min.insync.replicas {needed})"
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
pub fn numbered(topic: &TopicInfo, extents: &[Extent]) -> Option<Fault> {
    let gapless = (0..)
        .zip(&topic.partitions)
        .all(|(number, info)| info.partition == Partition(number));
    let (named, held, name) = (topic.partitions.len(), extents.len(), &topic.name);
    (!gapless || named != held).then(|| Fault {
        what: text!(
            "the brokers name {named} partitions of topic {name} and hold {held}",
            "토픽 {name}의 파티션이 브로커의 메타데이터에는 {named}개인데 실제로는 {held}개임"
        ),
        remedy: text!(
            "wait until the topic's creation or growth is done, then look again",
            "토픽을 만들거나 늘리는 작업이 끝날 때까지 기다린 뒤 다시 확인하세요"
        ),
    })
}

/// Tells of settings that remove events before every group has read them.
pub fn kept(topic: &str, settings: &BTreeMap<String, String>) -> Vec<Fault> {
    let mut wrong = Vec::new();
    let get = |name| settings.get(name).map(String::as_str);
    let remedy = |set: &str| Text::from(format!("kafka-configs --alter --topic {topic} --add-config {set}"));
    if get("cleanup.policy").is_some_and(|policy| policy.contains("compact")) {
        wrong.push(Fault {
            what: text!(
                "topic {topic} is compacted: of an order's events only the last is kept",
                "토픽 {topic}에 압축(compaction)이 켜져 있음: 한 주문의 이벤트 가운데 마지막 것만 남음"
            ),
            remedy: remedy("cleanup.policy=delete"),
        });
    }
    let retention = get("retention.ms")
        .and_then(|text| text.parse::<u64>().ok())
        .map(Duration::from_millis);
    if let Some(retention) = retention.filter(|retention| *retention < SHORTEST_RETENTION) {
        let kept = humantime::format_duration(retention);
        wrong.push(Fault {
            what: text!(
                "topic {topic} keeps events for {kept} only: a service that is away for longer loses what it has not read",
                "토픽 {topic}의 보존 기간이 {kept}뿐임: 서비스가 그보다 오래 멈춰 있으면 읽지 않은 이벤트를 잃음"
            ),
            remedy: remedy("retention.ms=604800000"),
        });
    }
    wrong
}

#[cfg(test)]
mod tests {
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
                .map(|wrong| wrong.what.english)
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
                .english
                .contains("compacted")
        );
        assert!(
            kept("t", &settings("delete", "3600000"))[0]
                .what
                .english
                .contains("for 1h only")
        );
    }
}
