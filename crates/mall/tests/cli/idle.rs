//! Options that would do nothing are refused, and those that a role has no use for are told.

use std::io::{Read, Write};
use std::net::{Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::process::Stdio;

use super::program::{FREE_PORTS, Folder, ended};
use super::real::required;
use super::support::role::Role;

const KAFKA: &str = "--bootstrap-server=127.0.0.1:1";

#[track_caller]
fn refused(folder: &Folder, words: &[&str], says: &str) {
    let ended = folder.run(words);
    assert_eq!(ended.code, Some(64), "{words:?}: {ended:?}");
    assert!(ended.err.contains(says), "{words:?}: {ended:?}");
    assert!(!folder.has_data(), "{words:?}");
}

#[test]
fn what_another_option_makes_idle_is_refused() {
    let folder = Folder::new();
    let newer = "--kafka-property=group.protocol=consumer";
    refused(
        &folder,
        &["delivery", KAFKA, newer, "--session-timeout=6s"],
        "--session-timeout does nothing with group.protocol=consumer",
    );
    refused(
        &folder,
        &["order", KAFKA, "--log-retention=1d"],
        "--log-retention does nothing with --bootstrap-server",
    );
    refused(
        &folder,
        &["order", newer],
        "--kafka-property does nothing without --bootstrap-server",
    );
    refused(
        &folder,
        &["order", "--kafka-config=x"],
        "can't read the properties in x: ",
    );
    refused(
        &folder,
        &["delivery", "--course", "--gap-deadline=5s"],
        "--gap-deadline does nothing with --guard off",
    );
    std::fs::write(folder.path().join("client.properties"), "group.protocol = consumer\n").expect("written");
    std::fs::write(
        folder.path().join("mall.toml"),
        "session-timeout = '6s'\nlog-retention = '1d'\n",
    )
    .expect("written");
    refused(
        &folder,
        &["delivery", KAFKA, "--kafka-config=client.properties"],
        "--session-timeout does nothing",
    );
    // The file serves other runs as well.
    assert_eq!(folder.run(&["config", KAFKA]).code, Some(0));
}

#[test]
fn ports_that_there_are_not_are_refused_everywhere() {
    let folder = Folder::new();
    for (words, says) in [
        (&["order", "--bootstrap-server=host:99999"][..], "HOST:PORT"),
        (&["verify", "--bootstrap-server=host:99999"], "HOST:PORT"),
        (&["order", "--database-url=mysql://u:p@host:99999/d"], "port"),
        (&["gateway", "--order-url=http://host:99999"], "http://HOST:PORT"),
        (&["gateway", "--delivery-url=http://host:0"], "http://HOST:PORT"),
        (&["order", "--port=65536"], "65535"),
        (&["up", "--gateway-port=99999"], "65535"),
    ] {
        refused(&folder, words, says);
    }
    let ended = folder.run(&["kafka-topics", "--list", "--bootstrap-server", "host:99999"]);
    assert!(ended.code == Some(1) && ended.err.contains("HOST:PORT"), "{ended:?}");
}

#[test]
fn a_gateway_that_would_lead_to_itself_is_refused() {
    let folder = Folder::new();
    // Somebody else might take the port in between, which would be told instead.
    let free = TcpListener::bind("127.0.0.1:0")
        .expect("a port")
        .local_addr()
        .expect("an address")
        .port();
    for (option, host) in [("--order-url", "127.0.0.1"), ("--delivery-url", "localhost")] {
        let (port, url) = (format!("--port={free}"), format!("{option}=http://{host}:{free}"));
        refused(&folder, &["gateway", &port, &url], "is the gateway's own address");
    }
}

#[test]
fn a_variable_that_is_nearly_an_options_is_refused() {
    let folder = Folder::new();
    let run = |variable: &str| {
        let mut command = folder.command(&["config"]);
        ended(
            command
                .env(variable, "x")
                .stdin(Stdio::null())
                .output()
                .expect("it runs"),
        )
    };
    for (variable, meant) in [
        ("MALL_DATABSE_URL", "MALL_DATABASE_URL"),
        ("MALL_BOOTSTRAP_SERVERS", "MALL_BOOTSTRAP_SERVER"),
        ("MALL_TOPICS", "MALL_TOPIC"),
    ] {
        let ended = run(variable);
        assert_eq!(ended.code, Some(64), "{variable}: {ended:?}");
        assert!(
            ended.err.contains(&format!("did you mean {meant}?")),
            "{variable}: {ended:?}"
        );
    }
    // A cluster names a service's variables after it.
    assert_eq!(run("MALL_SERVICE_HOST").code, Some(0));
}

#[test]
fn what_a_role_has_no_use_for_is_not_offered_and_told() {
    let folder = Folder::new();
    for (role, idle, used) in [
        ("order", "--modify-delay", "--key"),
        ("gateway", "--modify-delay", "--database-url"),
        ("sql", "--bootstrap-server", "--database-url"),
        ("audit", "--database-url", "--bootstrap-server"),
    ] {
        let help = folder.run(&[role, "--help"]).out;
        assert!(!help.contains(idle) && help.contains(used), "{role}: {help}");
    }
    let mut command = folder.command(&["order", "--port=0", "--modify-delay=1s", "--key=none"]);
    let order = Role::start("order", &mut command);
    order.wait_line("--modify-delay does nothing for mall order");
    order.wait_line("listening");
    assert!(!order.said().contains("--key does nothing"), "{}", order.said());
    let ended = folder.run(&["sql", "show tables", "--kafka-property=a=b"]);
    assert!(
        ended.code == Some(0) && ended.err.contains("--kafka-property does nothing for mall sql"),
        "{ended:?}"
    );
}

/// The supervisor was given the options, so it is the supervisor that knows which role makes use of them.
#[test]
fn a_role_of_the_whole_mall_is_not_given_what_it_has_no_use_for() {
    let folder = Folder::new();
    let options = [
        "up",
        "--data=the data",
        "--lanes=2",
        "--key=none",
        "--order-url=http://127.0.0.1:1",
    ];
    let mall = Role::start("mall", &mut folder.command(&[&options[..], &FREE_PORTS[..]].concat()));
    mall.wait_line("gateway on http://");
    mall.wait_line("assigned");
    mall.wait_line("listening");
    let said = mall.said();
    assert!(!said.contains("does nothing"), "{said}");
    assert!(
        said.contains("--from-beginning --data 'the data'"),
        "as a shell takes it: {said}"
    );
}

/// Passes connections on to `to`, one after the other.
fn forward(listener: TcpListener, to: SocketAddr) {
    std::thread::spawn(move || {
        for from in listener.incoming().map_while(Result::ok) {
            let Ok(to) = TcpStream::connect(to) else { return };
            let pairs = [(from.try_clone(), to.try_clone()), (Ok(to), Ok(from))];
            for (mut source, mut sink) in pairs.into_iter().filter_map(|(a, b)| Some((a.ok()?, b.ok()?))) {
                std::thread::spawn(move || {
                    let mut piece = [0; 4096];
                    while let Ok(read @ 1..) = source.read(&mut piece) {
                        if sink.write_all(&piece[..read]).is_err() {
                            break;
                        }
                    }
                    let _ = sink.shutdown(std::net::Shutdown::Both);
                });
            }
        }
    });
}

#[test]
fn a_database_at_an_ipv6_address_is_reached() {
    let server = required("MALL_TEST_MYSQL");
    let (account, at) = server
        .trim_start_matches("mysql://")
        .split_once('@')
        .expect("an account");
    let listener = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).expect("IPv6 on this machine");
    let port = listener.local_addr().expect("an address").port();
    forward(listener, at.parse().expect("an address"));
    let name = super::real::unique("ipv6");
    let url = format!("mysql://{account}@[::1]:{port}/{name}");
    let folder = Folder::new();
    let at = ["--database-url", url.as_str()];
    let mut command = folder.command(&[&["order", "--port=0"], &at[..]].concat());
    let mut order = Role::start("order", &mut command);
    order.wait_line("listening");
    assert_eq!(order.stop(), Some(0));
    let shown = folder.run(&[&["sql", "show tables"], &at[..]].concat());
    assert!(shown.code == Some(0) && shown.out.contains("Order_table"), "{shown:?}");
    let doctor = folder.run(&[&["doctor"], &FREE_PORTS[..], &at[..]].concat());
    assert!(doctor.out.contains("answers"), "{doctor:?}");
    let dropped = std::process::Command::new("mariadb")
        .args([
            "--protocol=tcp",
            "-h",
            "127.0.0.1",
            "-P",
            server.rsplit(':').next().expect("a port"),
            "-u",
        ])
        .arg(account.split(':').next().expect("a user"))
        .env("MYSQL_PWD", account.split(':').nth(1).unwrap_or_default())
        .args(["-e", &format!("drop database if exists `{name}`")])
        .status();
    assert!(dropped.expect("the client runs").success());
}
