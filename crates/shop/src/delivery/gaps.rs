//! Gaps: versions that something parked waits for. One that is merely late is waited for; one that can't come any more,
//! because everything that was in the log has been handled, is asked from the order service, with an alarm (A26).
//!
//! ```text
//!   seen: the ends of all partitions are noted ─▶ committed positions have passed them ─▶ deadline ─▶ alarm
//! ```

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use eventlog::{EventLog, Extent, LogError, Offset};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::Fence;
use super::fenced::Turn;
use super::resync::{self, OrderJournal};
use crate::domain::fence::{Mark, ParkedKey};
use crate::domain::{OrderId, Version};
use crate::store::{Store, StoreError};

/// Orders with gaps that are watched at once; the others wait for these.
const WATCHED: usize = 1000;
/// Between two looks.
const PERIOD: Duration = Duration::from_secs(1);
/// How long an instance that vanished keeps others from watching.
const LEASE: Duration = Duration::from_secs(5);

/// Which gaps are watched, and for how long each could have been filled. No clock in here; times are passed in.
#[derive(Debug)]
pub struct GapWatch {
    deadline: Duration,
    watched: BTreeMap<OrderId, Watched>,
}

#[derive(Debug)]
struct Watched {
    cursor: Version,
    /// The end of each partition when the gap was seen first.
    ends: Vec<Extent>,
    /// Since when all of it has been handled.
    passed: Option<Instant>,
    /// A person's mark has been heard; it stays, and is heard once.
    hurried: bool,
}

/// Where a topic's partitions end, and up to where a group has handled them.
#[derive(Debug, Clone)]
pub struct Positions {
    /// What each partition holds.
    pub extents: Vec<Extent>,
    /// What the group has committed for each of them.
    pub committed: Vec<Option<Offset>>,
}

impl GapWatch {
    /// A watch that waits for `deadline` once nothing in the log can fill a gap any more.
    pub fn new(deadline: Duration) -> Self {
        Self {
            deadline,
            watched: BTreeMap::new(),
        }
    }

    /// Takes note of the gaps that there are now; those of which the deadline has passed. They come again after another
    /// deadline, if they are still there. A gap that a person has marked is due at once.
    pub fn observe<'a>(&mut self, gaps: &'a [ParkedKey], positions: &Positions, now: Instant) -> Vec<&'a ParkedKey> {
        let mut before = std::mem::take(&mut self.watched);
        let mut due = Vec::new();
        for gap in gaps.iter().filter(|key| key.has_gap()) {
            // A gap whose cursor has moved is another gap.
            let known = before.remove(&gap.order_id).filter(|known| known.cursor == gap.cursor);
            let mut watched = known.unwrap_or_else(|| Watched {
                cursor: gap.cursor,
                ends: positions.extents.clone(),
                passed: None,
                hurried: false,
            });
            if watched.passed.is_none() && positions.have_passed(&watched.ends) {
                watched.passed = Some(now);
            }
            let waited = watched.passed.is_some_and(|since| now >= since + self.deadline);
            let hurry = gap.lowest.mark == Some(Mark::Retry) && !watched.hurried;
            if waited || hurry {
                due.push(gap);
                watched.passed = watched.passed.map(|_| now);
                watched.hurried |= hurry;
            }
            self.watched.insert(gap.order_id, watched);
        }
        due
    }
}

impl Positions {
    /// Asks a log. Blocks.
    fn of(log: &dyn EventLog, group: &str, topic: &str) -> Result<Self, LogError> {
        Ok(Self {
            committed: log.committed(group, topic)?,
            extents: log.extents(topic)?,
        })
    }

    /// Whether everything before these ends has been handled.
    fn have_passed(&self, ends: &[Extent]) -> bool {
        ends.iter().enumerate().all(|(partition, extent)| {
            let committed = self.committed.get(partition).copied().flatten();
            extent.start == extent.end || committed.is_some_and(|committed| committed >= extent.end)
        })
    }
}

/// Watches the gaps of a topic and closes those that can't close by themselves.
pub struct Gaps {
    store: Arc<dyn Store>,
    log: Arc<dyn EventLog>,
    topic: String,
    fence: Arc<Fence>,
    journal: OrderJournal,
    watch: GapWatch,
}

