//! The order service.

use anyhow::Result;
use shop::domain::Source;
use tokio_util::sync::CancellationToken;
use web::OrderService;

use super::startup::Startup;
use super::{admission, ahead};
use crate::clock;
use crate::config::Settings;

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
    let relaying = role.relay(&adapters, Source::Orders);
    ahead::look(&adapters, &role.options().topic);
    let orders = relaying.group_commit(|store, batch| async move { store.run_orders(&batch, clock::now()).await });
    role.metrics.service = Some(relaying.service_metrics(vec![("orders", orders.metrics().clone())]));
    let router = web::order_router(OrderService {
        store: adapters.store.clone(),
        orders: orders.clone(),
        readiness: relaying.readiness.clone(),
        authority: role.address.to_string(),
    });
    let (ready, stop) = (format!("listening on http://{}", role.address), role.shutdown.clone());
    role.serve(&ready, router, Some(relaying.readiness.clone()), stop).await;
    orders.close().await;
    relaying.finish().await;
    Ok(())
}
