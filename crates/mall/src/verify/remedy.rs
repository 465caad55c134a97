//! What helps against what went wrong.

use lab::checker::{Anomaly, Chapter, Severity};
use shop::domain::OrderId;

const FENCE: &str = "run the delivery instances with --guard version: an event then waits for the one before it, and one that \
                     comes again changes nothing";
const ONE_WRITER: &str = "let nobody but the order service write order events into the topic";
const REMOVED: &str = "find out what removed it from the topic: retention, compaction, or a person who deleted records";
const ROW: &str = "the next event of the order carries all its fields, and puts the row right";

/// What helps against the cause of a chapter of this order's story.
pub fn remedy(order: OrderId, chapter: &Chapter) -> String {
    let harm = chapter.severity() == Severity::Harm;
    match chapter.cause.anomaly {
        Anomaly::SplitKey | Anomaly::LogInversion if !harm => {
            "none is needed: all of it took effect in order; --guard version keeps it so".to_owned()
        }
        Anomaly::SplitKey => format!(
            "publish with --key order-id, so that the events of an order share a partition; and {FENCE}, also where a \
             topic that grew has moved the keys"
        ),
        Anomaly::LogInversion
        | Anomaly::Inversion
        | Anomaly::Skip
        | Anomaly::Orphan
        | Anomaly::Resurrection
        | Anomaly::DoubleApply
        | Anomaly::ChainBreak
        | Anomaly::LostApply => FENCE.to_owned(),
        Anomaly::ZombieEffect if harm => FENCE.to_owned(),
        Anomaly::ZombieEffect => "none is needed: the next owner would have written the same".to_owned(),
        Anomaly::LostEvent | Anomaly::OutLost => REMOVED.to_owned(),
        Anomaly::Divergent | Anomaly::Phantom => ONE_WRITER.to_owned(),
        Anomaly::Unseen => {
            "have the group read it again: stop the delivery instances, then mall kafka-consumer-groups \
                            --reset-offsets --to-earliest; with --guard version, what has taken effect changes nothing \
                            again"
                .to_owned()
        }
        Anomaly::StuckPark => format!("mall parked retry {order}"),
        Anomaly::Discarded => format!("none, if the person meant it; otherwise {ROW}"),
        Anomaly::OutDup => {
            "none is needed: events are delivered at least once; a reader tells repeats by ce_id".to_owned()
        }
        Anomaly::OutInversion => {
            "let nobody but the delivery service write delivery events; a reader tells their sequence by ce_sequence"
                .to_owned()
        }
        Anomaly::Divergence => format!("find out who else writes the table of deliveries; {ROW}"),
    }
}