impl Gaps {
    /// Watches what is parked in `store` of what `log` holds under `topic`.
    pub fn new(
        store: Arc<dyn Store>,
        log: Arc<dyn EventLog>,
        topic: String,
        fence: Arc<Fence>,
        journal: OrderJournal,
        deadline: Duration,
    ) -> Self {
        Self {
            store,
            log,
            topic,
            fence,
            journal,
            watch: GapWatch::new(deadline),
        }
    }

    /// Looks once, and closes what is due; how many gaps that were.
    ///
    /// # Errors
    /// What the store or the log answered.
    pub async fn step(&mut self, now: Instant) -> Result<usize, GapError> {
        let gaps = self.gaps().await?;
        // One instance watches: with several, each would sound the alarm.
        if gaps.is_empty() || !self.hold_lease().await? {
            self.watch.observe(&[], &Positions::none(), now);
            return Ok(0);
        }
        let positions = self.positions().await?;
        let due = self.watch.observe(&gaps, &positions, now);
        for gap in &due {
            self.close(gap).await;
        }
        Ok(due.len())
    }

    async fn gaps(&self) -> Result<Vec<ParkedKey>, StoreError> {
        let (mut gaps, mut after) = (Vec::new(), OrderId(0));
        while gaps.len() < WATCHED {
            let page = self.store.parked_keys(after, WATCHED).await?;
            let Some(last) = page.last() else { break };
            after = last.order_id;
            gaps.extend(page.into_iter().filter(ParkedKey::has_gap));
        }
        Ok(gaps)
    }

    async fn hold_lease(&self) -> Result<bool, StoreError> {
        let instance = self.fence.instance();
        self.store
            .lease("gaps", &instance.name, LEASE, (instance.clock)())
            .await
    }

    async fn positions(&self) -> Result<Positions, LogError> {
        let (log, topic, group) = (
            self.log.clone(),
            self.topic.clone(),
            self.fence.instance().group.clone(),
        );
        tokio::task::spawn_blocking(move || Positions::of(log.as_ref(), &group, &topic))
            .await
            .expect("the log's calls don't panic")
    }

    /// Sounds the alarm, and applies what the order service says was missing, through the fence like everything else.
    async fn close(&self, gap: &ParkedKey) {
        let (order, next) = (gap.order_id, gap.cursor.next());
        self.fence.instance().metrics.gap_alarms.add();
        tracing::error!(
            order = order.0,
            version = next.0,
            "order {order} v{next} has not come, though everything in the log has been handled, and {} of its events wait \
             for it; the order service is asked for it",
            gap.parked
        );
        match self.ask(gap).await {
            Ok(records) => {
                for record in records {
                    self.fence.instance().metrics.resynced.add();
                    self.fence.follow(Turn::asked(record)).await;
                }
            }
            Err(why) => {
                tracing::error!(
                    order = order.0,
                    "the order service can't tell of order {order}, which stays parked: {why}"
                );
            }
        }
    }

    async fn ask(&self, gap: &ParkedKey) -> Result<Vec<eventlog::Record>, String> {
        match (self.journal)(gap.order_id).await? {
            Some(body) => resync::missing(&body, gap.cursor, gap.lowest.version),
            None => Err("it knows no such order".to_owned()),
        }
    }
}

impl Positions {
    fn none() -> Self {
        Self {
            extents: Vec::new(),
            committed: Vec::new(),
        }
    }
}

impl Turn {
    /// Something that the order service was asked for.
    fn asked(record: eventlog::Record) -> Self {
        Self {
            record: Arc::new(record),
            epoch: None,
            leased: false,
            attempt: 1,
        }
    }
}

