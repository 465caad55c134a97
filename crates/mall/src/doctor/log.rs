//! Looks at the log: whether it answers, and whether topic, records and group are such that no event gets lost or out of order.

use std::collections::BTreeMap;

use keylane_log::{EventLog, Extent, LogError, Offset, Record, TopicInfo};
use shop::text;
use shop::text::Text;

use super::report::Report;
use super::{members, records, topic, unread};
use crate::adapters::log::{Cause, OpenFor, explained, kafka, open_log};
use crate::clock::now;
use crate::config::{RoleOptions, Storage};

/// How many of the newest records are looked at in each partition.
const SAMPLE: u64 = 500;

pub fn look(options: &RoleOptions, report: &mut Report) {
    let storage = &options.storage;
    if let Err((error, cause)) = reach(storage) {
        return away(&error, cause, options, report);
    }
    let log = match open_log(storage, OpenFor::Reading) {
        Ok(Some(log)) => log,
        Ok(None) => return report.fine(text!("there is no embedded log yet", "내장 로그가 아직 없음")),
        Err(error) => return away(&error, None, options, report),
    };
    let topics = match log.topics() {
        Ok(topics) => topics,
        Err(error) => return away(&error, None, options, report),
    };
    match &storage.bootstrap_server {
        Some(servers) => {
            let servers = servers.as_str();
            report.fine(text!("Kafka at {servers} answers", "Kafka({servers})가 응답함"));
        }
        None => report.fine(text!("the embedded log can be read", "내장 로그를 읽을 수 있음")),
    }
    let name = &options.topic;
    let Some(info) = topics.iter().find(|topic| topic.name == *name) else {
        return report.fine(text!(
            "topic {name} is not there yet; a role creates it",
            "{name} 토픽이 아직 없음. 역할이 시작할 때 만듦"
        ));
    };
    if let Err(error) = inside(&*log, info, options, report) {
        away(&error, None, options, report);
    }
}

/// Whether Kafka answers, where it is used.
fn reach(storage: &Storage) -> Result<(), (LogError, Option<Cause>)> {
    match kafka(storage) {
        Some(kafka) => kafka.map_err(|error| (error, None))?.reach(),
        None => Ok(()),
    }
}

fn away(error: &LogError, cause: Option<Cause>, options: &RoleOptions, report: &mut Report) {
    let why = explained(error, &options.storage);
    let remedy = match (error, &options.storage.bootstrap_server, cause) {
        (LogError::Refused(_), ..) => {
            return report.unseen(text!("{why}", "이벤트 로그를 확인할 수 없음: {why}"));
        }
        (_, Some(_), Some(cause)) => remedy_of(cause),
        (LogError::Unavailable(_), Some(servers), None) => {
            let servers = servers.as_str();
            text!(
                "start Kafka, or correct --bootstrap-server {servers}",
                "Kafka를 시작하거나, --bootstrap-server {servers} 값을 바로잡으세요"
            )
        }
        (LogError::Broken(_), Some(_), None) => text!(
            "give Kafka's user that right, or name another user with --kafka-property",
            "Kafka 사용자에게 그 권한을 주거나, --kafka-property로 다른 사용자를 지정하세요"
        ),
        (LogError::Unavailable(_), None, _) => text!(
            "continue or end the process that keeps the log, or make room on its disk",
            "로그를 붙잡고 있는 프로세스를 다시 움직이게 하거나 끝내세요. 디스크가 찼으면 공간을 확보하세요"
        ),
        (LogError::Broken(_), None, _) => text!(
            "restore the data folder, or start over with mall reset",
            "데이터 폴더를 복원하거나, mall reset으로 새로 시작하세요"
        ),
    };
    report.wrong(text!("{why}", "이벤트 로그에 문제가 있음: {why}"), remedy);
}

