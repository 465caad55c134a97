//! What all roles do alike until they serve, and while they serve.
//!
//! ```text
//!   begin: port, log lines, options without effect ─▶ open: log, store, relay ─▶ serve: metrics page, ready signal, HTTP
//! ```

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Result;
use axum::Router;
use observe::{Observer, What};
use shop::domain::Source;
use shop::health::Readiness;
use shop::relay::{KeyMode, RelayOptions};
use shop::service::Service;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use web::Front;

use super::elsewhere;
use super::gates::Gates;
use crate::adapters::RoleAdapters;
use crate::config::{self, RoleOptions, Settings};
use crate::metrics::RoleMetrics;
use crate::modes::{self, Modes};
use crate::supervised::Ready;
use crate::{clock, net, supervised, telemetry};

/// A role that has its port and does not serve yet.
pub struct Startup {
    pub settings: Settings,
    /// The address that the role listens on.
    pub address: SocketAddr,
    /// What the role's page of metrics will show.
    pub metrics: RoleMetrics,
    /// Gets what the role does.
    pub observer: Observer,
    /// The name under which the apply history knows this process; none of a role that applies nothing.
    pub instance: Option<String>,
    /// Gates at which a scenario makes this role stop.
    pub gates: Option<Gates>,
    /// What the supervisor hears once the role serves.
    pub ready: Ready,
    /// Cancelled when the role is to stop.
    pub shutdown: CancellationToken,
    listener: TcpListener,
}

impl Startup {
    /// Takes the port and begins to write the log. `role` is the role's name on the page of metrics; `name` gives the name
    /// in its log lines, once the port is known.
    pub fn begin(
        role: &'static str,
        settings: Settings,
        shutdown: CancellationToken,
        name: impl FnOnce(&Settings, u16) -> String,
    ) -> Result<Self> {
        let metrics = RoleMetrics::new(role);
        let options = &settings.options;
        let listener = net::bind(options.listen, settings.port, "--port")?;
        let address = listener.local_addr()?;
        let name = name(&settings, address.port());
        telemetry::init(&name, options.log, &options.log_level, options.language.language());
        settings.warn_of_idle_options();
        if let Some(taken) = settings.port.moved_from(address.port()) {
            let port = address.port();
            tracing::info!(
                ko = %format_args!("{taken}번 포트가 이미 쓰이고 있어 {port}번을 사용함"),
                "port {taken} is taken, using {port}"
            );
        }
        Ok(Self {
            settings,
            address,
            metrics,
            // Another process of this role begins at another time.
            observer: Observer::new(name, u64::try_from(clock::now().0).unwrap_or(0)),
            instance: None,
            gates: Gates::of_this_role(),
            ready: Ready::default(),
            shutdown,
            listener,
        })
    }

    pub fn options(&self) -> &RoleOptions {
        &self.settings.options
    }

    /// Says what the role works on, and in which modes. `mall up` says the former for all its roles.
    fn introduce(&self, source: Source) {
        let (options, modes) = (self.options(), Modes::of(self.options()));
        if !supervised::is_supervised() {
            let (log, database) = (options.storage.log_place(), options.storage.database_place());
            tracing::info!(
                ko = %format_args!("로그: {}; 데이터베이스: {}", log.korean, database.korean),
                "log: {}; database: {}",
                log.english,
                database.english
            );
            if let Some(sentence) = elsewhere::look(options, &[self.address.port()]) {
                tracing::warn!(ko = %format_args!("이 역할은 {}", sentence.korean), "this role {}", sentence.english);
            }
        }
        let (flags, meaning) = (modes.flags(source), modes.meaning(source));
        tracing::info!(
            ko = %format_args!("모드: {flags}: {}", meaning.korean),
            "modes: {flags}: {}",
            meaning.english
        );
    }

    /// Opens log and store. None if the role is to stop before that is done.
    pub async fn open(&mut self, source: Source) -> Result<Option<RoleAdapters>> {
        self.introduce(source);
        self.metrics.modes = Modes::of(self.options()).labels(source);
        self.unless_stopped(RoleAdapters::open(self.options(), source)).await
    }

    /// Starts what runs beside the service's requests: first of all the relay of its journal.
    pub fn start(&self, adapters: &RoleAdapters, source: Source) -> Service {
        let options = self.options();
        let key = match options.key {
            config::KeyMode::OrderId => KeyMode::OrderId,
            config::KeyMode::None => KeyMode::None,
        };
        let holder = modes::holder(options.key, clock::now());
        let relay = RelayOptions::usual(source, options.topic.clone(), key, holder, clock::now);
        let log = match &self.gates {
            Some(gates) => gates.on_log(&adapters.log, source),
            None => adapters.log.clone(),
        };
        let store = adapters.store.clone();
        Service::start(store, log, relay, options.shutdown_timeout, self.observer.clone())
    }

    /// Does work that may wait for what is away. None if the role is to stop before the work is done.
    pub async fn unless_stopped<T>(&self, work: impl Future<Output = Result<T>>) -> Result<Option<T>> {
        self.shutdown.run_until_cancelled(work).await.transpose()
    }

    /// Says that the role is ready, in the line `ready` and to the supervisor, and serves until `stop` is cancelled. From then
    /// on `/readyz` says no, in a role that has facts to tell there.
    pub async fn serve(self, ready: &str, router: Router, readiness: Option<Arc<Readiness>>, stop: CancellationToken) {
        let options = &self.settings.options;
        let front = Front {
            traffic: self.metrics.traffic.clone(),
            origins: options.cors_origin.iter().cloned().collect(),
            proxies: options.trusted_proxy.iter().copied().collect(),
        };
        let limits = net::limits(options.shutdown_timeout);
        let router = web::observed(self.metrics.on(router), self.observer.clone());
        supervised::tell_ready(self.ready);
        tracing::info!("{ready}");
        let (stopping, observer) = (stop.clone(), self.observer);
        let instance = self.instance;
        // Whoever listens hears the last word before the server stops.
        let stop_serving = CancellationToken::new();
        let stop = stop_serving.clone();
        observer.emit(clock::now().0, What::Started { instance });
        tokio::spawn(async move {
            stopping.cancelled().await;
            observer.emit(clock::now().0, What::Stopped);
            stop_serving.cancel();
            if let Some(readiness) = readiness {
                readiness.stop();
            }
            tracing::info!(
                ko = "종료 중: 시작한 일을 마무리함",
                "stopping: finishing what has been begun"
            );
        });
        web::serve(self.listener, router, limits, front, stop).await;
    }
}
