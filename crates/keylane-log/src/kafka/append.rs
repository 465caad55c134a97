//! Appends: which producer they go through, and what its answers mean.
//!
//! librdkafka keeps the order of records within one session of a producer only; a record that is given up leaves a
//! hole, and what is sent anew stands behind it. So a producer lives as long as every record of every call is
//! acknowledged; at the first failure or timeout it is thrown away with everything it holds, and the next call begins
//! with a new one. A request that is on its way at that moment may still be carried out by the broker; it would have to
//! stay in the network for longer than the new producer needs to connect and to get its producer id, to end up behind.
//!
//! What is larger than its topic takes is refused before it is sent, where that is known ([`limits`](super::limits)). A
//! broker refuses whole batches, not records. Idempotence with the gapless guarantee stops everything behind a refused
//! batch, in order; then what is left is sent again with batches of one record, until the guilty one is known and the
//! rest stands in the log.

use std::time::Instant;

use rdkafka::error::RDKafkaErrorCode;

use crate::kafka::fault::{self, Right};
use crate::kafka::limits::Limits;
use crate::kafka::producer::{Delivery, Producer};
use crate::kafka::settings::Settings;
use crate::kafka::size;
use crate::port::{LogError, Result};
use crate::record::{NewRecord, Placed};

/// The producer of the moment, if there is a sound one.
pub(super) struct Lifeline {
    settings: Settings,
    limits: Limits,
    producer: Option<Producer>,
}

impl Lifeline {
    /// Starts the first producer, so that wrong properties show before anything is appended.
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            producer: Some(Producer::start(settings, false, settings.batch_size(None))?),
            limits: Limits::new(settings),
            settings: settings.clone(),
        })
    }

    /// Appends to a topic of `count` partitions; one answer a record.
    pub(super) fn append(
        &mut self,
        topic: &str,
        count: u32,
        records: &[NewRecord],
        deadline: Instant,
    ) -> Vec<Result<Placed>> {
        let mut answers: Vec<Option<Result<Placed>>> =
            records.iter().map(|record| refuse(topic, count, record)).collect();
        let sizes: Vec<usize> = records.iter().map(size::alone).collect();
        let mut single = false;
        loop {
            self.refuse_too_large(topic, &sizes, deadline, &mut answers);
            let open: Vec<usize> = (0..records.len()).filter(|index| answers[*index].is_none()).collect();
            if open.is_empty() {
                break;
            }
            single = self.pass(topic, records, &open, single, deadline, &mut answers);
        }
        let unanswered = || Err(LogError::Unavailable(format!("topic {topic} was not appended to")));
        answers
            .into_iter()
            .map(|answer| answer.unwrap_or_else(unanswered))
            .collect()
    }

    /// Answers for records that the topic can't take, before they take a session's others with them.
    fn refuse_too_large(
        &mut self,
        topic: &str,
        sizes: &[usize],
        deadline: Instant,
        answers: &mut [Option<Result<Placed>>],
    ) {
        let open = sizes.iter().zip(&*answers).filter(|(_, answer)| answer.is_none());
        let largest = open.map(|(size, _)| *size).max().unwrap_or(0);
        let Some(limit) = self.limits.of(topic, largest, deadline) else {
            return;
        };
        for (size, answer) in sizes.iter().zip(answers) {
            if answer.is_none() && *size > limit {
                *answer = Some(Err(too_large(topic, *size, limit)));
            }
        }
    }

    /// Sends the open records once, through a producer of single records if asked. Leaves open only those which a
    /// refusal of others stopped, and then answers `true`: the next pass has to send records singly.
    fn pass(
        &mut self,
        topic: &str,
        records: &[NewRecord],
        open: &[usize],
        single: bool,
        deadline: Instant,
        answers: &mut [Option<Result<Placed>>],
    ) -> bool {
        // No batch of records that fit, each by itself, may be larger than a topic takes.
        let batch_size = self.settings.batch_size(self.limits.smallest());
        let fitting = self
            .producer
            .take()
            .filter(|producer| producer.batch_size() == batch_size);
        let producer = match fitting.map_or_else(|| Producer::start(&self.settings, single, batch_size), Ok) {
            Ok(producer) => producer,
            Err(error) => {
                open.iter().for_each(|index| answers[*index] = Some(Err(error.clone())));
                return false;
            }
        };
        let batch: Vec<&NewRecord> = open.iter().map(|index| &records[*index]).collect();
        let deliveries = producer.send(topic, &batch, deadline);
        if deliveries.contains(&Delivery::Failed(RDKafkaErrorCode::MessageSizeTooLarge)) {
            self.limits.doubt(topic);
        }
        let verdict = judge(&deliveries, single || open.len() == 1, Instant::now() < deadline);
        for ((index, delivery), ruling) in open.iter().zip(deliveries).zip(verdict.rulings) {
            answers[*index] = answer(&producer, topic, delivery, ruling);
        }
        if verdict.sound && !single {
            self.producer = Some(producer);
        }
        true
    }
}

