//! Looks at the database server: whether it answers, what time its clock shows, whether it takes writes, and whether it runs
//! the statements of the services.

use std::time::Duration;

use anyhow::Result;
use shop::domain::Source;
use shop::store::StoreError;
use shop::text;
use shop::text::Text;
use sqlx::mysql::MySqlDatabaseError;
use sqlx::{ConnectOptions, Connection, Row};

use super::report::Report;
use super::services::service;
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
            report.fine(text!("the database at {url} answers", "데이터베이스({url})가 응답함"));
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
            text!(
                "the database at {url} can't be used: {error}",
                "데이터베이스({url})를 쓸 수 없음: {error}"
            ),
            remedy(number(&error)),
        ),
        Err(_) => report.wrong(
            text!(
                "the database at {url} did not answer within {ANSWER_TIMEOUT:?}",
                "데이터베이스({url})가 {ANSWER_TIMEOUT:?} 안에 응답하지 않음"
            ),
            remedy(None),
        ),
    }
    Ok(())
}

/// What helps against the error with which a server refuses a connection.
fn remedy(number: Option<u16>) -> Text {
    match number {
        Some(1040) => text!(
            "end clients that are no longer needed, or raise the server's max_connections",
            "필요 없는 클라이언트를 끝내거나, 서버의 max_connections를 늘리세요"
        ),
        Some(1203 | 1226) => text!(
            "raise what the server grants this account (alter user … with max_user_connections)",
            "서버가 이 계정에 허용하는 연결 수를 늘리세요(alter user … with max_user_connections)"
        ),
        Some(1129) => text!(
            "run flush hosts on the server, and find out which program on this machine fails to log in",
            "서버에서 flush hosts를 실행하고, 이 컴퓨터의 어느 프로그램이 로그인에 실패하는지 찾으세요"
        ),
        Some(1044 | 1045 | 1698) => text!(
            "correct user and password in --database-url, or the account on the server",
            "--database-url의 사용자와 비밀번호, 또는 서버의 계정을 바로잡으세요"
        ),
        _ => text!(
            "start the server, or correct --database-url (user, password, host and port)",
            "서버를 시작하거나, --database-url의 사용자, 비밀번호, 호스트, 포트를 바로잡으세요"
        ),
    }
}

fn number(error: &sqlx::Error) -> Option<u16> {
    let error = error.as_database_error()?;
    Some(error.try_downcast_ref::<MySqlDatabaseError>()?.number())
}

/// Whether the services can write. Rows are written and rolled back.
async fn writes(url: &DatabaseUrl, report: &mut Report) {
    for source in [Source::Orders, Source::Deliveries] {
        let service = service(source);
        match takes_writes(url, source).await {
            Ok(true) => report.fine(text!(
                "the database at {url} takes what the {service} writes",
                "데이터베이스({url})가 {service}의 쓰기를 받음"; service
            )),
            Ok(false) => report.fine(text!(
                "the tables of the {service} are not there yet; it creates them",
                "{service}의 테이블은 아직 없으며, {service}가 만듦"; service
            )),
            Err(StoreError::Unwritable(why)) => report.wrong(
                text!("the {service} can't write: {why}", "{service}가 데이터베이스에 쓸 수 없음: {why}"; service),
                text!(
                    "point --database-url at a server that takes writes, switch read_only off on this one, or make room on \
                     its disk",
                    "--database-url에 쓰기를 받는 서버를 지정하거나, 이 서버의 read_only를 끄거나, 디스크에 공간을 확보하세요"
                ),
            ),
            Err(error) => report.wrong(
                text!("the {service} can't write: {error}", "{service}가 데이터베이스에 쓸 수 없음: {error}"; service),
                text!(
                    "grant the account of --database-url select, insert, update and delete on the database's tables",
                    "--database-url의 계정에 데이터베이스 테이블의 select, insert, update, delete 권한을 주세요"
                ),
            ),
        }
    }
}

/// Looks at what waits in the tables of a service.
async fn waits(url: &DatabaseUrl, source: Source, options: &RoleOptions, report: &mut Report) {
    match look_into(url, source).await {
        Ok(store) => waiting::look(&*store, source, options, report).await,
        Err(error) => report.unseen(text!(
            "what waits in the database at {url}: {error}",
            "데이터베이스({url})에서 무엇이 기다리는지 알 수 없음: {error}"
        )),
    }
}

/// Reports whether the server runs the statements of a service.
fn trial(url: &DatabaseUrl, source: Source, tried: Result<Trial, StoreError>, report: &mut Report) {
    let service = service(source);
    match tried {
        Ok(Trial::Ready) => report.fine(text!(
            "the database does what the {service} needs, and its tables are there",
            "데이터베이스가 {service}에 필요한 기능을 갖췄고, 테이블도 있음"; service
        )),
        Ok(Trial::Unmade(tables)) => {
            let tables = tables.join(", ");
            report.fine(text!(
                "the database does what the {service} needs; it creates or changes {tables} when it starts",
                "데이터베이스가 {service}에 필요한 기능을 갖춤. {service}가 시작할 때 {tables} 테이블을 만들거나 바꿈"; service
            ));
        }
        Ok(Trial::Untried) => report.fine(text!(
            "the tables of the {service} are there and the account may use them; its statements were not tried, as it may \
             create no temporary tables",
            "{service}의 테이블이 있고 계정이 쓸 수 있음. 계정이 임시 테이블을 만들 수 없어 SQL 문은 시험하지 않음"; service
        )),
        Ok(Trial::NoDatabase(why)) => report.fine(text!(
            "the database of the {service} is not there yet, or can't be used ({why}); it is created when the service starts, if \
             the account may do that",
            "{service}의 데이터베이스가 아직 없거나 쓸 수 없음({why}). 계정에 권한이 있으면 {service}가 시작할 때 만들어짐"; service
        )),
        Err(error) => report.wrong(
            text!(
                "the database at {url} doesn't do what the {service} needs: {error}",
                "데이터베이스({url})에 {service}에 필요한 기능이 없음: {error}"; service
            ),
            text!(
                "mend what the line above names, or use MySQL 8 or later, or MariaDB 10.6 or later, and an account with the \
                 rights",
                "윗줄에 적힌 문제를 고치거나, MySQL 8 이상이나 MariaDB 10.6 이상을 권한이 있는 계정으로 쓰세요"
            ),
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
            text!(
                "the clock of the database at {url} and ours differ by {off:.1} s (clock skew)",
                "데이터베이스({url})의 시계와 이 컴퓨터의 시계가 {off:.1}초 어긋남(시계 차이)"
            ),
            text!(
                "set the clocks of both machines by NTP",
                "두 컴퓨터의 시계를 NTP로 맞추세요"
            ),
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
            let told = report.faults.into_iter().map(|fault| fault.what.english);
            told.collect::<Vec<_>>()
        };
        assert!(told(100_500).is_empty());
        assert!(told(101_000 + skew::TOLERATED_MS).is_empty());
        assert!(told(161_000)[0].ends_with("differ by 60.0 s (clock skew)"));
        assert!(told(41_000)[0].contains("differ by -60.0 s"));
        assert!(!told(41_000)[0].contains("secret"));
    }
}
