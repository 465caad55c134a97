//! Reads a log, and what there is to know about its topics and groups, without joining a group.

use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::Offset as NativeOffset;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::groups::GroupInfo;
use rdkafka::message::Message;
use rdkafka::metadata::{MetadataPartition, MetadataTopic};
use rdkafka::topic_partition_list::{TopicPartitionList, TopicPartitionListElem};

use crate::kafka::bootstrap::Bootstrap;
use crate::kafka::cause::Cause;
use crate::kafka::client::{self, Watch};
use crate::kafka::fault::Right;
use crate::kafka::first_answer::FirstAnswer;
use crate::kafka::native::message;
use crate::kafka::scan_progress::ScanProgress;
use crate::kafka::settings::Settings;
use crate::kafka::timeouts::CALL_TIMEOUT;
use crate::kafka::timeouts::FIRST_TRIES;
use crate::kafka::{Cluster, convert, coordinator, fault};
use crate::port::{Extent, LogError, Result};
use crate::record::{Offset, Record, TopicPartition};
use crate::sync::lock;
use crate::topic::{PartitionInfo, TopicInfo};

/// The group of the consumer that reads. librdkafka assigns partitions only to a consumer with a group, although this
/// one never joins it or commits to it.
const NO_GROUP: &str = "keylane-scan";

/// The topic that keeps what groups have committed.
const GROUP_OFFSETS: &str = "__consumer_offsets";

/// Topics that Kafka uses for its own data. Metadata says which they are, but librdkafka does not pass that on.
const INTERNAL: [&str; 3] = [GROUP_OFFSETS, "__transaction_state", "__share_group_state"];

/// The longest wait for new partitions to become visible. Brokers make partitions one after the other, so those of a
/// topic wait for those of a large topic before it.
const APPEAR_TIMEOUT: Duration = Duration::from_secs(30);

/// Pause before asking again whether partitions have become visible.
const APPEAR_PAUSE: Duration = Duration::from_millis(20);

/// How long a call without a connection to any broker waits before it looks whether the client is to be given the
/// bootstrap servers again.
const RECONNECT_CHECK: Duration = Duration::from_secs(1);

/// Pause before asking again about partitions that have no leader yet.
const LEADER_PAUSE: Duration = Duration::from_millis(50);

/// Two consumers: one for requests, and one that reads records, which is made for the first read.
pub(super) struct Scanner {
    settings: Settings,
    looker: BaseConsumer<Watch>,
    bootstrap: Bootstrap,
    first_answer: Arc<FirstAnswer>,
    reader: Mutex<Option<Reader>>,
}

