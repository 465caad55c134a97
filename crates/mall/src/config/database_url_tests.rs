//! Which database addresses are accepted, and that no part of a password is ever shown.

use proptest::prelude::*;

use super::super::shown::shown as shown_of;
use super::*;

fn url(text: &str) -> DatabaseUrl {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refused(text: &str) -> String {
    text.parse::<DatabaseUrl>().expect_err(text)
}

#[test]
fn an_address_names_its_database_and_hides_its_password() {
    let shown = |text| url(text).to_string();
    assert_eq!(
        shown("mariadb://root:1234@db:3306/my-database"),
        "mysql://root:***@db:3306/my-database"
    );
    assert_eq!(shown("mysql://root@db/d"), "mysql://root@db/d");
    assert_eq!(shown("mysql://root:p@ss@db/d"), "mysql://root:***@db/d");
    assert_eq!(shown("mysql://root%3Asecret@db/d"), "mysql://***@db/d");
    assert_eq!(
        shown("mysql://root:x@db/d?ssl-mode=REQUIRED"),
        "mysql://root:***@db/d?…"
    );
    assert_eq!(
        url("mysql://root:x@db/my%20data?ssl-mode=REQUIRED").database(),
        "my data"
    );
}

#[test]
fn what_is_no_address_is_refused() {
    for wrong in [
        "localhost",
        "jdbc:mysql://u:p@h/d",
        "postgres://u:p@h/d",
        "mysql://u:p@h:3306",
        "mysql://u:p@h/",
        "mysql://u:p@/d",
        "mysql://h/d",
        "mysql://h:3306/d",
        "mysql://u:p@h/a/b",
        "mysql://u:p@h//d",
        "mysql://u:p@h:0/d",
        "mysql://u:p@h:65536/d",
        "mysql://u:p@h:99999/d",
        "mysql://u:p@h:x/d",
        "mysql://u:p@h:/d",
        "mysql://u:p@[::1/d",
        "mysql://u:p@[::1]3306/d",
        "mysql://u:p@h/d#x",
        "mysql://u:p w@h/d",
        "mysql://u:p\tw@h/d",
    ] {
        assert!(!refused(wrong).is_empty(), "{wrong}");
    }
}

#[test]
fn an_ipv6_address_is_one() {
    for (text, port) in [("mysql://u:p@[::1]/d", 3306), ("mysql://u:p@[::1]:3307/d", 3307)] {
        let options = url(text).options();
        assert_eq!((options.get_host(), options.get_port()), ("::1", port));
    }
    assert_eq!(
        url("mysql://u:p@[::1]:3307/d").to_string(),
        "mysql://u:***@[::1]:3307/d"
    );
}

#[test]
fn what_would_do_nothing_is_refused_with_what_to_write() {
    for (parameters, says) in [
        ("sslMode=VERIFY_CA", "sslMode would do nothing here: write ssl-mode"),
        ("SSL-MODE=VERIFY_CA", "SSL-MODE would do nothing here: write ssl-mode"),
        ("ssl_mode=VERIFY_CA", "ssl_mode would do nothing here: write ssl-mode"),
        ("useSSL=true", "useSSL would do nothing here: write ssl-mode=REQUIRED"),
        (
            "serverTimezone=UTC",
            "serverTimezone would do nothing here: times are kept in UTC",
        ),
        (
            "time-zone=UTC",
            "time-zone would do nothing here: times are kept in UTC",
        ),
        ("charset=latin1", "charset would do nothing here: it is utf8mb4"),
        ("statement-cache-capacity=9", "statements are prepared"),
        (
            "allowPublicKeyRetrieval=true",
            "allowPublicKeyRetrieval would do nothing",
        ),
        (
            "password=hunter2",
            "password would do nothing here: user and password stand before the host",
        ),
        ("foo=bar", "foo would do nothing here; known are ssl-mode"),
        ("foo", "*** would do nothing here; known"),
        ("hunter2=x", "*** would do nothing here; known"),
        ("ssl-mode=verify", "known are ssl-mode (DISABLED"),
        ("ssl-mode=", "ssl-mode has no value"),
        ("ssl-mode=REQUIRED&sslmode=DISABLED", "ssl-mode is given twice"),
        ("ssl-ca=ca.pem", "ssl-ca does nothing unless"),
        ("ssl-mode=REQUIRED&ssl-ca=ca.pem", "ssl-ca does nothing unless"),
        ("ssl-cert=c.pem", "without each other"),
        (
            "ssl-mode=disabled&ssl-cert=c.pem&ssl-key=k.pem",
            "with ssl-mode=DISABLED",
        ),
    ] {
        let error = refused(&format!("mysql://u:p@h/d?{parameters}"));
        assert!(error.contains(says), "{parameters}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    for good in [
        "ssl-mode=required",
        "ssl-mode=VERIFY_CA&ssl-ca=/etc/ca.pem",
        "sslmode=VERIFY_IDENTITY&sslca=ca.pem&ssl-cert=c.pem&ssl-key=k.pem",
        "socket=/run/mysqld/mysqld.sock",
    ] {
        url(&format!("mysql://u:p@h/d?{good}"));
    }
}

#[test]
fn nothing_of_what_can_not_be_read_is_shown() {
    for wrong in [
        "mysql://root:hunter2",
        "mysql://root:1234/d",
        "mysql://root:ZZ/99@h/d",
        "mysql://root:ZZ?99@h/d",
        "mysql://root:ZZ#99@h/d",
        "mysql://root:1/hunter2?hunter2@h/d",
        "root:hunter2@h",
        "root:hunter2",
        "mysql://root:hunter2@h/d?hunter2",
    ] {
        let shown = masked_url(wrong);
        assert!(["***", "mysql://***"].contains(&&*shown), "{wrong}: {shown}");
        let error = refused(wrong);
        assert!(
            !error.contains("hunter2") && !error.contains("ZZ") && !error.contains("99@"),
            "{wrong}: {error}"
        );
    }
}

/// Every piece of three letters that could only have come from the password.
fn pieces(password: &str) -> Vec<String> {
    let letters: Vec<char> = password.chars().collect();
    let windows = letters.windows(3).map(|piece| piece.iter().collect::<String>());
    // What has a letter that stands nowhere else.
    windows.filter(|piece| piece.contains(['Q', 'Z', 'Ж'])).collect()
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

const PASSWORD: &str = "[QZЖ@:/?#%&=+\\[\\]!2\\\\ .]{3,24}";

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_part_of_a_raw_password_is_shown(
        password in PASSWORD,
        form in prop::sample::select(vec![
            "mysql://root:{}@h:3306/d",
            "mysql://root:{}@h/d?ssl-mode=REQUIRED",
            "mysql://root:{}@h/d?sslMode=VERIFY_CA",
            "mysql://root:{}@h",
            "mysql://root:{}/d",
            "mysql://root:{}",
            "mysql://{}",
            "mariadb://root:{}@[::1]:3307/d",
            "jdbc:mysql://root:{}@h/d",
            "root:{}@h/d",
            "{}",
        ]),
    ) {
        // Whoever writes an @ and no host has written a host. Changed rather than thrown away: a long run would end at the
        // number of cases that may be.
        let has_host = form.contains("@h") || form.contains("@[");
        let password = if has_host { password } else { password.replace('@', ":") };
        let text = form.replace("{}", &password);
        // A user without a password is no secret, however odd.
        let is_user = form == "mysql://{}" || form == "{}";
        let mut said = vec![masked_url(&text), shown_of("database-url", &text)];
        match text.parse::<DatabaseUrl>() {
            Ok(url) => said.extend([format!("{url} {url:?}")]),
            Err(error) => said.push(error),
        }
        for piece in pieces(&password).iter().filter(|_| !is_user || text.parse::<DatabaseUrl>().is_err()) {
            for said in &said {
                prop_assert!(!said.contains(piece.as_str()), "{piece:?} of {text:?} in {said:?}");
            }
        }
    }

    #[test]
    fn a_well_written_address_comes_through(
        user in "[a-zA-Z@:/?#%Ж ]{1,12}",
        password in PASSWORD,
        database in "[a-zA-Z0-9_#?%Ж -]{1,20}",
        port in 1u16..,
    ) {
        let (user_text, password_text, database_text) = (encoded(&user), encoded(&password), encoded(&database));
        let text = format!("mysql://{user_text}:{password_text}@db.example:{port}/{database_text}");
        let url: DatabaseUrl = text.parse().map_err(|error| TestCaseError::fail(format!("{text}: {error}")))?;
        let options = url.options();
        prop_assert_eq!(options.get_username(), user.as_str());
        prop_assert_eq!(options.get_port(), port);
        prop_assert_eq!(url.database(), database.as_str());
        // The driver shows a password only in an address, which it can't write for such users.
        let plain: DatabaseUrl = format!("mysql://root:{password_text}@h/d").parse().map_err(TestCaseError::fail)?;
        let back = plain.options().to_url_lossy();
        let password_back = back.password().unwrap_or_default().to_owned();
        let bytes = form_urlencoded::parse(format!("p={}", password_back.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned());
        prop_assert_eq!(bytes.as_deref(), Some(password.as_str()));
        for piece in pieces(&password) {
            prop_assert!(!url.to_string().contains(&piece));
        }
    }
}
