//! `--database-url`: parsed strictly, so that nothing in it is ignored, and no part of its password is ever shown.
//!
//! ```text
//!   mysql://root:1234@localhost:3306/my-database?ssl-mode=VERIFY_CA&ssl-ca=ca.pem
//!           ─── ────  ──────────────  ──────────  ──────────────────────────────
//!           user  password  server      database         parameters that have an effect
//! ```
//! # Invariants
//! * Nothing of a text that can't be parsed is shown, because what looks like a host may be a password.
//! * The driver ignores parameters that it doesn't know. Here they are refused, or a user might rely on a TLS check that never
//!   happens.

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::mysql::{MySqlConnectOptions, MySqlSslMode};

use super::masked::MASK;

/// The address of a MySQL or MariaDB server, with user, password and database. It is shown without the password.
#[derive(Clone, PartialEq, Eq)]
pub struct DatabaseUrl {
    /// The address with its password.
    text: String,
    /// The address as it may be shown.
    shown: String,
    database: String,
}

const FORM: &str = "allowed: mysql://USER:PASSWORD@HOST:PORT/DATABASE (mysql://root:1234@localhost:3306/my-database)";

const ENCODED: &str = "special characters of a user or password are written as %40 (@), %2F (/), %3F (?), %23 (#), %3A (:) and \
                       %25 (%)";

const KNOWN: &str = "known are ssl-mode (DISABLED, PREFERRED, REQUIRED, VERIFY_CA, VERIFY_IDENTITY), ssl-ca, ssl-cert, \
                     ssl-key and socket";

/// The longest name of a database that the servers take, in characters.
const LONGEST_NAME: usize = 64;

impl DatabaseUrl {
    /// The database's name.
    pub fn database(&self) -> &str {
        &self.database
    }

    /// The address of another database on the same server. `name` is made of letters, digits and underscores.
    pub fn of_database(&self, name: &str) -> Self {
        let swapped = |text: &str| {
            let (front, parameters) = text
                .split_once('?')
                .map_or((text, None), |(front, rest)| (front, Some(rest)));
            let server = front.rsplit_once('/').map_or(front, |(server, _)| server);
            let parameters = parameters.map(|rest| format!("?{rest}")).unwrap_or_default();
            format!("{server}/{name}{parameters}")
        };
        Self {
            text: swapped(&self.text),
            shown: swapped(&self.shown),
            database: name.to_owned(),
        }
    }

    /// The address with its password. For the driver alone.
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The driver's options for a connection.
    pub fn options(&self) -> MySqlConnectOptions {
        // The text was parsed before. The result was not kept, because the driver's type can't be compared.
        options_of(&self.text).unwrap_or_default().disable_statement_logging()
    }
}

impl FromStr for DatabaseUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let rest = ["mysql://", "mariadb://"]
            .iter()
            .find_map(|scheme| text.strip_prefix(scheme));
        let rest = rest.ok_or(FORM)?;
        if text.chars().any(|c| c.is_control() || c.is_whitespace()) {
            return Err(format!("it holds a blank or a control character; {ENCODED}; {FORM}"));
        }
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, tail) = rest.split_at(end);
        // A raw slash, question mark or hash in a password ends what every parser of URLs takes for the password.
        if tail.contains('@') {
            return Err(format!("an @ stands behind a /, ? or #; {ENCODED}; {FORM}"));
        }
        let (account, server) = authority
            .rsplit_once('@')
            .ok_or_else(|| format!("it names no user; {FORM}"))?;
        check_server(server)?;
        let (path, parameters) = tail
            .split_once('?')
            .map_or((tail, None), |(path, rest)| (path, Some(rest)));
        if tail.contains('#') {
            return Err(format!("a # stands in it; {ENCODED}; {FORM}"));
        }
        check_parameters(parameters.unwrap_or_default())?;
        let text = format!("mysql://{rest}");
        let options = options_of(&text).ok_or(FORM)?;
        let database = options.get_database().unwrap_or_default();
        let named =
            path.starts_with('/') && !path.starts_with("//") && (1..=LONGEST_NAME).contains(&database.chars().count());
        if !named || database.contains(['/', '\0']) {
            return Err(format!(
                "its database must have a name of 1 to {LONGEST_NAME} characters, without a slash; {FORM}"
            ));
        }
        Ok(Self {
            shown: shown(account, server, path, parameters.is_some()),
            database: database.to_owned(),
            text,
        })
    }
}

/// The driver's options for an address. The driver leaves the brackets around an IPv6 address, with which it finds no host.
fn options_of(text: &str) -> Option<MySqlConnectOptions> {
    let options: MySqlConnectOptions = text.parse().ok()?;
    let host = options.get_host().trim_matches(['[', ']']).to_owned();
    Some(options.host(&host))
}

fn check_server(server: &str) -> Result<(), String> {
    let (host, port) = match server.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, "")) => (host, None),
        Some((host, rest)) => (host, Some(rest.strip_prefix(':').ok_or(FORM)?)),
        None => server
            .split_once(':')
            .map_or((server, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err(format!("it names no host; {FORM}"));
    }
    match port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0)) {
        true => Ok(()),
        false => Err(format!("its port is not a number from 1 to 65535; {FORM}")),
    }
}

fn shown(account: &str, server: &str, path: &str, parameters: bool) -> String {
    let (user, password) = account
        .split_once(':')
        .map_or((account, None), |(user, rest)| (user, Some(rest)));
    // With an encoded colon the password stands in the user's place.
    let user = match user.to_ascii_lowercase().contains("%3a") {
        true => MASK,
        false => user,
    };
    let password = password.map_or(String::new(), |_| format!(":{MASK}"));
    let parameters = if parameters { "?…" } else { "" };
    format!("mysql://{user}{password}@{server}{path}{parameters}")
}

