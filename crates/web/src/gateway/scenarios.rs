//! `GET /live/scenarios`: which scenarios there are. `GET /live/scenarios/NAME?run=broken`: the history of such a run, which is
//! made for the answer in a mall of its own, in memory.
//!
//! # Invariants
//! * So many runs go on at once at most; another one is refused, and may be asked for again. A client that leaves frees its place
//!   when the run has ended.
//! * Nothing but the name of a scenario of this program and of one of its runs is taken from a request.

use std::sync::Arc;

use axum::Router;
use axum::extract::{Path, Request};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER};
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use serde_json::Value;
use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

use crate::problem::Problem;

/// The path of the list.
const PATH: &str = "/live/scenarios";
/// How many runs go on at once.
const AT_ONCE: usize = 2;
/// The type of a history.
const LINES: &str = "application/x-ndjson";

/// Whoever knows the scenarios and can run them.
#[derive(Clone)]
pub struct Scenarios {
    /// All of them, for the page.
    pub list: Arc<Value>,
    /// Makes the history of a run of a scenario; the run that is asked for may be none, which means the first one.
    pub run: RunScenario,
}

/// Makes the history of a run. It may take a while.
pub type RunScenario = Arc<dyn Fn(&str, Option<&str>) -> Result<Vec<u8>, NoRun> + Send + Sync>;

/// Why there is no history. Each sentence says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoRun {
    /// There is no such scenario.
    Unknown(String),
    /// It has no such run.
    Without(String),
    /// The run has failed.
    Failed(String),
}

/// The routes of the scenarios.
pub fn routes<S: Clone + Send + Sync + 'static>(scenarios: Scenarios) -> Router<S> {
    let list = scenarios.list.to_string();
    let listed = move |request: Request| std::future::ready(self::list(&request, list.clone()));
    let places = Arc::new(Semaphore::new(AT_ONCE));
    let ran = move |Path(name): Path<String>, request: Request| {
        let (run, places, wanted) = (scenarios.run.clone(), places.clone(), wanted(&request));
        async move {
            let answer = match wanted {
                Ok(wanted) => ran(run, places, name, wanted).await,
                Err(problem) => Err(problem),
            };
            answer.unwrap_or_else(Problem::into_response)
        }
    };
    Router::new()
        .route(PATH, any(listed))
        .route("/live/scenarios/{name}", any(ran))
}

fn list(request: &Request, list: String) -> Response {
    match only_reads(request) {
        Ok(()) => ([(CONTENT_TYPE, "application/json")], list).into_response(),
        Err(problem) => problem.into_response(),
    }
}

fn only_reads(request: &Request) -> Result<(), Problem> {
    match [Method::GET, Method::HEAD].contains(request.method()) {
        true => Ok(()),
        false => Err(Problem::method_not_allowed(
            request.method(),
            request.uri().path(),
            "GET, HEAD",
        )),
    }
}

/// The history of a run. `wanted` is the run that is asked for.
async fn ran(
    run: RunScenario,
    places: Arc<Semaphore>,
    name: String,
    wanted: Option<String>,
) -> Result<Response, Problem> {
    let Ok(place) = places.try_acquire_owned() else {
        let message = format!("{AT_ONCE} scenarios run at this moment, which is the most; ask again in a second.");
        return Err(Problem::new(StatusCode::SERVICE_UNAVAILABLE, message).with(RETRY_AFTER, "1"));
    };
    let made = spawn_blocking(move || {
        let made = run(&name, wanted.as_deref());
        drop(place);
        made
    });
    let failed = |why: String| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, why);
    match made
        .await
        .map_err(|error| failed(format!("The scenario could not be run: {error}.")))?
    {
        Ok(lines) => Ok(([(CONTENT_TYPE, LINES), (CACHE_CONTROL, "no-store")], lines).into_response()),
        Err(NoRun::Unknown(why)) => Err(Problem::new(StatusCode::NOT_FOUND, why)),
        Err(NoRun::Without(why)) => Err(Problem::new(StatusCode::BAD_REQUEST, why)),
        Err(NoRun::Failed(why)) => Err(failed(why)),
    }
}

