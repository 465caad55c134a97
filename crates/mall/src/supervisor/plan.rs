//! What a mall consists of: which roles, on which ports, with which words.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use anyhow::{Context, Result};
use serde_json::{Map, Value};
use shop::domain::Source;
use shop::text;
use shop::text::Text;
use web::BaseUrl;

use super::child::Child;
use super::switch::Switch;
use crate::config::{COMMAND_TOKEN, PassedOn, Ports, RoleOptions, raw_command_token};
use crate::console;
use crate::console::json;
use crate::modes::Modes;
use crate::net::{self, FIRST_DELIVERY_PORT, Port};

/// What a mall consists of.
pub struct Plan {
    /// The program's own file, which the roles run.
    pub program: PathBuf,
    /// The order service's port.
    pub order: u16,
    deliveries: Vec<u16>,
    gateway: u16,
    /// What all services are given.
    shared: PassedOn,
    /// What a delivery instance is given besides its name and port.
    delivery: PassedOn,
    /// Whether the delivery instances get any free port, as was asked for.
    any_port: bool,
}

/// A role of the plan.
pub struct Planned {
    /// Its process.
    pub child: Child,
    /// What it is: `order`, `delivery` or `gateway`.
    pub kind: &'static str,
    /// Its port.
    pub port: u16,
}

impl Plan {
    /// Finds free ports. One that was asked for, and those of the order service and the gateway, on which clients rely, are
    /// taken or refused; the other deliveries move on to the next free one.
    pub fn new(ports: &Ports, options: &RoleOptions, passed_on: &dyn Fn(&str) -> PassedOn) -> Result<Self> {
        // All ports are held until the last is found, or two roles could get the same one.
        let mut held = Vec::new();
        let mut take = |kind: &str, port: Port, option: &str| -> Result<u16> {
            let listener = net::reserve(options.listen_of(kind), port, option)?;
            let port = listener.local_addr()?.port();
            held.push(listener);
            Ok(port)
        };
        let order = take("order", Port::Fixed(ports.order_port), "--order-port")?;
        let gateway = take("gateway", Port::Fixed(ports.gateway_port), "--gateway-port")?;
        let mut deliveries = Vec::new();
        let mut next = match ports.delivery_port {
            Some(port) => Port::Fixed(port),
            None => Port::FirstFreeFrom(FIRST_DELIVERY_PORT),
        };
        for _ in 0..ports.deliveries {
            let port = take("delivery", next, "--delivery-port")?;
            // 0 stands for any free port, for each instance anew.
            if !matches!(next, Port::Fixed(0)) {
                next = Port::FirstFreeFrom(port.saturating_add(1));
            }
            deliveries.push(port);
        }
        let shared = listening(passed_on("delivery"), "delivery", options);
        let mut delivery = shared.clone();
        if options.order_url.is_none() {
            let order = BaseUrl::of_listener(options.listen_of("order"), order);
            delivery.words.push(format!("--order-url={}", order.as_str()).into());
        }
        Ok(Self {
            program: std::env::current_exe().context("can't find the program's own file")?,
            order,
            deliveries,
            gateway,
            shared,
            delivery,
            any_port: ports.delivery_port == Some(0),
        })
    }

    /// The ports of all roles.
    pub fn all(&self) -> Vec<u16> {
        let others = [self.order, self.gateway];
        self.deliveries.iter().copied().chain(others).collect()
    }