/// What a person can do about the cause.
fn remedy_of(cause: Cause) -> Text {
    match cause {
        Cause::Refused => text!(
            "start Kafka, or correct --bootstrap-server",
            "Kafka를 시작하거나, --bootstrap-server 값을 바로잡으세요"
        ),
        Cause::Silent => text!(
            "see whether Kafka runs there and a firewall lets you through, or correct --bootstrap-server",
            "그곳에서 Kafka가 실행 중인지, 방화벽이 막지 않는지 확인하거나, --bootstrap-server 값을 바로잡으세요"
        ),
        Cause::Closed => text!(
            "look into the broker's log, or correct --bootstrap-server",
            "브로커가 출력한 로그를 확인하거나, --bootstrap-server 값을 바로잡으세요"
        ),
        Cause::PerhapsListener | Cause::Listener => text!(
            "set security.protocol to what the listener speaks, or give the port of another listener with \
             --bootstrap-server",
            "security.protocol을 리스너의 프로토콜에 맞추거나, --bootstrap-server에 다른 리스너의 포트를 지정하세요"
        ),
        Cause::Unresolved => text!(
            "correct the host's name in --bootstrap-server",
            "--bootstrap-server의 호스트 이름을 바로잡으세요"
        ),
        Cause::Login => text!(
            "correct sasl.username and sasl.password",
            "sasl.username과 sasl.password를 바로잡으세요"
        ),
        Cause::Mechanism => text!(
            "set sasl.mechanism to one that the broker has",
            "sasl.mechanism을 브로커가 지원하는 것으로 바꾸세요"
        ),
        Cause::Certificate => text!(
            "name the authority that signed it with ssl.ca.location=FILE",
            "인증서에 서명한 인증 기관을 ssl.ca.location=FILE로 지정하세요"
        ),
        Cause::HostName => text!(
            "name the host in --bootstrap-server (and the broker in advertised.listeners) as in its certificate",
            "--bootstrap-server(와 브로커의 advertised.listeners)에 인증서에 있는 호스트 이름을 쓰세요"
        ),
        Cause::ClientCertificate => text!(
            "give one with ssl.certificate.location and ssl.key.location",
            "ssl.certificate.location과 ssl.key.location으로 클라이언트 인증서를 지정하세요"
        ),
        Cause::NotKafka => text!("correct --bootstrap-server", "--bootstrap-server 값을 바로잡으세요"),
    }
}

fn inside(log: &dyn EventLog, info: &TopicInfo, options: &RoleOptions, report: &mut Report) -> Result<(), LogError> {
    let name = &info.name;
    let extents = log.extents(name)?;
    let records = sample(log, name, &extents)?;
    let group = log.describe_group(&options.group)?;
    let settings = settings(options)?;
    let before = report.faults.len();
    report.faults.extend(topic::copies(info));
    if let Some(kafka) = kafka(&options.storage) {
        let cluster = kafka?.cluster()?;
        topic::redundancy(info, cluster, &settings, report);
    }
    report.faults.extend(topic::numbered(info, &extents));
    report
        .faults
        .extend(records::partitioner(name, extents.len() as u32, &records));
    report.faults.extend(records::clock(name, now().0, &records));
    report.faults.extend(topic::kept(name, &settings));
    if let Some(group) = &group {
        members::look(group, extents.len(), options, report);
        report
            .faults
            .extend(unread::removed(&options.group, name, group, &extents));
        if options.storage.bootstrap_server.is_none() {
            report.faults.extend(unread::held(log, group, name, &extents, options)?);
        }
    }
    if report.faults.len() == before {
        let (partitions, records) = (extents.len(), records.len());
        report.fine(text!(
            "topic {name} has {partitions} partition(s); {records} record(s) looked at",
            "토픽 {name}에 파티션 {partitions}개가 있음. 레코드 {records}개를 확인함"
        ));
    }
    Ok(())
}

fn sample(log: &dyn EventLog, topic: &str, extents: &[Extent]) -> Result<Vec<Record>, LogError> {
    let newest = |extent: &Extent| Extent {
        start: Offset(extent.end.0.saturating_sub(SAMPLE)).max(extent.start),
        end: extent.end,
    };
    let newest: Vec<Extent> = extents.iter().map(newest).collect();
    let mut records = Vec::new();
    log.scan(topic, &newest, &mut |record| records.push(record.clone()))?;
    records.sort_by_key(|record| (record.partition, record.offset));
    Ok(records)
}

/// The settings of the topic on Kafka.
fn settings(options: &RoleOptions) -> Result<BTreeMap<String, String>, LogError> {
    match kafka(&options.storage) {
        Some(kafka) => kafka?.topic_settings(&options.topic),
        // The embedded log never removes what a group has yet to read, so none of its settings loses events.
        None => Ok(BTreeMap::new()),
    }
}
