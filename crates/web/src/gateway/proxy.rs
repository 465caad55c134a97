//! Sends a request on to the service that it is for, and the answer back.

use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, RETRY_AFTER};
use axum::http::{HeaderMap, HeaderName, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use http_body_util::Full;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioTimer};

use crate::BaseUrl;
use crate::problem::Problem;

/// How long connecting to a service may take.
const CONNECT_DEADLINE: Duration = Duration::from_secs(2);

/// How long a service may take until its answer begins.
const ANSWER_DEADLINE: Duration = Duration::from_secs(30);

/// The headers that are about one connection only (RFC 9110, 7.6.1) and are not sent on.
const HOP_BY_HOP: [&str; 9] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// What stands before `/observations` to name the service whose they are, as each role has its own at that path.
const OBSERVED: [&str; 2] = ["/order", "/delivery"];

/// The services behind the gateway.
#[derive(Debug, Clone)]
pub struct Proxy {
    client: Client<HttpConnector, Full<bytes::Bytes>>,
    order: BaseUrl,
    delivery: BaseUrl,
}

impl Proxy {
    /// A proxy for these two services.
    pub fn new(order: BaseUrl, delivery: BaseUrl) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_DEADLINE));
        connector.set_nodelay(true);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(Duration::from_secs(10))
            .build(connector);
        Self {
            client,
            order,
            delivery,
        }
    }

    /// The answer of the service that the path belongs to.
    pub async fn forward(&self, request: Request) -> Response {
        let Some((name, service)) = self.service(request.uri().path()) else {
            let message = format!(
                "There is nothing at {}; there is /orders and /deliveries.",
                request.uri().path()
            );
            return problem(StatusCode::NOT_FOUND, message);
        };
        let request = match onward(request, service).await {
            Ok(request) => request,
            Err(refusal) => return refusal,
        };
        match tokio::time::timeout(ANSWER_DEADLINE, self.client.request(request)).await {
            Ok(Ok(answer)) => back(answer.map(Body::new)),
            Ok(Err(error)) if error.is_connect() => {
                tracing::warn!(
                    tally = "requests to a service that can't be reached",
                    service = name,
                    url = service.as_str(),
                    "can't be reached"
                );
                let message = format!(
                    "The {name} service at {} can't be reached; try again.",
                    service.as_str()
                );
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, message)
                    .with(RETRY_AFTER, "1")
                    .into_response()
            }
            Ok(Err(error)) => {
                tracing::warn!(tally = "answers that broke off", service = name, url = service.as_str(), %error, "broke off");
                let message = format!("The {name} service broke off; whether it did what was asked is not known.");
                problem(StatusCode::BAD_GATEWAY, message)
            }
            Err(_) => {
                tracing::warn!(
                    tally = "requests to a service that does not answer",
                    service = name,
                    url = service.as_str(),
                    "does not answer"
                );
                let message = format!(
                    "The {name} service did not answer within {} s.",
                    ANSWER_DEADLINE.as_secs()
                );
                problem(StatusCode::GATEWAY_TIMEOUT, message)
            }
        }
    }

    fn service(&self, path: &str) -> Option<(&'static str, &BaseUrl)> {
        let below = |root: &str| {
            path.strip_prefix(root)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        if below("/orders") || below("/profile/orders") || path == "/order/observations" {
            Some(("order", &self.order))
        } else if below("/deliveries") || below("/profile/deliveries") || path == "/delivery/observations" {
            Some(("delivery", &self.delivery))
        } else {
            None
        }
    }
}

/// The request that is sent to the service; the client's body is read to the end first.
async fn onward(request: Request, service: &BaseUrl) -> Result<axum::http::Request<Full<bytes::Bytes>>, Response> {
    let (mut parts, body) = request.into_parts();
    let body = crate::read_body(body).await?;
    let path = path_at_service(parts.uri.path_and_query().map_or("/", |path| path.as_str()));
    parts.uri = Uri::builder()
        .scheme("http")
        .authority(service.authority())
        .path_and_query(path)
        .build()
        .map_err(|_| problem(StatusCode::BAD_REQUEST, "The path of the request can't be sent on."))?;
    parts.version = axum::http::Version::HTTP_11;
    remove_hop_by_hop(&mut parts.headers);
    // The body is here already, so its length is known, and no service has to be asked whether it wants it.
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.remove(EXPECT);
    Ok(axum::http::Request::from_parts(parts, Full::new(body)))
}

/// The path and query under which the service knows what the gateway's client asks for.
fn path_at_service(path: &str) -> &str {
    let own = |prefix| {
        path.strip_prefix(prefix)
            .filter(|rest| rest.starts_with("/observations"))
    };
    OBSERVED.iter().find_map(|prefix| own(*prefix)).unwrap_or(path)
}

fn back(mut answer: Response) -> Response {
    let headers = answer.headers_mut();
    remove_hop_by_hop(headers);
    // The gateway adds its own CORS headers.
    for name in crate::CORS_HEADERS {
        headers.remove(name);
    }
    answer
}

fn remove_hop_by_hop(headers: &mut HeaderMap) {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        // A Host header that the client lists in Connection stays: without it the links in the answer would lead to the service.
        .filter(|name| *name != HOST)
        .collect();
    for name in named {
        headers.remove(name);
    }
    for name in HOP_BY_HOP {
        headers.remove(name);
    }
}

fn problem(status: StatusCode, message: impl Into<String>) -> Response {
    Problem::new(status, message).into_response()
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn paths_belong_to_services() {
        let proxy = Proxy::new(
            "http://127.0.0.1:1".parse().expect("good"),
            "http://127.0.0.1:2".parse().expect("good"),
        );
        let service = |path| proxy.service(path).map(|(name, _)| name);
        assert_eq!(service("/orders"), Some("order"));
        assert_eq!(service("/orders/1/events"), Some("order"));
        assert_eq!(service("/deliveries/search"), Some("delivery"));
        assert_eq!(service("/ordersx"), None);
        assert_eq!(service("/order/observations"), Some("order"));
        assert_eq!(service("/order/1"), None);
        assert_eq!(service("/"), None);
    }

    #[test]
    fn a_service_has_its_observations_at_a_path_of_its_own() {
        assert_eq!(
            path_at_service("/delivery/observations?after=0"),
            "/observations?after=0"
        );
        assert_eq!(path_at_service("/orders/1/events?x=y"), "/orders/1/events?x=y");
    }

    #[test]
    fn headers_of_a_connection_end_at_the_gateway() {
        let mut headers = HeaderMap::new();
        for (name, value) in [
            ("connection", "close, X-Own, Host"),
            ("x-own", "1"),
            ("te", "trailers"),
            ("trailer", "X-Sum"),
            ("host", "h"),
        ] {
            headers.insert(name, HeaderValue::from_static(value));
        }
        remove_hop_by_hop(&mut headers);
        assert_eq!(headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), ["host"]);
    }
}
