//! What helps against what went wrong.

use lab::checker::{Anomaly, Chapter, Severity};
use shop::domain::OrderId;
use shop::text;
use shop::text::Text;

/// What helps against the cause of a chapter of this order's story.
pub fn remedy(order: OrderId, chapter: &Chapter) -> Text {
    let harm = chapter.severity() == Severity::Harm;
    match chapter.cause.anomaly {
        Anomaly::SplitKey | Anomaly::LogInversion if !harm => text!(
            "none is needed for this alone: it is not known to have done harm; --guard version keeps it so",
            "이것만으로는 필요 없음. 알려진 피해가 없고, --guard version이면 앞으로도 그렇습니다"
        ),
        Anomaly::SplitKey => key_and_fence(),
        Anomaly::LogInversion
        | Anomaly::Inversion
        | Anomaly::Skip
        | Anomaly::Orphan
        | Anomaly::Resurrection
        | Anomaly::DoubleApply
        | Anomaly::ChainBreak
        | Anomaly::LostApply => fence(),
        Anomaly::ZombieEffect if harm => fence(),
        Anomaly::ZombieEffect => text!(
            "none is needed: the next owner would have written the same",
            "필요 없음. 이어받은 인스턴스가 썼어도 결과가 같습니다"
        ),
        Anomaly::LostEvent | Anomaly::OutLost => text!(
            "find out whether it was ever sent (nobody but the relay may mark events as published), or what removed it from the \
             topic: retention, compaction, or a person who deleted records",
            "보낸 적이 있는지(이벤트를 발행됨으로 표시하는 것은 릴레이뿐이어야 합니다), 아니면 무엇이 토픽에서 지웠는지 찾으세요. 보존 \
             기간, 압축(compaction), 레코드를 삭제한 사람 가운데 하나입니다"
        ),
        Anomaly::Divergent | Anomaly::Phantom => text!(
            "let nobody but the order service write order events into the topic",
            "주문 서비스 말고는 아무도 토픽에 주문 이벤트를 쓰지 못하게 하세요"
        ),
        Anomaly::Unseen => text!(
            "have the group read it again: stop the delivery instances, then mall kafka-consumer-groups --reset-offsets \
             --to-earliest --execute with its --group and --topic; with --guard version, what has taken effect changes nothing \
             again",
            "그룹이 다시 읽게 하세요. 배송 인스턴스를 멈추고 mall kafka-consumer-groups --reset-offsets --to-earliest \
             --execute 명령을 그 --group, --topic과 함께 실행합니다. --guard version이면 이미 반영된 것은 다시 반영되지 않습니다"
        ),
        Anomaly::StuckPark => text!("mall parked retry {order}", "mall parked retry {order}"),
        Anomaly::Discarded => text!(
            "none, if the person meant it; otherwise the next event of the order carries all its fields, and puts the row \
             right",
            "일부러 버린 것이면 필요 없음. 아니라면 주문의 다음 이벤트가 모든 필드를 담고 있어 행을 바로잡습니다"
        ),
        Anomaly::OutDup => text!(
            "none is needed: events are delivered at least once; a reader tells repeats by ce_id",
            "필요 없음. 이벤트는 적어도 한 번 전달되며, 읽는 쪽은 ce_id로 중복을 가려냅니다"
        ),
        Anomaly::OutInversion => text!(
            "let nobody but the delivery service write delivery events; a reader tells their sequence by ce_sequence",
            "배송 서비스 말고는 아무도 배송 이벤트를 쓰지 못하게 하세요. 읽는 쪽은 ce_sequence로 순서를 압니다"
        ),
        Anomaly::Divergence => text!(
            "find out who else writes the table of deliveries; the next event of the order carries all its fields, and puts \
             the row right",
            "배송 테이블에 또 누가 쓰는지 찾으세요. 주문의 다음 이벤트가 모든 필드를 담고 있어 행을 바로잡습니다"
        ),
    }
}

fn fence() -> Text {
    text!(
        "run the delivery instances with --guard version: an event then waits for the one before it, and one that comes \
         again changes nothing",
        "배송 인스턴스를 --guard version으로 실행하세요. 이벤트가 앞 이벤트를 기다리고, 다시 온 이벤트는 아무것도 바꾸지 않습니다"
    )
}

/// Events may be in several partitions because they have no key, or although they have one: the history of an order holds no
/// keys, so the advice on keys says for whom it is.
fn key_and_fence() -> Text {
    fence()
        + text!(
            "; that helps also where a topic that grew has moved the keys. Events without a key: publish with --key order-id, so \
             that those of an order share a partition",
            ". 파티션이 늘어 키의 위치가 바뀌었을 때도 마찬가지입니다. 이벤트에 키가 없다면 --key order-id로 발행해 한 주문의 이벤트가 \
             한 파티션에 모이게 하세요"
        )
}