    /// The roles in the order in which they are started.
    pub fn roles(&self, options: &RoleOptions, passed_on: &dyn Fn(&str) -> PassedOn) -> Vec<Planned> {
        let planned = |name: String, kind: &'static str, port: u16, given: PassedOn| Planned {
            child: Child::new(name, self.program.clone(), given),
            kind,
            port,
        };
        let mut roles = vec![planned(
            "order".into(),
            "order",
            self.order,
            role(listening(passed_on("order"), "order", options), "order", self.order, []),
        )];
        for (name, port) in net::delivery_names(&self.deliveries).into_iter().zip(&self.deliveries) {
            roles.push(planned(name.clone(), "delivery", *port, self.instance(&name, *port)));
        }
        roles.push(planned(
            "gateway".into(),
            "gateway",
            self.gateway,
            self.gateway(options, passed_on("gateway")),
        ));
        roles
    }

    /// What the gateway is given besides what was passed on.
    fn gateway(&self, options: &RoleOptions, mut given: PassedOn) -> PassedOn {
        let url = |kind, port: u16| BaseUrl::of_listener(options.listen_of(kind), port).as_str().to_owned();
        let mut urls: Vec<OsString> = Vec::new();
        if options.order_url.is_none() {
            urls.push(format!("--order-url={}", url("order", self.order)).into());
        }
        if let (None, Some(port)) = (&options.delivery_url, self.deliveries.first()) {
            urls.push(format!("--delivery-url={}", url("delivery", *port)).into());
        }
        let token = raw_command_token().map(|token| (COMMAND_TOKEN.into(), token));
        given.variables.extend(token);
        role(given, "gateway", self.gateway, urls)
    }

    /// What a delivery instance of this name is given.
    fn instance(&self, name: &str, port: u16) -> PassedOn {
        let name = OsString::from(format!("--name={name}"));
        role(self.delivery.clone(), "delivery", port, [name])
    }

    /// One more delivery instance beside those of these names: its name, its port and what it is given.
    pub fn another(&self, options: &RoleOptions, names: &[String]) -> Result<(String, u16, PassedOn)> {
        let last = self.deliveries.iter().copied().max().unwrap_or(FIRST_DELIVERY_PORT);
        let wanted = match self.any_port {
            true => Port::Fixed(0),
            false => Port::FirstFreeFrom(last),
        };
        let port = net::reserve(options.listen_of("delivery"), wanted, "--delivery-port")?
            .local_addr()?
            .port();
        let counted = (names.len() + 1..).map(|number| format!("delivery-{number}"));
        let by_port = (!self.any_port).then(|| net::delivery_name(port));
        let name = by_port.into_iter().chain(counted).find(|name| !names.contains(name));
        let name = name.context("there is no end of names")?;
        let given = self.instance(&name, port);
        Ok((name, port, given))
    }

    /// The command that starts a role of this kind in a terminal, in the modes that were switched to; of `up`, all roles.
    pub fn command(&self, kind: &str, name: &str, switched: Switch) -> String {
        let mut given = match kind {
            "delivery" => self.delivery.clone(),
            _ => self.shared.clone(),
        };
        given.replace(switched.words_of(kind));
        match kind {
            "delivery" => given.words.push(format!("--name={name}").into()),
            "up" => given
                .words
                .push(format!("--deliveries={}", self.deliveries.len()).into()),
            _ => {}
        }
        let words = given
            .words
            .iter()
            .map(|word| console::shell_word(&word.to_string_lossy()));
        let words: Vec<String> = [console::mall().to_owned(), kind.to_owned()]
            .into_iter()
            .chain(words)
            .collect();
        words.join(" ")
    }

    /// What was started and where, as fields of a JSON line.
    pub fn facts(&self, options: &RoleOptions) -> Map<String, Value> {
        let storage = &options.storage;
        let url = |kind, port: u16| Value::from(BaseUrl::of_listener(options.listen_of(kind), port).as_str());
        let embedded = || Value::from(storage.data.display().to_string());
        let log = storage
            .bootstrap_server
            .as_ref()
            .map(|servers| Value::from(servers.as_str()));
        let database = storage.database_url.as_ref().map(|url| Value::from(url.to_string()));
        let modes = Modes::of(options).labels(Source::Deliveries).into_iter();
        let modes = modes.map(|(mode, value)| (mode.to_owned(), Value::from(value)));
        Map::from_iter([
            json::message("started"),
            ("orders".into(), url("order", self.order)),
            (
                "deliveries".into(),
                self.deliveries.iter().map(|port| url("delivery", *port)).collect(),
            ),
            ("gateway".into(), url("gateway", self.gateway)),
            ("log".into(), log.unwrap_or_else(embedded)),
            ("database".into(), database.unwrap_or_else(embedded)),
            ("topic".into(), Value::from(options.topic.as_str())),
            ("modes".into(), Value::Object(modes.collect())),
        ])
    }

    /// What is started and where, in lines for people.
    pub fn greeting(&self, options: &RoleOptions) -> Vec<Text> {
        let storage = &options.storage;
        let modes = Modes::of(options);
        let shown = |kind, port: u16| match options.listen_of(kind) {
            IpAddr::V4(Ipv4Addr::LOCALHOST) => format!("http://localhost:{port}"),
            listen => BaseUrl::of_listener(listen, port).as_str().to_owned(),
        };
        let deliveries: Vec<_> = self.deliveries.iter().map(|port| shown("delivery", *port)).collect();
        let (orders, deliveries) = (shown("order", self.order), deliveries.join(", "));
        let gateway = Text::from(shown("gateway", self.gateway)) + acting(options);
        let flags = modes.flags(Source::Deliveries);
        vec![
            text!("orders      {orders}", "주문          {orders}"),
            text!("deliveries  {deliveries}", "배송          {deliveries}"),
            text!("gateway     ", "게이트웨이    ") + gateway,
            text!("log         ", "로그          ") + storage.log_place(),
            text!("database    ", "데이터베이스  ") + storage.database_place(),
            text!("modes       {flags}: ", "모드          {flags}: ") + modes.meaning(Source::Deliveries),
            text!(
                "Ctrl-C finishes what is in flight and stops everything.",
                "Ctrl-C를 누르면 처리하던 일을 마무리하고 모두 종료합니다."
            ),
        ]
    }
}

/// What a role of this kind is given on this port: besides what was passed on, these words.
fn role(mut given: PassedOn, kind: &str, port: u16, more: impl IntoIterator<Item = OsString>) -> PassedOn {
    let own = [kind.into(), format!("--port={port}").into()];
    given.words = own.into_iter().chain(given.words).chain(more).collect();
    given
}

/// What is given where it should listen elsewhere than the options say.
fn listening(mut given: PassedOn, kind: &str, options: &RoleOptions) -> PassedOn {
    let listen = options.listen_of(kind);
    if listen != options.listen {
        given.replace(vec![format!("--listen={listen}").into()]);
    }
    given
}

/// What can be done at the gateway, where that is not what everybody expects.
fn acting(options: &RoleOptions) -> Text {
    match (options.read_only, raw_command_token().is_some()) {
        (true, _) => text!(" (for reading only)", " (읽기 전용)"),
        (false, true) => text!(
            " (commands need the token in {COMMAND_TOKEN})",
            " (명령에는 {COMMAND_TOKEN}의 토큰이 필요함)"
        ),
        (false, false) if !options.listen.is_loopback() => text!(
            " (takes no commands: start with {COMMAND_TOKEN} to allow them)",
            " (명령을 받지 않음: 허용하려면 {COMMAND_TOKEN}을 지정해 시작할 것)"
        ),
        (false, false) => Text::default(),
    }
}
