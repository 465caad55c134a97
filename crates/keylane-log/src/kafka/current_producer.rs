//! Appends: which producer the records go through, and what its delivery reports mean for them.
//!
//! librdkafka keeps the order of records only within one session of a producer. A record that it gives up is missing there,
//! and when it is sent again it stands behind later ones. So a producer is used as long as every record of every call
//! is acknowledged. At the first failure or timeout it is thrown away with all records that it holds, and the next call
//! begins with a new one. A request that is on its way to the broker at that moment may still be carried out. It could
//! only end up behind newer records if the network delayed it for longer than the new producer needs to connect and to
//! get its id.
//!
//! A record that is larger than its topic takes is refused before it is sent, if the limit is known
//! ([`limits`](super::limits)). A broker refuses whole batches, not single records, and the producer then delivers no
//! record behind the refused batch (`enable.gapless.guarantee`). The records that are left are sent again in batches of
//! one, until the record that is to be refused is known and all others stand in the log.

use std::time::Instant;

use rdkafka::error::RDKafkaErrorCode;

use crate::kafka::fault::{self, Right};
use crate::kafka::limits::Limits;
use crate::kafka::producer::{Delivery, Producer};
use crate::kafka::settings::{Batching, Settings};
use crate::kafka::size;
use crate::port::{LogError, Result};
use crate::record::{NewRecord, Placed};

/// Holds the current producer, if there is one that has not failed.
pub(super) struct CurrentProducer {
    settings: Settings,
    limits: Limits,
    producer: Option<Producer>,
}

impl CurrentProducer {
    /// Starts the first producer at once, so that wrong properties show before the first append.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            producer: Some(Producer::start(settings, Batching::Several, settings.batch_size(None))?),
            limits: Limits::new(settings),
            settings: settings.clone(),
        })
    }

    /// Appends records to a topic of `count` partitions. Returns one result for each record, in order.
    pub(super) fn append(
        &mut self,
        topic: &str,
        count: u32,
        records: &[NewRecord],
        deadline: Instant,
    ) -> Vec<Result<Placed>> {
        let mut results: Vec<Option<Result<Placed>>> =
            records.iter().map(|record| refuse(topic, count, record)).collect();
        let sizes: Vec<usize> = records.iter().map(size::alone).collect();
        let mut batching = Batching::Several;
        loop {
            self.refuse_too_large(topic, &sizes, deadline, &mut results);
            let open: Vec<usize> = (0..records.len()).filter(|index| results[*index].is_none()).collect();
            if open.is_empty() {
                break;
            }
            batching = self.send_once(topic, records, &open, batching, deadline, &mut results);
        }
        let unknown = || Err(LogError::Unavailable(format!("topic {topic} was not appended to")));
        results
            .into_iter()
            .map(|result| result.unwrap_or_else(unknown))
            .collect()
    }

    /// Refuses records that are too large for the topic, before they end the producer's session.
    fn refuse_too_large(
        &mut self,
        topic: &str,
        sizes: &[usize],
        deadline: Instant,
        results: &mut [Option<Result<Placed>>],
    ) {
        let open = sizes.iter().zip(&*results).filter(|(_, result)| result.is_none());
        let largest = open.map(|(size, _)| *size).max().unwrap_or(0);
        let Some(limit) = self.limits.of(topic, largest, deadline) else {
            return;
        };
        for (size, result) in sizes.iter().zip(results) {
            if result.is_none() && *size > limit {
                *result = Some(Err(too_large(topic, *size, limit)));
            }
        }
    }

    /// Sends the records that have no result yet. Afterwards only those have none that were not sent because of a
    /// refusal of others. Returns how these have to be sent.
    fn send_once(
        &mut self,
        topic: &str,
        records: &[NewRecord],
        open: &[usize],
        batching: Batching,
        deadline: Instant,
        results: &mut [Option<Result<Placed>>],
    ) -> Batching {
        // Records that fit each by itself must not make a batch that is larger than a topic takes.
        let batch_size = self.settings.batch_size(self.limits.smallest());
        let fitting = self
            .producer
            .take()
            .filter(|producer| producer.batch_size() == batch_size);
        let producer = match fitting.map_or_else(|| Producer::start(&self.settings, batching, batch_size), Ok) {
            Ok(producer) => producer,
            Err(error) => {
                open.iter().for_each(|index| results[*index] = Some(Err(error.clone())));
                return batching;
            }
        };
        let batch: Vec<&NewRecord> = open.iter().map(|index| &records[*index]).collect();
        let deliveries = producer.send(topic, &batch, deadline);
        if deliveries.contains(&Delivery::Failed(RDKafkaErrorCode::MessageSizeTooLarge)) {
            self.limits.doubt(topic);
        }
        let alone = batching == Batching::Single || open.len() == 1;
        let verdict = judge(&deliveries, alone, Instant::now() < deadline);
        for ((index, delivery), ruling) in open.iter().zip(deliveries).zip(verdict.rulings) {
            results[*index] = result_of(&producer, topic, delivery, ruling);
        }
        if verdict.sound && batching == Batching::Several {
            self.producer = Some(producer);
        }
        Batching::Single
    }
}

/// What a delivery means for its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ruling {
    Placed,
    Refused,
    /// It is unknown whether the record stands in the log.
    Unknown,
    /// The record is to be sent again, in a batch of its own.
    SendAgain,
}

/// What the deliveries of some records mean for them and for the producer.
struct Verdict {
    rulings: Vec<Ruling>,
    /// Whether the producer may be used for another call.
    sound: bool,
}

