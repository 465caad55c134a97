//! The delivery service: one instance of it.

use std::sync::Arc;

use anyhow::{Context, Result};
use keylane_log::{Consumer, Subscription};
use shop::LogCalls;
use shop::delivery::{DEAD_LETTERS, DeliveryMetrics, Hold, Instance, ModifyDelay};
use shop::domain::Source;
use shop::service::{Delivering, DeliveringOptions, Guard, Lanes, Service};
use tokio_util::sync::CancellationToken;
use web::{DeliveryService, order_journal};

use super::gates::Gates;
use super::startup::Startup;
use super::{admission, idleness};
use crate::adapters::until_available;
use crate::config::{self, Settings};
use crate::metrics::{ConsumerMetrics, ServiceMetrics};
use crate::modes::Modes;
use crate::{clock, net};

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
    let subscription = subscription(&role, member);
    let admitted = admission::to_group(&adapters.log, role.options(), &subscription);
    if role.unless_stopped(admitted).await?.is_none() {
        return Ok(());
    }
    let service = role.start(&adapters, Source::Deliveries);
    let client = adapters.log.log().client_id(&subscription);
    let joining = join(&adapters.log, subscription);
    let Some(consumer) = role.unless_stopped(joining).await? else {
        service.finish().await;
        return Ok(());
    };
    let consumer = match &role.gates {
        Some(gates) => gates.on_consumer(consumer),
        None => consumer,
    };
    let shutdown = role.shutdown.clone();
    let (delivering, lanes) = deliver(&role, &service, instance, &shutdown);
    let (log, options) = (adapters.log.clone(), role.options().clone());
    role.metrics.service = Some(ServiceMetrics::of(&service, delivering.commits()));
    role.metrics.consumer = Some(ConsumerMetrics::new(
        lanes.options.metrics.clone(),
        delivering.metrics().clone(),
        log.clone(),
        &options.group,
        &options.topic,
    ));
    let runner = tokio::spawn(keylane::run(consumer, lanes.handler, lanes.options, shutdown.clone()));
    tokio::spawn(idleness::watch(log, options, client, shutdown.clone()));
    let router = web::delivery_router(DeliveryService {
        store: adapters.store.clone(),
        readiness: service.readiness().clone(),
        authority: role.address.to_string(),
    });
    let ready = format!("listening on http://{}", role.address);
    let (readiness, stop_serving) = (service.readiness().clone(), shutdown.child_token());
    let stop = stop_serving.clone();
    let server = tokio::spawn(async move { role.serve(&ready, router, Some(readiness), stop).await });
    // An instance whose consumer can't go on ends altogether, so that another one gets its partitions.
    let consumed = runner.await;
    delivering.finish().await;
    let consumed = consumed.context("the consumer ended badly")?;
    stop_serving.cancel();
    server.await?;
    service.finish().await;
    consumed.context("the log can't be consumed any more")?;
    Ok(())
}

/// The name of the instance in log lines and in the group.
fn name(settings: &Settings, port: u16) -> String {
    settings.name.clone().unwrap_or_else(|| net::delivery_name(port))
}

/// Starts the instance that no other process has the name of.
fn deliver(role: &Startup, service: &Service, name: String, shutdown: &CancellationToken) -> (Delivering, Lanes) {
    let options = role.options();
    let letters = role.gates.as_ref().and_then(Gates::letters);
    let instance = Instance {
        name: name.into(),
        group: options.group.as_str().into(),
        letters: letters.unwrap_or_else(|| DEAD_LETTERS.to_owned()).into(),
        delay: ModifyDelay {
            time: options.modify_delay,
            customer: options.modify_delay_customer,
        },
        clock: clock::now,
        metrics: Arc::new(DeliveryMetrics::default()),
        observer: role.observer.clone(),
        hold: role.gates.as_ref().map_or_else(Hold::default, Gates::hold),
    };
    let delivering = DeliveringOptions {
        topic: options.topic.clone(),
        guard: match options.guard {
            config::Guard::Version => Guard::Version,
            config::Guard::Off => Guard::Off,
        },
        lanes: options.lanes,
        gap_deadline: options.gap_deadline,
        drain: options.shutdown_timeout,
    };
    let journal = order_journal(options.order_url());
    Delivering::start(service, &delivering, instance, journal, shutdown)
}

fn subscription(role: &Startup, member: String) -> Subscription {
    let options = role.options();
    Subscription {
        group: options.group.clone(),
        topics: vec![options.topic.clone()],
        member,
        note: Modes::of(options).note(net::reached_at(role.address)),
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