impl Scanner {
    pub(super) fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            settings: settings.clone(),
            looker: client::start(&settings.looker(), Watch::default())?,
            bootstrap: Bootstrap::new(settings),
            first_answer: Arc::default(),
            reader: Mutex::default(),
        })
    }

    /// All topics, in the order of their names.
    pub(super) fn topics(&self) -> Result<Vec<TopicInfo>> {
        let what = format!("the topics of Kafka at {} can't be listed", self.settings.bootstrap());
        let metadata = self.ask(&what, CALL_TIMEOUT, |looker, patience| {
            looker.fetch_metadata(None, patience)
        })?;
        let mut topics: Vec<_> = metadata.topics().iter().map(topic_info).collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// How many brokers there are, and how many of them keep a copy of what groups have committed.
    pub(super) fn cluster(&self) -> Result<Cluster> {
        let what = format!("the brokers of Kafka at {} can't be listed", self.settings.bootstrap());
        let metadata = self.ask(&what, CALL_TIMEOUT, |looker, patience| {
            looker.fetch_metadata(None, patience)
        })?;
        let offsets = metadata.topics().iter().find(|topic| topic.name() == GROUP_OFFSETS);
        let copies = offsets.and_then(|topic| topic.partitions().iter().map(|part| part.replicas().len()).min());
        Ok(Cluster {
            brokers: metadata.brokers().len(),
            offset_copies: copies,
        })
    }

    /// The names of all groups, in order.
    pub(super) fn groups(&self) -> Result<Vec<String>> {
        let what = format!("the groups of Kafka at {} can't be listed", self.settings.bootstrap());
        let list = self.ask(&what, CALL_TIMEOUT, |looker, patience| {
            looker.fetch_group_list(None, patience)
        })?;
        let ours = |group: &&GroupInfo| matches!(group.protocol_type(), "consumer" | "");
        let mut names: Vec<_> = list
            .groups()
            .iter()
            .filter(ours)
            .map(|group| group.name().to_owned())
            .collect();
        names.sort();
        Ok(names)
    }

    /// Asks the brokers how many partitions a topic has.
    pub(super) fn partitions(&self, topic: &str, patience: Duration) -> Result<u32> {
        if topic.is_empty() || topic.contains('\0') {
            return Err(LogError::Refused(format!("{topic:?} is no name of a topic")));
        }
        let what = format!(
            "Kafka at {} does not answer about topic {topic}",
            self.settings.bootstrap()
        );
        let metadata = self.ask(&what, patience, |looker, patience| {
            looker.fetch_metadata(Some(topic), patience)
        })?;
        let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else {
            return Err(fault::no_topic(topic));
        };
        match found.error().map(RDKafkaErrorCode::from) {
            Some(RDKafkaErrorCode::UnknownTopicOrPartition | RDKafkaErrorCode::UnknownTopic) => {
                Err(fault::no_topic(topic))
            }
            Some(code) => {
                let missing = Right::topic("Describe", topic).missing(&what, Some(code));
                Err(missing.unwrap_or_else(|| fault::sort_code(&what, code)))
            }
            None if found.partitions().is_empty() => Err(fault::no_topic(topic)),
            None => Ok(found.partitions().len() as u32),
        }
    }

    /// Waits until the brokers show at least `partitions` partitions of a topic that was just created or grown.
    pub(super) fn await_partitions(&self, topic: &str, partitions: u32) -> Result<()> {
        let deadline = Instant::now() + APPEAR_TIMEOUT;
        loop {
            match self.partitions(topic, CALL_TIMEOUT) {
                Ok(count) if count >= partitions => return Ok(()),
                Err(error @ LogError::Broken(_)) => return Err(error),
                _ if Instant::now() >= deadline => {
                    let sentence = format!("the partitions of topic {topic} have not appeared yet");
                    return Err(LogError::Unavailable(sentence));
                }
                _ => thread::sleep(APPEAR_PAUSE),
            }
        }
    }

    /// The extents of the first `count` partitions of a topic.
    pub(super) fn extents(&self, topic: &str, count: u32) -> Result<Vec<Extent>> {
        let what = format!("the extents of topic {topic} can't be read");
        let list = convert::whole_topic(topic, count);
        self.ask(&what, CALL_TIMEOUT, |looker, _| extents(looker, &list))
    }

    /// Reads up to `max` records from `from` on, and fewer only at the end of the partition.
    pub(super) fn read(&self, partition: &TopicPartition, from: Offset, max: usize) -> Result<Vec<Record>> {
        let what = format!("the extent of {partition} can't be read");
        let list = convert::list([partition]);
        let Extent { start, end } = self.ask(&what, CALL_TIMEOUT, |looker, _| extents(looker, &list))?[0];
        let from = from.max(start);
        if from >= end || max == 0 {
            return Ok(Vec::new());
        }
        let mut kept = lock(&self.reader);
        // A reader that failed is not put back, because its position in librdkafka is unknown.
        let mut reader = match kept.take() {
            Some(reader) => reader,
            None => Reader::new(&self.settings)?,
        };
        let records = reader.read(partition, from, end, max)?;
        *kept = Some(reader);
        Ok(records)
    }

    /// Scans partitions together; see [`crate::EventLog::scan`].
    pub(super) fn scan(&self, topic: &str, extents: &[Extent], see: &mut dyn FnMut(&Record)) -> Result<Vec<Offset>> {
        let mut progress = ScanProgress::new(topic, extents);
        if progress.is_done() {
            return Ok(progress.next);
        }
        // The reader is taken out, so that `see` may read other records meanwhile, with another reader.
        let idle = lock(&self.reader).take();
        let mut reader = match idle {
            Some(reader) => reader,
            None => Reader::new(&self.settings)?,
        };
        reader.scan(&mut progress, see)?;
        *lock(&self.reader) = Some(reader);
        Ok(progress.next)
    }

    /// How long the brokers let this client wait for their first answer.
    pub(super) fn first_answer(&self) -> &Arc<FirstAnswer> {
        &self.first_answer
    }

    /// Why the brokers don't answer, as far as librdkafka has reported it.
    pub(super) fn cause(&self) -> Option<Cause> {
        self.looker.context().cause()
    }

    /// Makes a call, and repeats it until there is an answer or `patience` is over. The first tries wait only briefly,
    /// because librdkafka waits for the whole timeout even if a broker has refused the password.
    fn ask<T>(
        &self,
        what: &str,
        patience: Duration,
        call: impl Fn(&BaseConsumer<Watch>, Duration) -> KafkaResult<T>,
    ) -> Result<T> {
        self.first_answer
            .of(|| self.ask_until(what, Instant::now() + patience, call))
    }

    fn ask_until<T>(
        &self,
        what: &str,
        deadline: Instant,
        call: impl Fn(&BaseConsumer<Watch>, Duration) -> KafkaResult<T>,
    ) -> Result<T> {
        let watch = self.looker.context();
        let mut first_tries = FIRST_TRIES.into_iter();
        let mut connected = true;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            // Who has a connection waits for a slow answer; who has none looks now and then whether to ask for one.
            let next = if connected { left } else { RECONNECT_CHECK };
            let answer = call(&self.looker, first_tries.next().unwrap_or(next).min(left));
            client::poll_reports(&self.looker);
            match answer {
                Ok(answer) => {
                    watch.clear();
                    return Ok(answer);
                }
                Err(error) => {
                    connected = error.rdkafka_error_code() != Some(RDKafkaErrorCode::BrokerTransportFailure);
                    if !connected {
                        self.bootstrap.repeat_if_silent(&self.looker, watch);
                    }
                    let silent = error.rdkafka_error_code().is_none_or(fault::is_silence);
                    // A broker that is just starting may need another moment, so silence is tried again.
                    if !silent || watch.in_vain(first_tries.len() > 0) || Instant::now() >= deadline {
                        if watch.cause() == Some(Cause::Certificate)
                            && client::certificate_is_for_another_host(&self.settings)
                        {
                            watch.correct(Cause::HostName);
                        }
                        return Err(watch.explain(what, &error));
                    }
                }
            }
        }
    }
}

