//! What the probes of a platform are told.

use shop::health::Fact;

use crate::table::run;
use crate::wire::Service;

const RUNNING: &str = r#"
request              | status | content-type                                 | body
GET /livez           | 200    | application/json                             | {"status":"UP"}
GET /actuator/health | 200    | application/vnd.spring-boot.actuator.v3+json | {"status":"UP"}
"#;

const READY: &str = r#"
request     | status | body
GET /readyz | 200    | {"status":"UP","checks":{"database":{"status":"UP"},"writable":{"status":"UP"},"log":{"status":"UP"},"intake":{"status":"UP"}}}
"#;

const STOPPING: &str = r#"
request              | status
GET /readyz          | 503
GET /actuator/health | 503
GET /livez           | 200
GET /orders          | 200
"#;

#[tokio::test]
async fn probes_say_what_holds_and_what_does_not() {
    let service = Service::orders().await;
    run(&service, RUNNING).await;
    let probe = service.send("GET /readyz", &[("Accept", "text/plain")], "").await;
    assert_eq!(probe.status, 200, "a probe is never 406: {probe:?}");

    service.readiness.begin().bad(Fact::Log, "no broker at localhost:9092");
    let ready = service.get("/readyz").await;
    assert_eq!(ready.status, 200, "{ready:?}");
    assert_eq!(ready.json()["checks"]["log"]["status"], "DOWN", "{ready:?}");
    assert!(ready.body.contains("no broker at localhost:9092"), "{ready:?}");
    service.readiness.begin().good(Fact::Log);
    run(&service, READY).await;

    service.readiness.stop();
    run(&service, STOPPING).await;
}
