//! The gateway: one address for both services.

use std::net::SocketAddr;

use tokio_util::sync::CancellationToken;
use web::{BaseUrl, Front};

use crate::config::Settings;
use crate::exit::Usage;
use crate::metrics::Page;
use crate::{lifeline, net, telemetry};

/// Serves until `shutdown` is cancelled, then finishes the requests in flight.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> anyhow::Result<()> {
    let options = settings.options.clone();
    let page = Page::new("gateway");
    telemetry::init("gateway", options.log, &options.log_level);
    settings.tell_idle();
    let listener = net::bind(options.listen, settings.port, settings.port_fixed)?;
    let order = options.order_url.unwrap_or_else(|| BaseUrl::local(8081));
    let delivery = options
        .delivery_url
        .unwrap_or_else(|| BaseUrl::local(net::FIRST_DELIVERY));
    refuse_itself(listener.local_addr()?, &order, &delivery)?;
    lifeline::tell_ready();
    tracing::info!(
        "gateway on http://{}: /orders from {}, /deliveries from {}",
        listener.local_addr()?,
        order.as_str(),
        delivery.as_str()
    );
    let port = listener.local_addr()?.port();
    let limits = net::limits(options.shutdown_timeout);
    let front = Front {
        traffic: page.traffic.clone(),
        origins: options.cors_origin.into_iter().collect(),
    };
    let router = page.on(web::gateway::router(order, delivery, port));
    web::serve(listener, router, limits, front, shutdown).await;
    tracing::info!("gateway stopped");
    Ok(())
}

/// A gateway that leads to itself would send each request round and round.
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