/// A consumer that reads one partition at a time, or scans several.
struct Reader {
    client: BaseConsumer<Watch>,
    brokers: String,
    topics: convert::Topics,
    /// Where the last read ended; librdkafka still fetches from there. `None` after a scan or a failure.
    ended_at: Option<(TopicPartition, Offset)>,
}

impl Reader {
    fn new(settings: &Settings) -> Result<Self> {
        Ok(Self {
            client: client::observer(settings, NO_GROUP)?,
            brokers: settings.bootstrap().to_owned(),
            topics: convert::Topics::default(),
            ended_at: None,
        })
    }

    /// Takes records until there are `max`, or `end` is reached, or no more come. The last happens where a transaction
    /// marker stands before the end, since markers are not handed out.
    fn read(&mut self, partition: &TopicPartition, from: Offset, end: Offset, max: usize) -> Result<Vec<Record>> {
        let mut continued = self.ended_at.take().as_ref() == Some(&(partition.clone(), from));
        if !continued {
            self.point_at(partition, from)?;
        }
        let mut records: Vec<Record> = Vec::new();
        let mut next = from;
        let deadline = Instant::now() + CALL_TIMEOUT;
        while records.len() < max && next < end {
            let patience = deadline.saturating_duration_since(Instant::now());
            match self.client.poll(patience) {
                Some(Ok(message)) => {
                    records.push(message::of_rdkafka(&message, &mut self.topics));
                    next = Offset(message.offset().max(0) as u64).next();
                }
                // This end of the partition may have been noticed before the read began, and records may have come
                // since.
                Some(Err(KafkaError::PartitionEOF(_))) if continued => {
                    continued = false;
                    self.point_at(partition, next)?;
                }
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(records),
                Some(Err(error)) => {
                    tracing::debug!(%partition, %error, "librdkafka reported an error while a partition was read");
                    let what = format!("{partition} can't be read");
                    let missing = Right::topic("Read", &partition.topic).missing(&what, error.rdkafka_error_code());
                    if let Some(missing) = missing {
                        return Err(missing);
                    }
                }
                None => {}
            }
            if Instant::now() >= deadline {
                return Err(self.too_slow(&partition.to_string()));
            }
        }
        self.ended_at = Some((partition.clone(), next));
        Ok(records)
    }