/// The parameters about TLS, each under one of the driver's names for it.
#[derive(Default)]
struct Tls {
    mode: Option<MySqlSslMode>,
    names: Vec<&'static str>,
}

fn check_parameters(parameters: &str) -> Result<(), String> {
    let mut tls = Tls::default();
    for (name, value) in form_urlencoded::parse(parameters.as_bytes()) {
        let known = known(&name).ok_or_else(|| unknown(&name, parameters))?;
        if tls.names.contains(&known) {
            return Err(format!("its parameter {known} is given twice"));
        }
        if value.is_empty() {
            return Err(format!("its parameter {known} has no value"));
        }
        if known == "ssl-mode" {
            let mode = value
                .parse()
                .map_err(|_| format!("its ssl-mode is none that there is; {KNOWN}"))?;
            tls.mode = Some(mode);
        }
        tls.names.push(known);
    }
    tls.check()
}

impl Tls {
    /// Refuses parameters that have no effect beside the others.
    fn check(&self) -> Result<(), String> {
        let has = |name: &str| self.names.contains(&name);
        let verifies = matches!(self.mode, Some(MySqlSslMode::VerifyCa | MySqlSslMode::VerifyIdentity));
        if has("ssl-ca") && !verifies {
            return Err(
                "its ssl-ca does nothing unless ssl-mode is VERIFY_CA or VERIFY_IDENTITY, since no certificate is checked otherwise"
                    .into(),
            );
        }
        if has("ssl-cert") != has("ssl-key") {
            return Err("its ssl-cert and ssl-key do nothing without each other".into());
        }
        if has("ssl-cert") && matches!(self.mode, Some(MySqlSslMode::Disabled)) {
            return Err("its ssl-cert and ssl-key do nothing with ssl-mode=DISABLED".into());
        }
        Ok(())
    }
}

/// The name of a parameter that has an effect here, in one spelling.
fn known(name: &str) -> Option<&'static str> {
    Some(match name {
        "ssl-mode" | "sslmode" => "ssl-mode",
        "ssl-ca" | "sslca" => "ssl-ca",
        "ssl-cert" | "sslcert" => "ssl-cert",
        "ssl-key" | "sslkey" => "ssl-key",
        "socket" => "socket",
        _ => return None,
    })
}

/// Refuses a parameter, and says what to write instead. A value is never repeated, nor a name that may be a value.
fn unknown(name: &str, parameters: &str) -> String {
    let has_value = parameters
        .split('&')
        .any(|pair| pair.split_once('=').is_some_and(|(key, _)| key == name));
    let plain = name.len() <= 40 && name.chars().all(|c| c.is_ascii_alphabetic() || matches!(c, '-' | '_'));
    let name_shown: Cow<'_, str> = match has_value && plain {
        true => Cow::Borrowed(name),
        false => Cow::Borrowed(MASK),
    };
    let instead = counterpart(name).map_or(String::new(), |instead| format!(": {instead}"));
    format!("its parameter {name_shown} would do nothing here{instead}; {KNOWN}")
}

/// What to write here in place of a parameter of JDBC or of another driver.
fn counterpart(name: &str) -> Option<&'static str> {
    let letters: String = name.chars().filter(char::is_ascii_alphabetic).collect();
    Some(match &*letters.to_ascii_lowercase() {
        "sslmode" => "write ssl-mode=VERIFY_CA and the like",
        "usessl" | "requiressl" | "ssl" | "tls" => "write ssl-mode=REQUIRED, or DISABLED",
        "verifyservercertificate" | "trustservercertificate" => "write ssl-mode=VERIFY_CA and ssl-ca=FILE",
        "sslca" | "serversslcert" | "trustcertificatekeystoreurl" | "truststore" => {
            "write ssl-mode=VERIFY_CA and ssl-ca=FILE, a PEM file"
        }
        "sslcert" | "sslkey" | "clientcertificatekeystoreurl" | "keystore" => {
            "write ssl-cert=FILE and ssl-key=FILE, PEM files"
        }
        "servertimezone" | "connectiontimezone" | "timezone" => {
            "times are kept in UTC, whatever the server's time zone"
        }
        "useunicode" | "characterencoding" | "charset" | "collation" | "connectioncollation" => "it is utf8mb4 always",
        "allowpublickeyretrieval" => "the key is asked for where it is needed",
        "createdatabaseifnotexist" => "a missing database is created always",
        "autoreconnect" => "lost connections are made anew always",
        "statementcachecapacity" | "cacheprepstmts" | "useserverprepstmts" | "rewritebatchedstatements" => {
            "statements are prepared and batched always"
        }
        "user" | "username" | "password" => "user and password stand before the host, mysql://USER:PASSWORD@HOST",
        _ => return None,
    })
}

impl fmt::Display for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Debug for DatabaseUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An address as it may be shown, also one that can't be parsed.
pub fn masked_url(text: &str) -> String {
    match text.parse::<DatabaseUrl>() {
        Ok(url) => url.to_string(),
        Err(_) if text.starts_with("mysql://") => format!("mysql://{MASK}"),
        Err(_) if text.starts_with("mariadb://") => format!("mariadb://{MASK}"),
        Err(_) => MASK.to_owned(),
    }
}

#[cfg(test)]
#[path = "database_url_tests.rs"]
mod tests;
