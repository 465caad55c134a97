//! What is said of a step before it is done, in both languages.

use shop::text;
use shop::text::Text;

use crate::scenario::{Action, Deed, Gate, Journal, Request, Step, Wish};

/// The sentence. None for what is expected, which is told at the end.
pub(super) fn step(step: &Step) -> Option<Text> {
    Some(match step {
        Step::Do(action) => does(action),
        Step::WaitUntil(sight) => Text::from("… ") + sight.awaited(),
        Step::Settle => text!(
            "… waiting until nothing moves any more",
            "… 아무것도 움직이지 않을 때까지 기다림"
        ),
        Step::Expect(_) => return None,
    })
}

fn does(action: &Action) -> Text {
    match action {
        Action::Request(request) => asks(request),
        Action::Publish { event, by } => {
            let by = by.told();
            text!(
                "somebody other than the relay publishes {event}{by}",
                "릴레이가 아닌 외부에서 발행: {event}{by}";
                by
            )
        }
        Action::Lose(event) => text!(
            "{event} is never sent: who should have sent it has forgotten it",
            "{event} 보내지 않음: 보내야 할 쪽이 잊어버림"
        ),
        Action::Forge { event, says, by } => {
            let (says, by) = (says.told(), by.told());
            text!(
                "somebody writes a record that stands in no journal: {event} {says}{by}",
                "저널에 없는 레코드를 외부에서 씀: {event} {says}{by}";
                says, by
            )
        }
        Action::Hold(gate) => stops(gate, true),
        Action::Release(gate) => stops(gate, false),
        Action::Process(role, deed) => match deed {
            Deed::Freeze => text!("{role} is made to stand still", "{role} 일시 정지"),
            Deed::Wake => text!("{role} is woken", "{role} 깨움"),
            Deed::Kill => text!("{role} is killed", "{role} 강제 종료"),
            Deed::Stop => text!("{role} is stopped", "{role} 종료"),
            Deed::Start(with) => {
                let with = with.told();
                text!("{role} is started{with}", "{role} 시작{with}"; with)
            }
        },
        other => topic_or_person(other),
    }
}

fn topic_or_person(action: &Action) -> Text {
    match action {
        Action::Grow(partitions) => text!(
            "the topic grows to {partitions} partitions",
            "토픽의 파티션을 {partitions}개로 늘림"
        ),
        Action::Truncate(spot) => text!("the records before {spot} are removed", "{spot} 앞의 레코드를 지움"),
        Action::Seek(spot) => text!("the group is made to go on at {spot}", "그룹이 {spot}부터 읽게 함"),
        Action::Limit(Some(bytes)) => text!(
            "the topic takes no records above {bytes} bytes from now on",
            "토픽이 이제 {bytes}바이트가 넘는 레코드를 받지 않음"
        ),
        Action::Limit(None) => text!("the topic takes large records again", "토픽이 큰 레코드도 다시 받음"),
        Action::Retry(order) => text!(
            "a person has what is parked of {order} tried again",
            "{order}의 보류된 이벤트를 사람이 다시 시도하게 함"
        ),
        Action::Discard(event) => text!("a person has {event} passed over", "{event} 사람이 건너뛰게 함"),
        other => other.to_string().into(),
    }
}

fn asks(request: &Request) -> Text {
    let order = &request.order;
    let what = match &request.wish {
        Wish::Place(fields) => text!("{order} orders:{fields}", "{order} 주문 생성:{fields}"),
        Wish::Modify(fields) => text!("{order} changes the order:{fields}", "{order} 주문 수정:{fields}"),
        Wish::Cancel => text!("{order} cancels the order", "{order} 주문 취소"),
    };
    let condition = request.if_version.map_or_else(Text::default, |version| {
        text!(", if it is still v{version}", ", 아직 v{version}이면")
    });
    let via = request
        .via
        .map_or_else(Text::default, |role| text!(" (at {role})", " ({role}에서)"));
    what + condition + via
}

/// From now on work stops at a gate, or it goes on.
fn stops(gate: &Gate, stops: bool) -> Text {
    let within = gate
        .within()
        .map_or_else(Text::default, |role| text!(" in {role}", " ({role})"));
    let relay = |of: &Journal| match of {
        Journal::Orders => text!("the relay", "릴레이"),
        Journal::Deliveries => text!("the delivery service's relay", "배송 서비스의 릴레이"),
    };
    let (who, before) = match gate {
        Gate::Work { event, .. } => (
            text!("work on {event}", "{event} 작업"),
            text!("its write", "쓰기 직전"),
        ),
        Gate::BeforeSend { of, .. } => (relay(of), text!("it sends", "보내기 직전")),
        Gate::BeforeMark { of, .. } => (relay(of), text!("it marks what was sent", "발행 표시 직전")),
        Gate::Commit { .. } => (
            text!("the consumer", "컨슈머"),
            text!("it commits offsets", "오프셋 커밋 직전"),
        ),
    };
    match stops {
        true => {
            text!("{who}{within} will stop before {before}", "{who}{within}: {before}에 멈추도록 설정"; who, within, before)
        }
        false => text!("{who}{within} may go on", "{who}{within}: 멈춤 해제"; who, within),
    }
}