    /// Takes records until every partition has come to its end, and passes them to `see`. No more records are kept in
    /// memory than librdkafka's queue holds.
    fn scan(&mut self, progress: &mut ScanProgress<'_>, see: &mut dyn FnMut(&Record)) -> Result<()> {
        let what = format!("topic {} can't be read from Kafka at {}", progress.topic, self.brokers);
        self.ended_at = None;
        let begun = self.client.assign(&progress.assignment()?);
        begun.map_err(|error| fault::sort(&what, &error))?;
        let mut deadline = Instant::now() + CALL_TIMEOUT;
        while !progress.is_done() {
            match self.client.poll(deadline.saturating_duration_since(Instant::now())) {
                Some(Ok(message)) => {
                    let record = message::of_rdkafka(&message, &mut self.topics);
                    if progress.takes(&record) {
                        see(&record);
                        deadline = Instant::now() + CALL_TIMEOUT;
                    }
                }
                // A partition may have no records up to its end, because transaction markers stand there, or because
                // records were removed meanwhile.
                Some(Err(KafkaError::PartitionEOF(number))) => {
                    progress.ended(number);
                    deadline = Instant::now() + CALL_TIMEOUT;
                }
                Some(Err(error)) => {
                    tracing::debug!(topic = progress.topic, %error, "librdkafka reported an error while a topic was scanned")
                }
                None => {}
            }
            if !progress.is_done() && Instant::now() >= deadline {
                return Err(self.too_slow(&progress.awaited()));
            }
        }
        // Without partitions librdkafka fetches nothing until the next read.
        let ended = self.client.assign(&TopicPartitionList::new());
        ended.map_err(|error| fault::sort(&what, &error))
    }

    /// Has librdkafka fetch a partition from this offset on.
    fn point_at(&self, partition: &TopicPartition, from: Offset) -> Result<()> {
        let mut list = convert::list([partition]);
        let set = list.set_all_offsets(convert::native_offset(from));
        set.and_then(|()| self.client.assign(&list))
            .map_err(|error| fault::sort(&format!("{partition} can't be read from offset {from}"), &error))
    }

    /// The error of a read to which no records came in time.
    fn too_slow(&self, whose: &str) -> LogError {
        let what = format!("{whose} can't be read from Kafka at {}", self.brokers);
        let error = KafkaError::MessageConsumption(RDKafkaErrorCode::OperationTimedOut);
        self.client.context().explain(&what, &error)
    }
}

/// The extents of the partitions that a list names. Each broker gets one request for all starts and one for all ends.
pub(super) fn extents<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    list: &TopicPartitionList,
) -> KafkaResult<Vec<Extent>> {
    let starts = settled_edges(client, list, NativeOffset::Beginning)?;
    let ends = settled_edges(client, list, NativeOffset::End)?;
    let extent = |(start, end)| Extent { start, end };
    Ok(starts.into_iter().zip(ends).map(extent).collect())
}

