//! Looks who is there already, before a role joins them: the members of the group, or the order service that publishes.
//!
//! ```text
//!   delivery: members of the group ──┐
//!                                    ├─▶ objection? ─▶ wait for who may have crashed ─▶ still there: refused (64)
//!   order: holder of the lease ──────┘
//! ```
//! A process that was killed keeps its place in a Kafka group until its session ends, and its lease until that ends. The
//! embedded log knows at once.

use std::time::Duration;

use anyhow::Result;
use keylane_log::{EventLog, GroupMember, LogError, Subscription};
use shop::LogCalls;
use shop::domain::Source;
use shop::relay::{LEASE, lease_name};
use shop::store::Store;
use tokio::time::{Instant, sleep};

use crate::adapters::until_available;
use crate::config::RoleOptions;
use crate::exit::Usage;
use crate::modes::objection::{self, Joining, Objection, Past};
use crate::modes::{Modes, Seen};
use crate::{clock, supervised};

/// The pause between two looks.
const PAUSE: Duration = Duration::from_millis(500);
/// How long is waited beyond the end of a session or a lease, before a role is refused.
const SLACK: Duration = Duration::from_secs(2);
/// The session of a member whose group's brokers decide about it, unless they were told otherwise (KIP-848).
const BROKERS_SESSION: Duration = Duration::from_secs(45);

/// Refuses a delivery instance that would not fit into its group, and says who is in it.
pub async fn to_group(log: &LogCalls, options: &RoleOptions, subscription: &Subscription) -> Result<()> {
    let joining = joining(&**log.log(), options, subscription);
    let mut members = Vec::new();
    let look = async || {
        members = members_of(log, &options.group).await?;
        Ok(objection::to_joining(&joining, &members))
    };
    let patience = |objection: &Objection| match objection {
        // The instance that had the name may be ending, which takes until the work in flight is done.
        Objection::Name { .. } => session(options).max(options.shutdown_timeout + SLACK),
        _ => session(options),
    };
    unless_objected(patience, look).await?;
    // An instance is not told about a member that is its own earlier process.
    let own = Seen::parse(&log.log().client_id(subscription)).name;
    let others = members.iter().map(|member| Seen::parse(&member.client));
    tell_of(
        &options.group,
        others.filter(|seen| seen.name != own || seen.modes.is_none()),
    );
    Ok(())
}

/// Refuses an order service that would publish with another key than the one that publishes now.
pub async fn to_journal(store: &dyn Store, options: &RoleOptions) -> Result<()> {
    let name = lease_name(Source::Orders);
    let look = async || {
        let holder = until_available("the relay's lease can't be looked up", async || {
            store.lease_holder(&name, clock::now()).await
        });
        let holder = holder.await?.filter(|_| !options.mixed);
        Ok(holder.and_then(|holder| objection::to_publishing(options.key, &holder)))
    };
    unless_objected(|_| LEASE + SLACK, look).await
}

/// Looks until nothing speaks against joining. Gives up once a process that had crashed, or was ending, would be gone; how
/// long that takes depends on the objection.
async fn unless_objected(
    patience: impl Fn(&Objection) -> Duration,
    mut look: impl AsyncFnMut() -> Result<Option<Objection>>,
) -> Result<()> {
    let begun = Instant::now();
    let mut told = false;
    while let Some(objection) = look().await? {
        let patience = patience(&objection);
        if begun.elapsed() >= patience {
            return Err(Usage(objection.sentence()).into());
        }
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(
                "{}; waiting {patience:?} at most, in case its process has crashed or is ending",
                objection.who()
            );
        }
        sleep(PAUSE).await;
    }
    Ok(())
}

fn joining(log: &dyn EventLog, options: &RoleOptions, subscription: &Subscription) -> Joining {
    let seen = Seen::parse(&log.client_id(subscription));
    if seen.modes.is_none() {
        tracing::warn!("client.id was given, so others can't see this instance's --key, --guard and --lanes");
    }
    let past = match options.storage.kafka_property("group.instance.id") {
        Some(_) => Past::Static,
        None if supervised::is_started_again() => Past::Ended,
        None => Past::Other,
    };
    Joining {
        group: options.group.clone(),
        name: Some(seen.name),
        past,
        modes: Modes::of(options),
        mixed: options.mixed,
    }
}

/// For how long a member that has crashed may still be listed.
fn session(options: &RoleOptions) -> Duration {
    let storage = &options.storage;
    if storage.bootstrap_server.is_none() {
        return Duration::ZERO;
    }
    if storage.has_newer_protocol() {
        return BROKERS_SESSION + SLACK;
    }
    let given = storage.kafka_property("session.timeout.ms");
    let given = given.and_then(|text| text.parse().ok()).map(Duration::from_millis);
    given.unwrap_or(options.session_timeout) + SLACK
}

/// The members of the group; empty, with a warning, if the log refuses to list them.
async fn members_of(log: &LogCalls, group: &str) -> Result<Vec<GroupMember>> {
    until_available("the members of the group can't be looked up", async || {
        let name = group.to_owned();
        match log.ask("members", move |log| log.members(&name)).await {
            Err(error @ LogError::Unavailable(_)) => Err(error),
            Err(error) => {
                tracing::warn!("can't tell who else is in group {group}: {error}");
                Ok(Vec::new())
            }
            members => members,
        }
    })
    .await
}

/// Says who is in the group already, so that an instance which somebody forgot is noticed.
fn tell_of(group: &str, others: impl Iterator<Item = Seen>) {
    let (mut instances, mut strangers) = (Vec::new(), Vec::new());
    for seen in others {
        match seen.modes {
            Some(modes) => instances.push((seen.name, modes)),
            None => strangers.push(seen.name),
        }
    }
    if !instances.is_empty() {
        tracing::info!("group {group} has {} already", objection::listed(&instances).english);
    }
    if !strangers.is_empty() {
        tracing::warn!(
            "group {group} has {} already, which does not tell of --key, --guard and --lanes: another program, or an older \
             version. What it handles may be handled otherwise than here",
            objection::names(strangers.iter().map(String::as_str)).english
        );
    }
}
