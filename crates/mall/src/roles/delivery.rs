//! The delivery service: one instance of it.

use std::sync::Arc;

use anyhow::{Context, Result};
use keylane_log::{Consumer, EventLog, Subscription};
use shop::domain::Source;
use shop::health::Readiness;
use tokio_util::sync::CancellationToken;
use web::DeliveryService;

use super::adapters;
use super::consuming::Consuming;
use super::patience::patiently;
use super::relaying::Relaying;
use crate::config::{RoleOptions, Settings};
use crate::metrics::{Page, Service};
use crate::{lifeline, net, telemetry};

/// Runs until `shutdown` is cancelled, then drains.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let options = &settings.options;
    let mut page = Page::new("delivery");
    let listener = net::bind(options.listen, settings.port, settings.port_fixed)?;
    let address = listener.local_addr()?;
    let name = settings
        .name
        .clone()
        .unwrap_or_else(|| net::delivery_name(address.port()));
    telemetry::init(&name, options.log, &options.log_level);
    settings.tell_idle();
    if !settings.port_fixed && address.port() != settings.port {
        tracing::info!("port {} is taken, using {}", settings.port, address.port());
    }
    let Some(adapters) = shutdown
        .run_until_cancelled(adapters::open(options, Source::Deliveries))
        .await
    else {
        return Ok(());
    };
    let adapters = adapters?;
    let readiness = Arc::new(Readiness::new(super::now));
    let relaying = Relaying::start(&adapters, options, Source::Deliveries, readiness.clone());
    let own_name = format!("{name}/{}", std::process::id());
    let Some(consumer) = shutdown.run_until_cancelled(join(&adapters.log, options, name)).await else {
        relaying.finish().await;
        return Ok(());
    };
    let consumer = consumer?;
    let consuming = Consuming::start(consumer, &adapters, &relaying, options, own_name, shutdown.clone());
    page.service = Some(Service::new(
        Source::Deliveries,
        adapters.store.clone(),
        readiness.clone(),
        relaying.metrics.clone(),
        consuming.commits(),
    ));
    page.consumer = Some(consuming.metrics(adapters.log.clone(), options));
    let front = super::front(&page, options);
    let router = page.on(web::delivery_router(DeliveryService {
        store: adapters.store.clone(),
        readiness: readiness.clone(),
        authority: address.to_string(),
    }));
    lifeline::tell_ready();
    tracing::info!("listening on http://{address}");
    super::say_when_stopping(&shutdown, readiness);
    let limits = net::limits(options.shutdown_timeout);
    // A consumer that can't go on ends the whole instance: somebody else gets its partitions.
    let serving = shutdown.child_token();
    let server = tokio::spawn(web::serve(listener, router, limits, front, serving.clone()));
    let consumed = consuming.finish().await.context("the consumer ended badly")?;
    serving.cancel();
    server.await?;
    relaying.finish().await;
    consumed.context("the log can't be consumed any more")?;
    Ok(())
}

async fn join(log: &Arc<dyn EventLog>, options: &RoleOptions, member: String) -> Result<Box<dyn Consumer>> {
    let subscription = Subscription {
        group: options.group.clone(),
        topics: vec![options.topic.clone()],
        member,
        session_timeout: options.session_timeout,
        drain_timeout: options.shutdown_timeout,
    };
    patiently("the group can't be joined", async || {
        let (log, subscription) = (log.clone(), subscription.clone());
        tokio::task::spawn_blocking(move || log.subscribe(&subscription))
            .await
            .expect("the log doesn't panic")
    })
    .await
}
