//! The gateway: one address for both services, and the live picture of the mall.

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use rustix::system::uname;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use web::BaseUrl;
use web::gateway::commands::{Commands, Refused};
use web::gateway::door::{Door, Token};
use web::gateway::scenarios;
use web::live::Acting;

use super::startup::Startup;
use crate::config::{self, RoleOptions, Settings};
use crate::exit::Usage;
use crate::lab::on_page;
use crate::live::{self, Sight};
use crate::supervised::Link;
use crate::supervised::words::Wish;

/// Runs until `shutdown` is cancelled, then finishes the requests in flight.
pub async fn run(settings: Settings, shutdown: CancellationToken) -> Result<()> {
    let token = config::command_token()?;
    let role = Startup::begin("gateway", settings, shutdown, |_, _| "gateway".to_owned())?;
    let (order, delivery) = (role.options().order_url(), role.options().delivery_url());
    refuse_itself(role.address, &order, &delivery)?;
    let ready = format!(
        "gateway on http://{}: /orders from {}, /deliveries from {}",
        role.address,
        order.as_str(),
        delivery.as_str()
    );
    let commands = commands(door(role.options(), token));
    let sight = Sight::of(role.options());
    let read_only = role.options().read_only;
    let live = sight.picture(acting(read_only, commands.as_ref()));
    let router = match read_only {
        true => web::gateway::read_only(order, delivery, live.clone(), commands),
        false => web::gateway::router(order, delivery, live.clone(), commands),
    };
    let router = router.merge(scenarios::routes(on_page::scenarios()));
    live::keep(live, sight)?;
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

/// Who may give commands here.
fn door(options: &RoleOptions, token: Option<Token>) -> Door {
    match token {
        Some(token) => {
            let name = uname().nodename().to_string_lossy().into_owned();
            Door::with(token, name, options.cors_origin.iter().cloned().collect())
        }
        None if options.listen.is_loopback() => Door::Loopback,
        None => Door::Closed,
    }
}

/// What can be done here, as the page is told.
fn acting(read_only: bool, commands: Option<&Commands>) -> Acting {
    match commands.map(|commands| &commands.door) {
        _ if read_only => Acting::ReadOnly,
        None => Acting::Unsupervised,
        Some(Door::Loopback) => Acting::Open,
        Some(Door::Token(_)) => Acting::Token,
        Some(Door::Closed) => Acting::NoToken,
    }
}

/// Does what a person on the page wants, if a supervisor of this machine has started this gateway.
fn commands(door: Door) -> Option<Commands> {
    let link = Link::of_this_process()?;
    let crew = link.crew();
    Some(Commands {
        door,
        take: Arc::new(move |body| {
            let wish: Result<Wish, _> = serde_json::from_slice(&body);
            Box::pin(async move {
                let wish = wish.map_err(|error| Refused::Unreadable(unreadable(&error)))?;
                let asked = link.ask(wish).await;
                asked.map_err(|why| Refused::Now(why.english, why.korean))
            })
        }),
        crew: Arc::new(move || json!(*crew.borrow())),
    })
}

fn unreadable(error: &serde_json::Error) -> String {
    format!(
        "The command can't be read: {error}; allowed: {{\"do\":\"start\"}} for one more delivery instance, \
         {{\"do\":\"start\",\"role\":NAME}}, the same with stop, kill, freeze and wake, {{\"do\":\"grow\",\"partitions\":N}}, and \
         {{\"do\":\"switch\",\"key\":\"order-id\"|\"none\",\"guard\":\"version\"|\"off\",\"lanes\":N}}."
    )
}