/// The run that is asked for.
fn wanted(request: &Request) -> Result<Option<String>, Problem> {
    only_reads(request)?;
    let query = request.uri().query().unwrap_or_default();
    let mut asked = form_urlencoded::parse(query.as_bytes());
    Ok(asked.find(|(name, _)| name == "run").map(|(_, run)| run.into_owned()))
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Mutex, PoisonError};

    use axum::body::Body;
    use axum::http::HeaderMap;

    use super::*;

    async fn asked(
        run: &RunScenario,
        places: &Arc<Semaphore>,
        method: Method,
        path: &str,
    ) -> (StatusCode, HeaderMap, String) {
        let mut request = Request::new(Body::empty());
        *request.method_mut() = method;
        *request.uri_mut() = path.parse().expect("a path");
        let name = request.uri().path().rsplit('/').next().unwrap_or_default().to_owned();
        let answer = match wanted(&request) {
            Ok(wanted) => ran(run.clone(), places.clone(), name, wanted).await,
            Err(problem) => Err(problem),
        };
        let (head, body) = answer.unwrap_or_else(Problem::into_response).into_parts();
        let body = axum::body::to_bytes(body, 10_000).await.expect("a body");
        (head.status, head.headers, String::from_utf8_lossy(&body).into_owned())
    }

    fn places() -> Arc<Semaphore> {
        Arc::new(Semaphore::new(AT_ONCE))
    }

    #[tokio::test]
    async fn a_run_is_answered_with_its_history_and_a_bad_name_with_what_is_allowed() {
        let run: RunScenario = Arc::new(|name, run| match (name, run) {
            ("zombie", None | Some("broken")) => Ok(b"{}\n".to_vec()),
            ("zombie", _) => Err(NoRun::Without("allowed: broken, fixed".to_owned())),
            ("bad", _) => panic!("it fails"),
            _ => Err(NoRun::Unknown("there is none".to_owned())),
        });
        let places = places();
        let get = |path: &'static str| asked(&run, &places, Method::GET, path);
        let (status, headers, body) = get("/live/scenarios/zombie?run=broken").await;
        assert_eq!((status, body.as_str()), (StatusCode::OK, "{}\n"));
        assert_eq!(headers[CONTENT_TYPE], LINES);
        assert_eq!(get("/live/scenarios/zombie").await.0, StatusCode::OK);
        let (status, _, body) = get("/live/scenarios/zombie?run=x").await;
        assert!(
            status == StatusCode::BAD_REQUEST && body.contains("allowed: broken, fixed"),
            "{body}"
        );
        assert_eq!(get("/live/scenarios/none").await.0, StatusCode::NOT_FOUND);
        assert_eq!(get("/live/scenarios/bad").await.0, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(get("/live/scenarios/bad").await.0, StatusCode::INTERNAL_SERVER_ERROR);
        assert_eq!(
            get("/live/scenarios/zombie").await.0,
            StatusCode::OK,
            "who fails frees the place too"
        );
        let (status, ..) = asked(&run, &places, Method::POST, "/live/scenarios/zombie").await;
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
    }

    #[tokio::test]
    async fn only_so_many_run_at_once() {
        let (began, begins): (Sender<()>, Receiver<()>) = channel();
        let (go, waits): (Sender<()>, Receiver<()>) = channel();
        let waits = Mutex::new(waits);
        let run: RunScenario = Arc::new(move |_, _| {
            began.send(()).expect("the test listens");
            let _ = waits.lock().unwrap_or_else(PoisonError::into_inner).recv();
            Ok(Vec::new())
        });
        let places = places();
        let get = |path: &'static str| {
            let (run, places) = (run.clone(), places.clone());
            tokio::spawn(async move { asked(&run, &places, Method::GET, path).await })
        };
        let running: Vec<_> = (0..AT_ONCE).map(|_| get("/live/scenarios/zombie")).collect();
        // Each of them has its place before the next one asks.
        while places.available_permits() > 0 {
            tokio::task::yield_now().await;
        }
        begins.recv().expect("one runs");
        let (status, headers, _) = get("/live/scenarios/zombie").await.expect("an answer");
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(headers[RETRY_AFTER], "1");
        (0..AT_ONCE).for_each(|_| go.send(()).expect("they wait"));
        for run in running {
            assert_eq!(run.await.expect("an answer").0, StatusCode::OK);
        }
        go.send(()).expect("one more");
        assert_eq!(
            get("/live/scenarios/zombie").await.expect("an answer").0,
            StatusCode::OK
        );
    }
}
