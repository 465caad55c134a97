//! The measures of a delivery instance: of its lanes, its handler, and how far its group is behind.

use std::sync::Arc;

use keylane::Metrics as LaneMetrics;
use shop::LogCalls;
use shop::delivery::{DeliveryMetrics, EventCounter};
use shop::domain::{EventType, OrderEventType};

use super::lag::{self, Lag};
use super::sampled::Sampled;
use super::text::MetricsText;
use crate::clock;

/// The metrics of a delivery instance.
pub struct ConsumerMetrics {
    lanes: Arc<LaneMetrics>,
    delivery: Arc<DeliveryMetrics>,
    topic: String,
    lag: Sampled<Vec<Lag>>,
}

impl ConsumerMetrics {
    /// The metrics of a member of `group`, which reads `topic`.
    pub fn new(
        lanes: Arc<LaneMetrics>,
        delivery: Arc<DeliveryMetrics>,
        log: LogCalls,
        group: &str,
        topic: &str,
    ) -> Self {
        let (group, asked) = (group.to_owned(), topic.to_owned());
        let lag = Sampled::new(move || {
            let (log, group, topic) = (log.clone(), group.clone(), asked.clone());
            async move {
                let lag = log.ask("committed", move |log| lag::of(log, &group, &topic));
                lag.await.ok()
            }
        });
        Self {
            lanes,
            delivery,
            topic: topic.to_owned(),
            lag,
        }
    }

    pub async fn write(&self, text: &mut MetricsText) {
        write_lanes(&self.lanes, text);
        write_events(&self.delivery, text);
        write_delivery(&self.delivery, text);
        if let Some(lags) = self.lag.get().await {
            self.write_lag(&lags, text);
        }
    }

    fn write_lag(&self, lags: &[Lag], text: &mut MetricsText) {
        let help = "Records that the group has not committed. Every instance tells this of all partitions.";
        let mut records = text.gauge("mall_consumer_lag_records", help);
        for lag in lags {
            let partition = lag.partition.to_string();
            records.count(&[("topic", &self.topic), ("partition", &partition)], lag.records);
        }
        let help = "How old the first of these records is.";
        let mut seconds = text.gauge("mall_consumer_lag_seconds", help);
        for lag in lags {
            let partition = lag.partition.to_string();
            let labels = [("topic", self.topic.as_str()), ("partition", &partition)];
            seconds.age(&labels, lag.oldest, clock::now());
        }
    }
}

#[rustfmt::skip]
fn write_lanes(lanes: &LaneMetrics, text: &mut MetricsText) {
    let counters = [
        ("mall_lanes_done_total", "Records that were handled.", &lanes.done),
        ("mall_lanes_parked_total", "Records that the handler handed over to be parked.", &lanes.parked),
        ("mall_lanes_retried_total", "Attempts at a record that failed and are to be repeated.", &lanes.retried),
        ("mall_lanes_skipped_total", "Records that a former owner had done behind its committed offset.", &lanes.skipped),
        ("mall_lanes_late_total", "Records that were done after their partition had been lost.", &lanes.late),
        ("mall_lanes_self_check_failures_total", "Records that the lanes started out of the order of their key: a defect of this program.", &lanes.order_violations),
        ("mall_lanes_commits_total", "Positions that were committed.", &lanes.commits),
        ("mall_lanes_commits_refused_total", "Positions refused because the partition was no longer ours.", &lanes.commits_refused),
        ("mall_lanes_commits_failed_total", "Commits that got no answer and are tried again.", &lanes.commits_failed),
        ("mall_lanes_partitions_lost_total", "Partitions taken away without a revoke, or whose drain took too long.", &lanes.partitions_lost),
    ];
    for (name, help, number) in counters {
        text.counter(name, help).count(&[], number.get());
    }
    let gauges = [
        ("mall_lanes_draining_partitions", "Partitions that are to be given back and wait for what is in flight.", &lanes.draining_partitions),
        ("mall_lanes_paused_partitions", "Partitions not fetched because too much of them is in memory.", &lanes.paused_partitions),
        ("mall_lanes_in_flight", "Lanes in flight.", &lanes.in_flight),
        ("mall_lanes_queued_records", "Records that wait in memory.", &lanes.queued),
        (
            "mall_lanes_waiting",
            "Lanes that wait for the next try of a record.",
            &lanes.waiting,
        ),
        ("mall_lanes_buffered_bytes", "Bytes of the records that wait or are in flight.", &lanes.buffered_bytes),
    ];
    for (name, help, number) in gauges {
        text.gauge(name, help).count(&[], number.get());
    }
    text.gauge("mall_lanes_oldest_in_flight_seconds", "For how long the oldest lane has been in flight.")
        .sample(&[], lanes.oldest_in_flight_ms.get() as f64 / 1000.0);
}

fn write_events(delivery: &DeliveryMetrics, text: &mut MetricsText) {
    let outcomes: [(&str, &EventCounter); 7] = [
        ("applied", &delivery.applied),
        ("duplicate", &delivery.duplicates),
        ("stale_refused", &delivery.stale_refused),
        ("parked", &delivery.parked),
        ("ignored", &delivery.ignored),
        ("poisoned", &delivery.poisoned),
        ("dead_letter", &delivery.buried),
    ];
    let help =
        "Order events handled, by what became of them; one that was parked is counted again when it gets its turn.";
    let mut events = text.counter("mall_delivery_events_total", help);
    let known = [
        OrderEventType::Placed,
        OrderEventType::Modified,
        OrderEventType::Cancelled,
    ]
    .map(Some);
    for (outcome, counter) in outcomes {
        for event_type in known.into_iter().chain([None]) {
            let name = event_type.map_or("unreadable", |known| EventType::Order(known).name());
            events.count(&[("type", name), ("outcome", outcome)], counter.of(event_type));
        }
    }
}

#[rustfmt::skip]
fn write_delivery(delivery: &DeliveryMetrics, text: &mut MetricsText) {
    let counters = [
        ("mall_delivery_out_of_order_total", "Events that took effect after a later event of their order, as without a fence they may.", &delivery.out_of_order),
        ("mall_delivery_foreign_records_total", "Records that are no order events, and were passed over.", &delivery.foreign),
        ("mall_delivery_handed_over_total", "Parked events that got their turn.", &delivery.handed_over),
        ("mall_delivery_discarded_total", "Versions that were passed over because a person decided so.", &delivery.discarded),
        ("mall_delivery_gap_alarms_total", "Missing versions whose deadline passed.", &delivery.gap_alarms),
        ("mall_delivery_resynced_total", "Missing versions that the order service gave when asked.", &delivery.resynced),
    ];
    for (name, help, counter) in counters {
        text.counter(name, help).count(&[], counter.get());
    }
    let help = "How long a record took, with its slow work and with what waited for it.";
    text.histogram("mall_handler_duration_seconds", help).distribution(&[], &delivery.handling.read());
    text.histogram("mall_apply_duration_seconds", "From when an event was to be applied to its commit.")
        .distribution(&[], &delivery.applying.read());
}
