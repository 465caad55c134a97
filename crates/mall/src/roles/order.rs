//! The order service.

use std::sync::Arc;

use anyhow::Result;
use shop::domain::Source;
use shop::health::Readiness;
use tokio_util::sync::CancellationToken;
use web::OrderService;

use super::relaying::Relaying;
use super::{adapters, ahead};
use crate::config::Settings;
use crate::metrics::{Page, Service};
use crate::{lifeline, net, telemetry};

/// Runs until `shutdown` is cancelled, then drains.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let options = &settings.options;
    let mut page = Page::new("order");
    telemetry::init("order", options.log, &options.log_level);
    settings.tell_idle();
    let listener = net::bind(options.listen, settings.port, settings.port_fixed)?;
    let address = listener.local_addr()?;
    let Some(adapters) = shutdown
        .run_until_cancelled(adapters::open(options, Source::Orders))
        .await
    else {
        return Ok(());
    };
    let adapters = adapters?;
    ahead::look(&adapters, &options.topic);
    let readiness = Arc::new(Readiness::new(super::now));
    let relaying = Relaying::start(&adapters, options, Source::Orders, readiness.clone());
    let orders = relaying.group_commit(|store, batch| async move { store.run_orders(&batch, super::now()).await });
    page.service = Some(Service::new(
        Source::Orders,
        adapters.store.clone(),
        readiness.clone(),
        relaying.metrics.clone(),
        vec![("orders", orders.metrics().clone())],
    ));
    let front = super::front(&page, options);
    let router = page.on(web::order_router(OrderService {
        store: adapters.store.clone(),
        orders: orders.clone(),
        readiness: readiness.clone(),
        authority: address.to_string(),
    }));
    lifeline::tell_ready();
    tracing::info!("listening on http://{address}");
    super::say_when_stopping(&shutdown, readiness);
    let limits = net::limits(options.shutdown_timeout);
    web::serve(listener, router, limits, front, shutdown).await;
    orders.close().await;
    relaying.finish().await;
    Ok(())
}