/// Why gaps could not be looked at; the next step tries again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum GapError {
    /// The database did not answer.
    #[error("what is parked can't be looked at: {0}")]
    Store(#[from] StoreError),
    /// The log did not answer.
    #[error("the log's positions can't be looked at: {0}")]
    Log(#[from] LogError),
}

/// Steps until `stop`.
pub async fn watch_gaps(mut gaps: Gaps, stop: CancellationToken) {
    let mut failing = false;
    while !stop.is_cancelled() {
        let step = tokio::select! {
            step = gaps.step(Instant::now()) => step,
            () = stop.cancelled() => return,
        };
        if let (Err(error), false) = (&step, failing) {
            tracing::warn!("{error}");
        }
        failing = step.is_err();
        let _ = tokio::time::timeout(PERIOD, stop.cancelled()).await;
    }
}

#[cfg(test)]
mod tests {
    use eventlog::Timestamp;

    use super::*;
    use crate::domain::fence::{ParkReason, ParkedHead};

    const DEADLINE: Duration = Duration::from_secs(60);

    fn gap(cursor: i64, lowest: i64) -> ParkedKey {
        ParkedKey {
            order_id: OrderId(6),
            cursor: Version(cursor),
            parked: 1,
            lowest: ParkedHead {
                version: Version(lowest),
                reason: ParkReason::Gap,
                mark: None,
                since: Timestamp(0),
                lease_holder: String::new(),
                lease_until: Timestamp(0),
            },
        }
    }

    /// Two partitions that end at these offsets, handled up to those.
    fn positions(ends: [u64; 2], committed: [u64; 2]) -> Positions {
        let extent = |end| Extent {
            start: Offset(0),
            end: Offset(end),
        };
        Positions {
            extents: ends.map(extent).to_vec(),
            committed: committed.map(|offset| (offset > 0).then_some(Offset(offset))).to_vec(),
        }
    }

    #[test]
    fn the_deadline_counts_once_everything_noted_has_been_handled() {
        let (mut watch, start) = (GapWatch::new(DEADLINE), Instant::now());
        let gaps = [gap(1, 3)];
        let late = start + DEADLINE * 10;
        assert!(watch.observe(&gaps, &positions([5, 7], [5, 6]), start).is_empty());
        let unhandled = positions([5, 9], [5, 6]);
        assert!(
            watch.observe(&gaps, &unhandled, late).is_empty(),
            "it may still stand in partition 1"
        );
        let handled = positions([50, 90], [5, 7]);
        assert!(watch.observe(&gaps, &handled, late).is_empty(), "the deadline begins");
        let due = late + DEADLINE;
        assert!(
            watch
                .observe(&gaps, &handled, due - Duration::from_millis(1))
                .is_empty()
        );
        assert_eq!(watch.observe(&gaps, &handled, due), [&gaps[0]]);
        assert!(watch.observe(&gaps, &handled, due).is_empty(), "once a deadline");
        assert_eq!(watch.observe(&gaps, &handled, due + DEADLINE).len(), 1);
    }

    #[test]
    fn a_gap_that_moves_is_another_one() {
        let (mut watch, start) = (GapWatch::new(DEADLINE), Instant::now());
        let handled = positions([5, 0], [5, 0]);
        watch.observe(&[gap(1, 3)], &handled, start);
        assert!(watch.observe(&[gap(2, 4)], &handled, start + DEADLINE).is_empty());
        assert!(watch.observe(&[], &handled, start + DEADLINE * 2).is_empty());
        assert!(watch.observe(&[gap(2, 4)], &handled, start + DEADLINE * 3).is_empty());
    }

    #[test]
    fn behind_poison_nothing_counts_and_a_mark_counts_at_once() {
        let (mut watch, start) = (GapWatch::new(DEADLINE), Instant::now());
        let handled = positions([5, 0], [5, 0]);
        let mut poison = gap(1, 2);
        poison.lowest.reason = ParkReason::Poison;
        watch.observe(&[poison.clone()], &handled, start);
        assert!(watch.observe(&[poison], &handled, start + DEADLINE * 2).is_empty());

        let mut marked = gap(1, 3);
        marked.lowest.mark = Some(Mark::Retry);
        let unhandled = positions([5, 5], [0, 0]);
        assert_eq!(watch.observe(&[marked.clone()], &unhandled, start).len(), 1);
        assert!(watch.observe(&[marked], &unhandled, start).is_empty(), "once");
    }
}
