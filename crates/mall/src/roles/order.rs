//! The order service.

use anyhow::Result;
use shop::domain::Source;
use shop::store::Store;
use tokio_util::sync::CancellationToken;
use web::OrderService;

use super::startup::Startup;
use super::{admission, ahead};
use crate::clock;
use crate::config::Settings;
use crate::metrics::ServiceMetrics;
use crate::supervised;

/// Runs until `shutdown` is cancelled, then finishes what it has accepted.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let mut role = Startup::begin("order", settings, shutdown, |_, _| "order".to_owned())?;
    let Some(adapters) = role.open(Source::Orders).await? else {
        return Ok(());
    };
    let admitted = admission::to_journal(&*adapters.store, role.options());
    if role.unless_stopped(admitted).await?.is_none() {
        return Ok(());
    }
    note_start(&*adapters.store).await;
    let service = role.start(&adapters, Source::Orders);
    ahead::look(&adapters, &role.options().topic);
    role.ready.next_order = adapters.store.next_order().await.ok().map(|next| next.0);
    let orders = service.order_commit();
    role.metrics.service = Some(ServiceMetrics::of(&service, vec![("orders", orders.metrics().clone())]));
    let router = web::order_router(OrderService {
        store: adapters.store.clone(),
        orders: orders.clone(),
        readiness: service.readiness().clone(),
        authority: role.address.to_string(),
    });
    let (ready, stop) = (format!("listening on http://{}", role.address), role.shutdown.clone());
    role.serve(&ready, router, Some(service.readiness().clone()), stop)
        .await;
    orders.close().await;
    service.finish().await;
    Ok(())
}

/// Notes when the service was started, for `mall verify --since last-start`. A process that the supervisor starts again
/// belongs to the same start of the mall.
async fn note_start(store: &dyn Store) {
    if supervised::is_started_again() {
        return;
    }
    if let Err(error) = store.note_start(Source::Orders, clock::now()).await {
        tracing::warn!("this start can't be noted, so verify --since last-start goes back to the one before: {error}");
    }
}
