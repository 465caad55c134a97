//! The gateway: one address for both services.

use std::net::SocketAddr;

use anyhow::Result;
use tokio_util::sync::CancellationToken;
use web::BaseUrl;

use super::startup::Startup;
use crate::config::Settings;
use crate::exit::Usage;

/// Runs until `shutdown` is cancelled, then finishes the requests in flight.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let role = Startup::begin("gateway", settings, shutdown, |_, _| "gateway".to_owned())?;
    let (order, delivery) = (role.options().order_url(), role.options().delivery_url());
    refuse_itself(role.address, &order, &delivery)?;
    let ready = format!(
        "gateway on http://{}: /orders from {}, /deliveries from {}",
        role.address,
        order.as_str(),
        delivery.as_str()
    );
    let router = web::gateway::router(order, delivery);
    let stop = role.shutdown.clone();
    role.serve(&ready, router, None, stop).await;
    Ok(())
}

/// Refuses a gateway that leads to itself, which would pass each request round and round.
fn refuse_itself(here: SocketAddr, order: &BaseUrl, delivery: &BaseUrl) -> Result<(), Usage> {
    for (option, url) in [("--order-url", order), ("--delivery-url", delivery)] {
        if url.is_ours(here.ip(), here.port()) {
            let url = url.as_str();
            return Err(Usage(format!(
                "{option} {url} is the gateway's own address; allowed: that of a service"
            )));
        }
    }
    Ok(())
}
