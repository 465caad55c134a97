//! The delivery service: one instance of it.

use anyhow::{Context, Result};
use keylane_log::{Consumer, Subscription};
use shop::LogCalls;
use shop::domain::Source;
use tokio_util::sync::CancellationToken;
use web::DeliveryService;

use super::consuming::Consuming;
use super::startup::Startup;
use super::{admission, idleness};
use crate::adapters::until_available;
use crate::config::{RoleOptions, Settings};
use crate::modes::Modes;
use crate::net;

/// Runs until `shutdown` is cancelled, then finishes what it has accepted.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let mut role = Startup::begin("delivery", settings, shutdown, name)?;
    let Some(adapters) = role.open(Source::Deliveries).await? else {
        return Ok(());
    };
    let member = name(&role.settings, role.address.port());
    // An instance that is started again under the same name is another instance.
    let instance = format!("{member}/{}", std::process::id());
    role.instance = Some(instance.clone());
    let subscription = subscription(role.options(), member);
    let admitted = admission::to_group(&adapters.log, role.options(), &subscription);
    if role.unless_stopped(admitted).await?.is_none() {
        return Ok(());
    }
    let relaying = role.relay(&adapters, Source::Deliveries);
    let client = adapters.log.log().client_id(&subscription);
    let joining = join(&adapters.log, subscription);
    let Some(consumer) = role.unless_stopped(joining).await? else {
        relaying.finish().await;
        return Ok(());
    };
    let shutdown = role.shutdown.clone();
    let consuming = Consuming::start(
        consumer,
        &adapters,
        &relaying,
        role.options(),
        instance,
        shutdown.clone(),
    );
    let (log, options) = (adapters.log.clone(), role.options().clone());
    tokio::spawn(idleness::watch(log, options, client, shutdown.clone()));
    role.metrics.service = Some(relaying.service_metrics(consuming.commits()));
    role.metrics.consumer = Some(consuming.metrics(adapters.log.clone(), role.options()));
    let router = web::delivery_router(DeliveryService {
        store: adapters.store.clone(),
        readiness: relaying.readiness.clone(),
        authority: role.address.to_string(),
    });
    let ready = format!("listening on http://{}", role.address);
    let (readiness, stop_serving) = (relaying.readiness.clone(), shutdown.child_token());
    let stop = stop_serving.clone();
    let server = tokio::spawn(async move { role.serve(&ready, router, Some(readiness), stop).await });
    // An instance whose consumer can't go on ends altogether, so that another one gets its partitions.
    let consumed = consuming.finish().await.context("the consumer ended badly")?;
    stop_serving.cancel();
    server.await?;
    relaying.finish().await;
    consumed.context("the log can't be consumed any more")?;
    Ok(())
}

/// The name of the instance in log lines and in the group.
fn name(settings: &Settings, port: u16) -> String {
    settings.name.clone().unwrap_or_else(|| net::delivery_name(port))
}

fn subscription(options: &RoleOptions, member: String) -> Subscription {
    Subscription {
        group: options.group.clone(),
        topics: vec![options.topic.clone()],
        member,
        note: Modes::of(options).note(),
        session_timeout: options.session_timeout,
        drain_timeout: options.shutdown_timeout,
    }
}

async fn join(log: &LogCalls, subscription: Subscription) -> Result<Box<dyn Consumer>> {
    until_available("the group can't be joined", async || {
        let subscription = subscription.clone();
        log.ask("subscribe", move |log| log.subscribe(&subscription)).await
    })
    .await
}
