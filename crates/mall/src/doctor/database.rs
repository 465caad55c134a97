//! Looks at the database server: whether it answers, what time its clock shows, whether it takes writes, and whether it runs
//! the statements of the services.

use std::time::Duration;

use anyhow::Result;
use shop::domain::Source;
use shop::store::StoreError;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{ConnectOptions, Connection, Row};

use super::report::Report;
use super::{skew, waiting};
use crate::adapters::mysql::{Trial, look_into, takes_writes, try_out};
use crate::clock::now;
use crate::config::{DatabaseUrl, RoleOptions};
use crate::runtime;

/// How long the server may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// Asks for the time of the server in milliseconds since 1970, whatever its time zone is.
const SELECT_TIME: &str = "select cast(unix_timestamp(now(3)) * 1000 as signed)";

pub fn look(url: &DatabaseUrl, options: &RoleOptions, report: &mut Report) -> Result<()> {
    let runtime = runtime::on_this_thread()?;
    let asked = now().0;
    let answer = runtime.block_on(async { tokio::time::timeout(ANSWER_TIMEOUT, time(url)).await });
    match answer {
        Ok(Ok(theirs)) => {
            report.fine(format!("the database at {url} answers"));
            clock(url, (asked, now().0), theirs, report);
            runtime.block_on(writes(url, report));
            for source in [Source::Orders, Source::Deliveries] {
                let tried = runtime.block_on(try_out(url, source));
                if let Ok(Trial::Ready | Trial::Untried) = tried {
                    runtime.block_on(waits(url, source, options, report));
                }
                trial(url, source, tried, report);
            }
        }
        Ok(Err(error)) => report.wrong(
            format!("the database at {url} can't be used: {error}"),
            remedy(number(&error)),
        ),
        Err(_) => report.wrong(
            format!("the database at {url} did not answer within {ANSWER_TIMEOUT:?}"),
            remedy(None),
        ),
    }
    Ok(())
}

/// What helps against the error with which a server refuses a connection.
fn remedy(number: Option<u16>) -> &'static str {
    match number {
        Some(1040) => "end clients that are no longer needed, or raise the server's max_connections",
        Some(1203 | 1226) => "raise what the server grants this account (alter user … with max_user_connections)",
        Some(1129) => "run flush hosts on the server, and find out which program on this machine fails to log in",
        Some(1044 | 1045 | 1698) => "correct user and password in --database-url, or the account on the server",
        _ => "start the server, or correct --database-url (user, password, host and port)",
    }
}

fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?;
    Some(error.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

/// Whether the services can write. Rows are written and rolled back.
async fn writes(url: &DatabaseUrl, report: &mut Report) {
    for (name, source) in [("order", Source::Orders), ("delivery", Source::Deliveries)] {
        match takes_writes(url, source).await {
            Ok(true) => report.fine(format!("the database at {url} takes what the {name} service writes")),
            Ok(false) => report.fine(format!(
                "the tables of the {name} service are not there yet; it creates them"
            )),
            Err(StoreError::Unwritable(why)) => report.wrong(
                format!("the {name} service can't write: {why}"),
                "point --database-url at a server that takes writes, switch read_only off on this one, or make room on its disk",
            ),
            Err(error) => report.wrong(
                format!("the {name} service can't write: {error}"),
                "grant the account of --database-url select, insert, update and delete on the database's tables",
            ),
        }
    }
}

/// Looks at what waits in the tables of a service.
async fn waits(url: &DatabaseUrl, source: Source, options: &RoleOptions, report: &mut Report) {
    match look_into(url, source).await {
        Ok(store) => waiting::look(&*store, source, options, report).await,
        Err(error) => report.unseen(format!("what waits in the database at {url}: {error}")),
    }
}

/// Reports whether the server runs the statements of a service.
fn trial(url: &DatabaseUrl, source: Source, tried: Result<Trial, StoreError>, report: &mut Report) {
    let service = match source {
        Source::Orders => "order service",
        Source::Deliveries => "delivery service",
    };
    match tried {
        Ok(Trial::Ready) => report.fine(format!("the database does what the {service} needs, and its tables are there")),
        Ok(Trial::Unmade(tables)) => report.fine(format!(
            "the database does what the {service} needs; it creates or changes {} when it starts",
            tables.join(", ")
        )),
        Ok(Trial::Untried) => report.fine(format!(
            "the tables of the {service} are there and the account may use them; its statements were not tried, as it may \
             create no temporary tables"
        )),
        Ok(Trial::NoDatabase(why)) => report.fine(format!(
            "the database of the {service} is not there yet, or can't be used ({why}); it is created when the service starts, if \
             the account may do that"
        )),
        Err(error) => report.wrong(
            format!("the database at {url} doesn't do what the {service} needs: {error}"),
            "mend what the line above names, or use MySQL 8 or later, or MariaDB 10.6 or later, and an account with the rights",
        ),
    }
}

async fn time(url: &DatabaseUrl) -> Result<i64, sqlx::Error> {
    // No database is named, because the services' own is created only when a role first starts.
    let mut connection = url.options().database("").connect().await?;
    let time = sqlx::query(SELECT_TIME).fetch_one(&mut connection).await?.try_get(0)?;
    // The answer is there, so it does not matter whether the connection is closed properly.
    let _ = connection.close().await;
    Ok(time)
}

/// Compares the server's time with ours before and after the question.
fn clock(url: &DatabaseUrl, (asked, heard): (i64, i64), theirs: i64, report: &mut Report) {
    if theirs < asked - skew::TOLERATED_MS || theirs > heard + skew::TOLERATED_MS {
        let off = (theirs - heard) as f64 / 1000.0;
        report.wrong(
            format!("the clock of the database at {url} and ours differ by {off:.1} s (clock skew)"),
            "set the clocks of both machines by NTP",
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_far_off_is_told() {
        let url: DatabaseUrl = "mysql://u:secret@h:1/d".parse().expect("a URL");
        let told = |theirs| {
            let mut report = Report::default();
            clock(&url, (100_000, 101_000), theirs, &mut report);
            report.faults
        };
        assert_eq!(told(100_500), []);
        assert_eq!(told(101_000 + skew::TOLERATED_MS), []);
        assert!(told(161_000)[0].what.ends_with("differ by 60.0 s (clock skew)"));
        assert!(told(41_000)[0].what.contains("differ by -60.0 s"));
        assert!(!told(41_000)[0].what.contains("secret"));
    }
}