/// Decides what deliveries mean. With `alone`, each record was in a batch of its own, so that a refusal concerns its
/// record. `in_time` says whether there is time to send records again.
fn judge(deliveries: &[Delivery], alone: bool, in_time: bool) -> Verdict {
    let refused = |delivery: &Delivery| matches!(delivery, Delivery::Failed(code) if fault::refuses_record(*code));
    let whole_topic = |delivery: &Delivery| matches!(delivery, Delivery::Failed(code) if fault::refuses_topic(*code));
    let stopped = deliveries.iter().any(refused) && in_time;
    let closed = deliveries.iter().any(whole_topic);
    let rule = |delivery: &Delivery| match delivery {
        Delivery::Placed(_) => Ruling::Placed,
        _ if closed => Ruling::Refused,
        Delivery::NotTaken(code) if fault::refuses_record(*code) => Ruling::Refused,
        Delivery::Failed(code) if alone && fault::refuses_record(*code) => Ruling::Refused,
        _ if stopped => Ruling::SendAgain,
        _ => Ruling::Unknown,
    };
    let rulings: Vec<Ruling> = deliveries.iter().map(rule).collect();
    let settled = |ruling: &Ruling| matches!(ruling, Ruling::Placed | Ruling::Refused);
    Verdict {
        sound: rulings.iter().all(settled)
            && !deliveries
                .iter()
                .any(|delivery| matches!(delivery, Delivery::Failed(_))),
        rulings,
    }
}

/// The result for a record; `None` if it is to be sent again.
fn result_of(producer: &Producer, topic: &str, delivery: Delivery, ruling: Ruling) -> Option<Result<Placed>> {
    let code = match delivery {
        Delivery::Placed(placed) => return Some(Ok(placed)),
        Delivery::NotTaken(code) | Delivery::Failed(code) => code,
        Delivery::Unanswered => RDKafkaErrorCode::OperationTimedOut,
    };
    let missing = Right::topic("Write", topic).missing(&format!("topic {topic} takes no records"), Some(code));
    match ruling {
        Ruling::SendAgain => None,
        // The topic takes no records at all, so nothing is wrong with this one, and it may be tried again.
        Ruling::Refused if missing.is_some() => missing.map(Err),
        Ruling::Refused if fault::refuses_topic(code) => Some(Err(fault::as_unavailable(fault::no_topic(topic)))),
        Ruling::Refused if delivery == Delivery::NotTaken(RDKafkaErrorCode::MessageSizeTooLarge) => {
            let sentence =
                format!("the record is not sent to topic {topic}: it is larger than this client's message.max.bytes");
            Some(Err(LogError::Refused(sentence)))
        }
        Ruling::Refused => Some(Err(LogError::Refused(format!(
            "topic {topic} does not take the record: {code}"
        )))),
        Ruling::Placed | Ruling::Unknown => {
            let what = format!("topic {topic} has not acknowledged the record in time");
            Some(Err(producer.explain(&what, code)))
        }
    }
}

/// Refuses a record whose partition does not exist.
fn refuse(topic: &str, count: u32, record: &NewRecord) -> Option<Result<Placed>> {
    let partition = record.partition.filter(|partition| partition.0 >= count)?;
    Some(Err(fault::no_partition(topic, partition, count)))
}

fn too_large(topic: &str, size: usize, limit: usize) -> LogError {
    LogError::Refused(format!(
        "topic {topic} does not take the record: it makes a batch of {size} bytes, and the topic's max.message.bytes is {limit}"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Offset, Partition};

    const PLACED: Delivery = Delivery::Placed(Placed {
        partition: Partition(0),
        offset: Offset(7),
    });
    const TOO_LARGE: Delivery = Delivery::Failed(RDKafkaErrorCode::MessageSizeTooLarge);
    const PURGED: Delivery = Delivery::Failed(RDKafkaErrorCode::PurgeQueue);

    fn ruled(deliveries: &[Delivery], alone: bool, in_time: bool) -> (Vec<Ruling>, bool) {
        let verdict = judge(deliveries, alone, in_time);
        (verdict.rulings, verdict.sound)
    }

    #[test]
    fn a_record_refused_beforehand_spoils_nothing() {
        let not_taken = Delivery::NotTaken(RDKafkaErrorCode::MessageSizeTooLarge);
        let (rulings, sound) = ruled(&[PLACED, not_taken, PLACED], false, true);
        assert_eq!(rulings, [Ruling::Placed, Ruling::Refused, Ruling::Placed]);
        assert!(sound);
    }

    #[test]
    fn a_refused_batch_is_sent_again_singly() {
        let (rulings, sound) = ruled(&[PLACED, TOO_LARGE, TOO_LARGE, PURGED], false, true);
        assert_eq!(
            rulings,
            [Ruling::Placed, Ruling::SendAgain, Ruling::SendAgain, Ruling::SendAgain]
        );
        assert!(!sound, "the producer is thrown away");
    }

    #[test]
    fn a_single_record_is_refused_for_itself() {
        let (rulings, sound) = ruled(&[PLACED, TOO_LARGE, PURGED], true, true);
        assert_eq!(rulings, [Ruling::Placed, Ruling::Refused, Ruling::SendAgain]);
        assert!(!sound);
    }

    #[test]
    fn a_record_without_a_report_in_time_may_stand_in_the_log() {
        let (rulings, sound) = ruled(&[PLACED, Delivery::Unanswered], false, false);
        assert_eq!(rulings, [Ruling::Placed, Ruling::Unknown]);
        assert!(!sound);
    }

    #[test]
    fn a_topic_that_takes_no_records_refuses_every_record() {
        let forbidden = Delivery::Failed(RDKafkaErrorCode::TopicAuthorizationFailed);
        let (rulings, _) = ruled(&[forbidden, PURGED], false, true);
        assert_eq!(rulings, [Ruling::Refused, Ruling::Refused]);
    }
}