/// What a delivery means for its record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ruling {
    Placed,
    Refused,
    Unknown,
    /// To be sent again, singly.
    Open,
}

struct Verdict {
    rulings: Vec<Ruling>,
    /// Whether the producer may be used again.
    sound: bool,
}

/// Rules on the deliveries of one pass. `certain`: no record travelled with another, so a refusal is its record's own.
fn judge(deliveries: &[Delivery], certain: bool, in_time: bool) -> Verdict {
    let refused = |delivery: &Delivery| matches!(delivery, Delivery::Failed(code) if fault::refuses_record(*code));
    let whole_topic = |delivery: &Delivery| matches!(delivery, Delivery::Failed(code) if fault::refuses_topic(*code));
    let stopped = deliveries.iter().any(refused) && in_time;
    let closed = deliveries.iter().any(whole_topic);
    let rule = |delivery: &Delivery| match delivery {
        Delivery::Placed(_) => Ruling::Placed,
        _ if closed => Ruling::Refused,
        Delivery::NotTaken(code) if fault::refuses_record(*code) => Ruling::Refused,
        Delivery::Failed(code) if certain && fault::refuses_record(*code) => Ruling::Refused,
        _ if stopped => Ruling::Open,
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

fn answer(producer: &Producer, topic: &str, delivery: Delivery, ruling: Ruling) -> Option<Result<Placed>> {
    let code = match delivery {
        Delivery::Placed(placed) => return Some(Ok(placed)),
        Delivery::NotTaken(code) | Delivery::Failed(code) => code,
        Delivery::Unanswered => RDKafkaErrorCode::OperationTimedOut,
    };
    let missing = Right::topic("Write", topic).missing(&format!("topic {topic} takes no records"), Some(code));
    match ruling {
        Ruling::Open => None,
        // The topic is closed to everybody's records: that says nothing about this one.
        Ruling::Refused if missing.is_some() => missing.map(Err),
        Ruling::Refused if fault::refuses_topic(code) => Some(Err(fault::passing(fault::no_topic(topic)))),
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

/// What can be refused without asking anybody.
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

    fn ruled(deliveries: &[Delivery], certain: bool, in_time: bool) -> (Vec<Ruling>, bool) {
        let verdict = judge(deliveries, certain, in_time);
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
        assert_eq!(rulings, [Ruling::Placed, Ruling::Open, Ruling::Open, Ruling::Open]);
        assert!(!sound, "the producer is thrown away");
    }

    #[test]
    fn a_single_record_is_refused_for_itself() {
        let (rulings, sound) = ruled(&[PLACED, TOO_LARGE, PURGED], true, true);
        assert_eq!(rulings, [Ruling::Placed, Ruling::Refused, Ruling::Open]);
        assert!(!sound);
    }

    #[test]
    fn nothing_is_known_of_what_was_not_answered_in_time() {
        let (rulings, sound) = ruled(&[PLACED, Delivery::Unanswered], false, false);
        assert_eq!(rulings, [Ruling::Placed, Ruling::Unknown]);
        assert!(!sound);
    }

    #[test]
    fn a_topic_that_is_closed_is_closed_for_every_record() {
        let forbidden = Delivery::Failed(RDKafkaErrorCode::TopicAuthorizationFailed);
        let (rulings, _) = ruled(&[forbidden, PURGED], false, true);
        assert_eq!(rulings, [Ruling::Refused, Ruling::Refused]);
    }
}
