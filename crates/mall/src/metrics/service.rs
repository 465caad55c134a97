//! The measures of a service: of its group commits, its relay, and the rows that wait in its database.

use std::sync::Arc;

use shop::commit::CommitMetrics;
use shop::domain::Source;
use shop::domain::fence::ParkReason;
use shop::health::{Fact, FactState, Readiness};
use shop::relay::RelayMetrics;
use shop::service::Service;
use shop::store::{Backlog, Waiting};

use super::sampled::Sampled;
use super::text::MetricsText;
use crate::clock;

/// The metrics of a service.
pub struct ServiceMetrics {
    source: Source,
    readiness: Arc<Readiness>,
    relay: Arc<RelayMetrics>,
    /// The group commits, each with the name of what it commits.
    commits: Vec<(&'static str, Arc<CommitMetrics>)>,
    backlog: Sampled<Backlog>,
}

impl ServiceMetrics {
    /// The metrics of a service, with those of its group commits.
    pub fn of(service: &Service, commits: Vec<(&'static str, Arc<CommitMetrics>)>) -> Self {
        let (source, store) = (service.source(), service.store().clone());
        let backlog = Sampled::new(move || {
            let store = store.clone();
            async move { store.backlog(source).await.ok() }
        });
        Self {
            source,
            readiness: service.readiness().clone(),
            relay: service.relay_metrics().clone(),
            commits,
            backlog,
        }
    }

    pub async fn write(&self, text: &mut MetricsText) {
        self.write_commits(text);
        self.write_relay(text);
        let backlog = self.backlog.get().await;
        self.write_facts(text);
        if let Some(backlog) = backlog {
            write_journal(&backlog.journal, text);
            if self.source == Source::Deliveries {
                write_letters(&backlog.letters, text);
                write_parked(&backlog, text);
            }
        }
    }

    /// The facts of `/readyz` as numbers. A fact that has not been looked at yet is left out.
    fn write_facts(&self, text: &mut MetricsText) {
        let help = "Whether this service can do its job, as /readyz says.";
        text.gauge("mall_ready", help)
            .count(&[], u64::from(self.readiness.is_ready()));
        for fact in Fact::ALL {
            let (name, help) = gauge(fact);
            let mut gauge = text.gauge(name, help);
            if let Some(value) = value(fact, &self.readiness.state(fact)) {
                gauge.count(&[], value);
            }
        }
    }

    fn write_commits(&self, text: &mut MetricsText) {
        let mut sizes = text.histogram("mall_commit_batch_size", "Requests that shared a transaction.");
        for (batch, commit) in &self.commits {
            sizes.distribution(&[("batch", batch)], &commit.sizes.read());
        }
        let help = "How long a transaction took, whatever its outcome.";
        let mut times = text.histogram("mall_commit_batch_duration_seconds", help);
        for (batch, commit) in &self.commits {
            times.distribution(&[("batch", batch)], &commit.times.read());
        }
        let help = "Tries of requests alone, after their transaction had been rolled back.";
        let mut alone = text.counter("mall_commit_retries_alone_total", help);
        for (batch, commit) in &self.commits {
            alone.count(&[("batch", batch)], commit.alone.get());
        }
    }

    fn write_relay(&self, text: &mut MetricsText) {
        let relay = &self.relay;
        let mut published = text.counter("mall_relay_published_total", "Events that the log has acknowledged.");
        let ours = relay
            .published()
            .filter(|(event_type, _)| event_type.source() == self.source);
        for (event_type, count) in ours {
            published.count(&[("type", event_type.name())], count);
        }
        let help = "Tries to publish that failed and were begun anew.";
        text.counter("mall_relay_failures_total", help)
            .count(&[], relay.failures.get());
        let help = "Whether this process is the one that publishes the journal.";
        text.gauge("mall_relay_lease_held", help).count(&[], relay.lease.get());
        if self.source == Source::Deliveries {
            let help = "Dead letters that the log has acknowledged.";
            text.counter("mall_dead_letters_published_total", help)
                .count(&[], relay.letters.get());
            text.gauge("mall_dead_letters_blocked", "Dead letters that the log refuses.")
                .count(&[], relay.blocked_letters.get());
        }
    }
}

/// The name and the help of the gauge that shows a fact.
fn gauge(fact: Fact) -> (&'static str, &'static str) {
    match fact {
        Fact::Database => (
            "mall_database_reachable",
            "Whether the database accepts our connections and answers.",
        ),
        Fact::Writable => (
            "mall_database_writable",
            "Whether the database takes what this service writes.",
        ),
        Fact::Log => (
            "mall_log_reachable",
            "Whether the log answered the relay when it was last asked.",
        ),
        Fact::Blocked => (
            "mall_blocked_orders",
            "Orders that wait because the log refuses one of their events.",
        ),
        Fact::Parked => (
            "mall_parked_orders",
            "Orders that wait for a person, since an event can't be handled.",
        ),
    }
}

/// The number that stands for a fact's state: how many orders are concerned where these are counted, otherwise 1 or 0 for
/// good or bad. None if the fact has not been looked at yet.
fn value(fact: Fact, state: &FactState) -> Option<u64> {
    match (fact, state) {
        (_, FactState::Unknown) => None,
        (Fact::Blocked | Fact::Parked, FactState::Good) => Some(0),
        (Fact::Blocked | Fact::Parked, FactState::Bad { count, .. }) => *count,
        (Fact::Database | Fact::Writable | Fact::Log, state) => Some(u64::from(*state == FactState::Good)),
    }
}

fn write_journal(journal: &Waiting, text: &mut MetricsText) {
    text.gauge(
        "mall_journal_unpublished",
        "Events in the journal that wait to be published.",
    )
    .count(&[], journal.count);
    let help = "For how long the oldest of them has waited.";
    text.gauge("mall_journal_unpublished_age_seconds", help)
        .age(&[], journal.oldest, clock::now());
}

fn write_letters(letters: &Waiting, text: &mut MetricsText) {
    text.gauge(
        "mall_dead_letters_unpublished",
        "Dead letters that wait to be published.",
    )
    .count(&[], letters.count);
    let help = "For how long the oldest of them has waited.";
    text.gauge("mall_dead_letters_unpublished_age_seconds", help)
        .age(&[], letters.oldest, clock::now());
}

fn write_parked(backlog: &Backlog, text: &mut MetricsText) {
    text.gauge("mall_parked_keys", "Orders of which an event is parked.")
        .count(&[], backlog.parked_keys);
    let of = |wanted: ParkReason| {
        let found = backlog.parked.iter().find(|(reason, _)| *reason == wanted);
        found.map_or(Waiting::default(), |(_, waiting)| *waiting)
    };
    let mut events = text.gauge("mall_parked_events", "Events that are parked, by reason.");
    for reason in ParkReason::ALL {
        events.count(&[("reason", reason.name())], of(reason).count);
    }
    let help = "For how long the oldest of them has been parked.";
    let mut ages = text.gauge("mall_parked_age_seconds", help);
    for reason in ParkReason::ALL {
        ages.age(&[("reason", reason.name())], of(reason).oldest, clock::now());
    }
}
