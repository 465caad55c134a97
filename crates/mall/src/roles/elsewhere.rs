//! Says of a role that begins a new embedded log, while a mall runs on this machine that has another one, that the two don't
//! meet: in a second terminal the data folder is easily another one.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};

use shop::text;
use shop::text::Text;
use web::BaseUrl;

use crate::config::{RoleOptions, Storage};
use crate::net::{FIRST_DELIVERY_PORT, GATEWAY_PORT, ORDER_PORT};
use crate::{data_dir, probe};

/// How many ports of delivery instances are asked.
const DELIVERIES: u16 = 4;

/// A sentence about a mall that answers on this machine while there is no embedded log here yet; none if there is nothing to
/// tell. Asked are the usual ports and those that the options name, without `own`, the ports of who asks. It blocks for a
/// second at most.
pub fn look(options: &RoleOptions, own: &[u16]) -> Option<Text> {
    let storage = &options.storage;
    let is_new = || storage.bootstrap_server.is_none() && !data_dir::has_log(&storage.data);
    if !is_new() {
        return None;
    }
    let mut asked = local_addresses(options);
    asked.retain(|address| !own.contains(&address.port()));
    let there = answering(asked);
    // A role of this very folder may have created the log and answered meanwhile.
    (!there.is_empty() && is_new()).then(|| sentence(storage, &there))
}

/// Where a mall on this machine may listen.
fn local_addresses(options: &RoleOptions) -> BTreeSet<SocketAddr> {
    let deliveries = (0..DELIVERIES).map(|index| FIRST_DELIVERY_PORT + index);
    let usual = [ORDER_PORT, GATEWAY_PORT].into_iter().chain(deliveries);
    let usual = usual.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
    let named = [&options.order_url, &options.delivery_url].into_iter().flatten();
    usual.chain(named.filter_map(local_address)).collect()
}

fn local_address(url: &BaseUrl) -> Option<SocketAddr> {
    let address = url.authority().replacen("localhost:", "127.0.0.1:", 1);
    let address: SocketAddr = address.parse().ok()?;
    address.ip().is_loopback().then_some(address)
}

/// Those addresses at which a role of a mall answers.
fn answering(addresses: BTreeSet<SocketAddr>) -> Vec<SocketAddr> {
    std::thread::scope(|scope| {
        let ask = |address| (address, scope.spawn(move || probe::role_at(address).is_some()));
        let asking: Vec<_> = addresses.into_iter().map(ask).collect();
        let answers = asking.into_iter().map(|(address, answer)| (address, answer.join()));
        let answered = answers.filter(|(_, is_mall)| matches!(is_mall, Ok(true)));
        answered.map(|(address, _)| address).collect()
    })
}

fn sentence(storage: &Storage, there: &[SocketAddr]) -> Text {
    let there: Vec<String> = there.iter().map(SocketAddr::to_string).collect();
    let there = there.join(", ");
    let Text { english, korean } = storage.log_place();
    text!(
        "begins a new log ({english}), while the mall that answers on {there} has another one: the two don't meet. If that one \
         is meant, give its --data, or the --bootstrap-server that it has",
        "새 로그({korean})를 시작합니다. {there}에서 응답하는 mall은 다른 로그를 쓰므로 서로 이벤트를 주고받지 못합니다. 그 mall과 함께 \
         쓰려면 그쪽의 --data나 --bootstrap-server를 주세요"
    )
}