/// One edge of each partition: its start or its end. A partition that is new or whose leader has just changed has no
/// leader for a moment, so it is asked for again.
fn settled_edges<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    list: &TopicPartitionList,
    edge: NativeOffset,
) -> KafkaResult<Vec<Offset>> {
    use RDKafkaErrorCode::{LeaderNotAvailable, NotLeaderForPartition};
    let deadline = Instant::now() + CALL_TIMEOUT;
    loop {
        match edges(client, list, edge) {
            Err(error)
                if matches!(
                    error.rdkafka_error_code(),
                    Some(LeaderNotAvailable | NotLeaderForPartition)
                ) && Instant::now() < deadline =>
            {
                thread::sleep(LEADER_PAUSE);
            }
            answer => return answer,
        }
    }
}

/// One edge of each partition. The protocol has no request for it, but its request for the offset at a time takes two
/// special times for the beginning and the end.
fn edges<C: ConsumerContext>(
    client: &BaseConsumer<C>,
    list: &TopicPartitionList,
    edge: NativeOffset,
) -> KafkaResult<Vec<Offset>> {
    let mut times = list.clone();
    times.set_all_offsets(edge)?;
    let found = client.offsets_for_times(times, CALL_TIMEOUT)?;
    let offset = |element: &TopicPartitionListElem<'_>| {
        element.error()?;
        convert::offset(element).ok_or(KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset))
    };
    found.elements().iter().map(offset).collect()
}

/// What `group`, whose observer `client` is, has committed for the first `count` partitions of `topic`.
pub(super) fn committed(
    client: &BaseConsumer<Watch>,
    group: &str,
    topic: &str,
    count: u32,
) -> Result<Vec<Option<Offset>>> {
    let what = format!("what group {group} has committed of topic {topic} can't be read");
    let denied = |code: Option<RDKafkaErrorCode>| {
        let topic = Right::topic("Describe", topic).missing(&what, code);
        topic.or_else(|| Right::group("Describe", group).missing(&what, code))
    };
    let whole = convert::whole_topic(topic, count);
    let [first, second] = FIRST_TRIES;
    let mut tries = [first, second, CALL_TIMEOUT].into_iter();
    let list = loop {
        let answer = coordinator::committed(client, &whole, tries.next().unwrap_or_default());
        let forbidden = client::poll_reports(client);
        let Err(error) = answer else {
            break answer.map_err(|error| fault::sort(&what, &error))?;
        };
        let code = error.rdkafka_error_code();
        if let Some(missing) = denied(forbidden).or_else(|| denied(code)) {
            return Err(missing);
        }
        let may_pass = code.is_none_or(|code| fault::is_silence(code) || fault::is_settling(code));
        if !may_pass || tries.len() == 0 || client.context().in_vain(true) {
            return Err(client.context().explain(&what, &error));
        }
    };
    client.context().clear();
    let offset = |element: &TopicPartitionListElem<'_>| match element.error() {
        Ok(()) => Ok(convert::offset(element)),
        Err(error) => Err(denied(error.rdkafka_error_code()).unwrap_or_else(|| fault::sort(&what, &error))),
    };
    list.elements().iter().map(offset).collect()
}

fn topic_info(topic: &MetadataTopic) -> TopicInfo {
    let mut partitions: Vec<_> = topic.partitions().iter().map(partition_info).collect();
    partitions.sort_by_key(|info| info.partition);
    TopicInfo {
        name: topic.name().to_owned(),
        internal: INTERNAL.contains(&topic.name()),
        partitions,
    }
}

fn partition_info(partition: &MetadataPartition) -> PartitionInfo {
    PartitionInfo {
        partition: convert::partition(partition.id()),
        leader: Some(partition.leader()).filter(|leader| *leader >= 0),
        replicas: partition.replicas().to_vec(),
        isr: partition.isr().to_vec(),
    }
}
