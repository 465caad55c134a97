//! What keeps Kafka from talking to us is told for what it is, at once where waiting can't help.

use std::time::{Duration, Instant};

use super::program::{Ended, FREE_PORTS, Folder};
use super::support::secure::{Properties, Secure};

/// One wrong setting: where to, with which properties, and what is said of it.
struct Case {
    at: String,
    properties: Properties,
    said: &'static str,
    remedy: &'static str,
}

fn case(at: &str, properties: &[&str], said: &'static str, remedy: &'static str) -> Case {
    Case {
        at: at.into(),
        properties: properties.iter().map(|property| (*property).into()).collect(),
        said,
        remedy,
    }
}

/// What no waiting heals.
fn lasting(secure: &Secure) -> Vec<Case> {
    let authority = format!("ssl.ca.location={}", secure.authority());
    let other = format!("ssl.ca.location={}", secure.other_authority());
    let (plain, tls, sasl) = (secure.at("PLAINTEXT"), secure.at("SSL"), secure.at("SASL_PLAINTEXT"));
    let elsewhere = tls.replace("localhost", "127.0.0.1");
    let login = |mechanism, password| Case {
        at: sasl.into(),
        properties: Secure::login(mechanism, "mall", password),
        said: "authentication failed",
        remedy: "correct sasl.username and sasl.password",
    };
    vec![
        login("PLAIN", "wrong"),
        login("SCRAM-SHA-256", "wrong"),
        Case {
            said: "does not have this SASL mechanism",
            remedy: "set sasl.mechanism",
            ..login("SCRAM-SHA-512", "1234")
        },
        Case {
            at: plain.into(),
            said: "this listener speaks another security.protocol",
            remedy: "set security.protocol",
            ..login("PLAIN", "1234")
        },
        case(
            tls,
            &["security.protocol=SSL", &other],
            "certificate is not trusted",
            "ssl.ca.location",
        ),
        case(
            tls,
            &["security.protocol=SSL"],
            "certificate is not trusted",
            "ssl.ca.location",
        ),
        case(
            &elsewhere,
            &["security.protocol=SSL", &authority],
            "certificate is for another host name",
            "as in its certificate",
        ),
    ]
}

/// What may heal, and is told all the same.
fn passing(secure: &Secure) -> Vec<Case> {
    let said = "as by a listener that speaks another security.protocol";
    vec![
        case(secure.at("SASL_PLAINTEXT"), &[], said, "set security.protocol"),
        case(secure.at("SSL"), &[], said, "set security.protocol"),
        case(
            secure.at("PLAINTEXT"),
            &["security.protocol=SSL"],
            said,
            "set security.protocol",
        ),
        case(
            "localhost:1",
            &[],
            "connection refused",
            "start Kafka, or correct --bootstrap-server",
        ),
        case(
            "no.such.host.invalid:9092",
            &[],
            "name can't be resolved",
            "correct the host's name",
        ),
    ]
}

fn run(words: &[&str], case: &Case) -> Ended {
    let folder = Folder::new();
    let mut words = [words, &["--bootstrap-server", &case.at]].concat();
    if words[0].starts_with("kafka-") {
        let file = folder.path().join("client.properties");
        std::fs::write(&file, case.properties.join("\n")).expect("a file");
        words.extend(["--command-config", "client.properties"]);
    } else {
        for property in &case.properties {
            words.extend(["--kafka-property", property]);
        }
    }
    folder.run(&words)
}

fn no_secret(ended: &Ended) {
    for text in [&ended.out, &ended.err] {
        assert!(!text.contains("wrong") && !text.contains("1234"), "{text}");
    }
}

#[test]
fn a_tool_says_why_kafka_does_not_talk_to_it() {
    let secure = Secure::get();
    for case in lasting(secure).iter().chain(&passing(secure)) {
        let ended = run(&["kafka-topics", "--list"], case);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(
            format!("{}{}", ended.out, ended.err).contains(case.said),
            "{}: {ended:?}",
            case.said
        );
        no_secret(&ended);
    }
}

#[test]
fn the_right_settings_are_taken() {
    let secure = Secure::get();
    let authority = format!("ssl.ca.location={}", secure.authority());
    let mut both = Secure::login("PLAIN", "mall", "1234");
    both[0] = "security.protocol=SASL_SSL".into();
    both.push(authority.clone());
    let cases = [
        (secure.at("SASL_PLAINTEXT"), Secure::login("PLAIN", "mall", "1234")),
        (
            secure.at("SASL_PLAINTEXT"),
            Secure::login("SCRAM-SHA-256", "mall", "1234"),
        ),
        (secure.at("SSL"), vec!["security.protocol=SSL".into(), authority]),
        (secure.at("SASL_SSL"), both),
    ];
    for (at, properties) in cases {
        let case = Case {
            properties,
            ..case(at, &[], "", "")
        };
        let ended = run(&["kafka-topics", "--list"], &case);
        assert_eq!(ended.code, Some(0), "{at}: {ended:?}");
    }
}

#[test]
fn doctor_says_what_helps() {
    let secure = Secure::get();
    for case in lasting(secure).iter().chain(&passing(secure)) {
        let ended = run(&[&["doctor"], &FREE_PORTS[..]].concat(), case);
        assert_eq!(ended.code, Some(1), "{ended:?}");
        let lines: Vec<&str> = ended.out.lines().collect();
        let wrong = lines
            .iter()
            .position(|line| line.starts_with("WRONG") && line.contains(case.said));
        let wrong = wrong.unwrap_or_else(|| panic!("{}: {ended:?}", case.said));
        assert!(
            lines[wrong + 1].starts_with("       remedy: ") && lines[wrong + 1].contains(case.remedy),
            "{}: {ended:?}",
            case.remedy
        );
        no_secret(&ended);
    }
}

#[test]
fn a_role_waits_only_for_what_may_pass() {
    let secure = Secure::get();
    for case in lasting(secure) {
        let begun = Instant::now();
        let ended = run(&["order", "--port", "0"], &case);
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.err.contains(case.said), "{}: {ended:?}", case.said);
        assert!(!ended.err.contains("trying for 30 s"), "{ended:?}");
        assert!(
            begun.elapsed() < Duration::from_secs(30),
            "{}: {:?}",
            case.said,
            begun.elapsed()
        );
    }
    let refused = case("localhost:1", &[], "connection refused", "");
    let ended = run(&["order", "--port", "0"], &refused);
    assert_eq!(ended.code, Some(2), "{ended:?}");
    assert!(
        ended.err.contains("connection refused") && ended.err.contains("trying for 30 s"),
        "{ended:?}"
    );
}
